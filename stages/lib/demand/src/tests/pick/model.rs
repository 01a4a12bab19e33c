//! A model of the pick that computes everything again for every frame.

use std::collections::{BTreeMap, BTreeSet};

use cue_domain::demand::{DemandRows, Subscription, WaitingJob, WaitingLayer};
use cue_domain::entitlement::{Claim, divide};
use cue_domain::fit::{FitRules, least_cores, reserve};
use cue_domain::order::Standing;
use cue_domain::{AllocId, Centicores, Host, JobId, Layer, LayerId, Resources, Tag};

use crate::PickRules;
use crate::tests::fixture::NOW_US;

/// Hosts of the allocation that carry the tag and give something to such a layer.
fn hosts_of<'a>(
    hosts: &'a [Host],
    alloc: &'a AllocId,
    tag: &'a Tag,
    gpus: bool,
) -> impl Iterator<Item = &'a Host> {
    let of = hosts
        .iter()
        .filter(move |host| host.alloc == *alloc && host.tags.contains(tag));
    of.filter(move |host| !gpus || host.idle.gpus > 0)
}

/// The least that a frame takes in the allocation, and what all its frames can take there.
fn offer(hosts: &[Host], layer: &Layer, alloc: &AllocId) -> Option<(Resources, Resources)> {
    let (mut takes, mut sum) = (None, Resources::NONE);
    let mut seen = BTreeSet::new();
    for tag in layer.tags.iter() {
        for host in hosts_of(hosts, alloc, tag, layer.gpus_min > 0) {
            let Ok(found) = reserve(layer, host, &FitRules::default(), None) else {
                continue;
            };
            let least = Resources {
                cores: least_cores(layer),
                ..found
            };
            takes.get_or_insert(least);
            if seen.insert(host.id.clone()) {
                let mut left = host.idle.minus(&least);
                sum = sum.plus(&least);
                while least.at_most(&left) == least {
                    sum = sum.plus(&least);
                    left = left.minus(&least);
                }
            }
        }
    }
    Some((takes?, sum))
}

fn idle(hosts: &[Host], alloc: &AllocId) -> Resources {
    let of = hosts.iter().filter(|host| host.alloc == *alloc);
    of.fold(Resources::NONE, |sum, host| sum.plus(&host.idle))
}

pub(super) struct Model<'a> {
    pub(super) rows: &'a DemandRows,
    pub(super) hosts: &'a [Host],
    pub(super) rules: &'a PickRules,
    /// Entitlement by allocation, and what is left of it.
    pub(super) entitled: BTreeMap<AllocId, (i64, i64)>,
    /// Resources given out, with the tags and GPUs of the layer.
    pub(super) given: Vec<(AllocId, Layer, Resources)>,
    /// Layers with their frames, in order of service.
    pub(super) picked: Vec<(LayerId, u32)>,
    /// Cores that jobs took.
    pub(super) cores: BTreeMap<JobId, i64>,
    pub(super) gpus: BTreeMap<JobId, i64>,
    /// Jobs that may have no more.
    pub(super) done: BTreeSet<JobId>,
    pub(super) spares: usize,
    pub(super) has_work: bool,
    pub(super) is_limited: bool,
}

impl Model<'_> {
    fn layers(&self, job: &JobId) -> Vec<&WaitingLayer> {
        let mut layers: Vec<_> = self
            .rows
            .layers
            .iter()
            .filter(|layer| layer.job == *job)
            .collect();
        layers.sort_by_key(|layer| (layer.layer.dispatch_order, layer.layer.id.clone()));
        layers
    }

    fn divide(&mut self) {
        let allocs: BTreeSet<&AllocId> = self.hosts.iter().map(|host| &host.alloc).collect();
        for alloc in allocs {
            let shows = ["s", "t"]
                .into_iter()
                .filter(|show| self.rows.jobs.iter().any(|job| job.show.as_str() == *show));
            let subscription = |show: &str| {
                let mut all = self.rows.subscriptions.iter();
                all.find(|subscription| {
                    subscription.show.as_str() == show && subscription.alloc == *alloc
                })
            };
            let of: Vec<(&str, &Subscription)> = shows
                .filter_map(|show| Some((show, subscription(show)?)))
                .collect();
            let claims: Vec<Claim> = of
                .iter()
                .map(|(show, subscription)| self.claim(show, subscription))
                .collect();
            let divided = divide(idle(self.hosts, alloc).cores, &claims);
            if let Some(own) = of.iter().position(|(show, _)| *show == "s") {
                let cores = divided[own].0;
                self.entitled.insert(alloc.clone(), (cores, cores));
            }
        }
    }

    fn claim(&self, show: &str, subscription: &Subscription) -> Claim {
        let jobs = self
            .rows
            .jobs
            .iter()
            .filter(|job| job.show.as_str() == show);
        let layers = jobs.flat_map(|job| self.layers(&job.id));
        let mut by_shape: Vec<(&Layer, i64)> = Vec::new();
        for row in layers {
            let shape = |layer: &Layer| {
                let Layer {
                    tags,
                    cores_min,
                    memory_min,
                    gpus_min,
                    threadable,
                    ..
                } = layer.clone();
                (tags, cores_min, memory_min, gpus_min, threadable)
            };
            match by_shape
                .iter_mut()
                .find(|(known, _)| shape(known) == shape(&row.layer))
            {
                Some((_, waiting)) => *waiting += row.layer.waiting,
                None => by_shape.push((&row.layer, row.layer.waiting)),
            }
        }
        let wanted = by_shape.iter().filter_map(|(layer, waiting)| {
            let (takes, room) = offer(self.hosts, layer, &subscription.alloc)?;
            Some((waiting * takes.cores.0).min(room.cores.0))
        });
        Claim {
            size: subscription.size,
            burst: subscription.burst,
            held: subscription.cores,
            wanted: Centicores(wanted.sum()),
        }
    }

    pub(super) fn run(&mut self) {
        self.divide();
        while self.picked.iter().map(|(_, frames)| frames).sum::<u32>() < self.rules.frames
            && self.picked.len() < self.rules.layers
        {
            let open = self
                .rows
                .jobs
                .iter()
                .filter(|job| job.show.as_str() == "s" && !self.done.contains(&job.id));
            let rank = |job: &&WaitingJob| {
                let standing = Standing {
                    priority: job.priority,
                    started_us: job.started_us,
                    idle_since_us: job.idle_since_us,
                };
                let cores = job.cores.0 + self.cores.get(&job.id).copied().unwrap_or_default();
                (
                    self.rules.order.rank(&standing, cores, NOW_US),
                    job.id.clone(),
                )
            };
            let Some(next) = open.min_by_key(rank) else {
                break;
            };
            if !self.give(next) {
                self.done.insert(next.id.clone());
            }
        }
    }

    fn frames(&self, layer: &LayerId) -> u32 {
        self.picked
            .iter()
            .find(|(id, _)| id == layer)
            .map_or(0, |(_, frames)| *frames)
    }

    /// Gives the job a frame of its first layer that can have one.
    fn give(&mut self, job: &WaitingJob) -> bool {
        let layers: Vec<Layer> = self
            .layers(&job.id)
            .into_iter()
            .map(|row| row.layer.clone())
            .collect();
        for layer in layers {
            let taken = self.frames(&layer.id);
            if taken >= self.rules.layer_frames {
                return false;
            }
            if i64::from(taken) < layer.waiting && self.admits(job, &layer) {
                self.has_work = true;
                if self.pay(&layer) || self.spare(&layer) {
                    *self.cores.entry(job.id.clone()).or_default() += least_cores(&layer).0;
                    *self.gpus.entry(job.id.clone()).or_default() += layer.gpus_min;
                    match self.picked.iter_mut().find(|(id, _)| *id == layer.id) {
                        Some((_, frames)) => *frames += 1,
                        None => self.picked.push((layer.id, 1)),
                    }
                    return true;
                }
            }
        }
        false
    }

    fn admits(&self, job: &WaitingJob, layer: &Layer) -> bool {
        let (least, taken) = (
            least_cores(layer).0,
            self.cores.get(&job.id).copied().unwrap_or_default(),
        );
        let gpus = self.gpus.get(&job.id).copied().unwrap_or_default();
        let of_folder: i64 = self.cores.values().sum();
        job.room.cores.is_none_or(|left| left.0 - taken >= least)
            && job
                .folder_room
                .cores
                .is_none_or(|left| left.0 - of_folder >= least)
            && (layer.gpus_min == 0
                || job
                    .room
                    .gpus
                    .is_none_or(|left| left - gpus >= layer.gpus_min))
    }

    fn pay(&mut self, layer: &Layer) -> bool {
        let mut is_limited = false;
        for (alloc, (_, left)) in &mut self.entitled {
            let Some((takes, sum)) = offer(self.hosts, layer, alloc) else {
                continue;
            };
            let in_alloc = self.given.iter().filter(|(of, ..)| of == alloc);
            let all = in_alloc
                .clone()
                .fold(takes, |sum, (_, _, takes)| sum.plus(takes));
            let alike = in_alloc.filter(|(_, other, _)| {
                other.tags == layer.tags && (other.gpus_min > 0) == (layer.gpus_min > 0)
            });
            let of_tags = alike.fold(takes, |sum, (_, _, takes)| sum.plus(takes));
            if of_tags.at_most(&sum) != of_tags || all.at_most(&idle(self.hosts, alloc)) != all {
                continue;
            }
            if *left <= 0 {
                is_limited = true;
                continue;
            }
            *left -= takes.cores.0;
            self.given.push((alloc.clone(), layer.clone(), takes));
            return true;
        }
        self.is_limited |= is_limited;
        false
    }

    fn spare(&mut self, layer: &Layer) -> bool {
        let frames: u32 = self.picked.iter().map(|(_, frames)| frames).sum();
        let mut entitled = self.entitled.iter().filter(|(_, (cores, _))| *cores > 0);
        let fits = entitled.any(|(alloc, _)| offer(self.hosts, layer, alloc).is_some());
        if !fits || self.spares == 0 || frames > 64 || self.frames(&layer.id) > 0 {
            return false;
        }
        self.spares -= 1;
        true
    }
}
