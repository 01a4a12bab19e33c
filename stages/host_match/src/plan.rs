//! The plan: which frame goes on which host.
//!
//! Layers are served in the order of the batch. Each fills the hosts this plan already holds before
//! it takes another, so that a batch of many layers does not hold a host for each of them. What is
//! left of the caps is followed along, so that no more is tried than could be admitted.

use std::collections::HashMap;

use cue_domain::fit::{self, FitRules};
use cue_domain::job::Headroom;
use cue_domain::messages::{HostLease, LockedLayer, Placement};
use cue_domain::{AllocId, Centicores, Host, JobId, LimitId, Resources, ShowId, Tag, WaitingFrame};
use cue_hosts::{HostIndex, Want};

use crate::metrics::MatchMetrics;

/// Hosts on loan, and what is to go on them.
#[derive(Debug, Default)]
pub struct Planned {
    /// The hosts, as they were lent.
    pub hosts: Vec<HostLease>,
    /// The same hosts with what the placements leave idle on them.
    left: Vec<Host>,
    /// The placements, in order of service.
    pub placements: Vec<Placement>,
}

impl Planned {
    fn add(&mut self, lease: HostLease) -> usize {
        self.left.push(Host::clone(&lease));
        self.hosts.push(lease);
        self.hosts.len() - 1
    }

    fn give_back_last(&mut self, index: &HostIndex) {
        self.left.pop();
        if let Some(lease) = self.hosts.pop() {
            index.check_in(lease, None);
        }
    }
}

/// What is left of the caps while a plan is made.
#[derive(Default)]
struct Rests {
    jobs: HashMap<JobId, (Option<Centicores>, Option<i64>)>,
    subscriptions: HashMap<(ShowId, AllocId), Centicores>,
    limits: HashMap<LimitId, i64>,
}

impl Rests {
    /// Whether all limits of a layer have room for one frame more.
    fn within_limits(&self, layer: &LockedLayer) -> bool {
        let left =
            |(limit, read): &(LimitId, i64)| self.limits.get(limit).copied().unwrap_or(*read);
        layer.limits.iter().all(|limit| left(limit) > 0)
    }

    fn job(&mut self, layer: &LockedLayer) -> &mut (Option<Centicores>, Option<i64>) {
        let Headroom { cores, gpus, .. } = layer.job.headroom;
        self.jobs
            .entry(layer.job.id.clone())
            .or_insert((cores, gpus))
    }

    fn subscriptions(&self, layer: &LockedLayer) -> Vec<(AllocId, Centicores)> {
        let left = |alloc: &AllocId, read: Centicores| {
            self.subscriptions
                .get(&(layer.job.show.clone(), alloc.clone()))
                .copied()
                .unwrap_or(read)
        };
        layer
            .job
            .headroom
            .subscriptions
            .iter()
            .map(|(alloc, read)| (alloc.clone(), left(alloc, *read)))
            .collect()
    }

    fn take(&mut self, layer: &LockedLayer, alloc: &AllocId, read: Centicores, taken: &Resources) {
        let (cores, gpus) = self.job(layer);
        if let Some(cores) = cores {
            cores.0 = cores.0.saturating_sub(taken.cores.0);
        }
        if let Some(gpus) = gpus {
            *gpus = gpus.saturating_sub(taken.gpus);
        }
        let rest = self
            .subscriptions
            .entry((layer.job.show.clone(), alloc.clone()))
            .or_insert(read);
        rest.0 = rest.0.saturating_sub(taken.cores.0);
        for (limit, read) in &layer.limits {
            *self.limits.entry(limit.clone()).or_insert(*read) -= 1;
        }
    }
}

/// Puts the frames of `layers` on hosts. Frames that found a place leave their layer.
pub fn plan(
    index: &HostIndex,
    rules: &FitRules,
    layers: &mut [LockedLayer],
    metrics: &MatchMetrics,
) -> Planned {
    let mut planned = Planned::default();
    let mut rests = Rests::default();
    for (number, layer) in layers.iter_mut().enumerate() {
        let frames = std::mem::take(&mut layer.frames);
        let before = planned.placements.len();
        let mut layer_plan = LayerPlan {
            index,
            rules,
            layer,
            number,
            frames: frames.into(),
            tried: 0,
            wasted: 0,
            metrics,
        };
        layer_plan.fill(&mut planned, &mut rests);
        let (left, tried, wasted) = (layer_plan.frames, layer_plan.tried, layer_plan.wasted);
        layer.frames = left.into();
        layer
            .ticket
            .placed((planned.placements.len() - before) as u64);
        metrics.layer_done(tried, wasted, layer.frames.is_empty());
    }
    planned
}

struct LayerPlan<'a> {
    index: &'a HostIndex,
    rules: &'a FitRules,
    layer: &'a LockedLayer,
    number: usize,
    frames: std::collections::VecDeque<WaitingFrame>,
    tried: u32,
    wasted: u32,
    metrics: &'a MatchMetrics,
}

impl LayerPlan<'_> {
    fn fill(&mut self, planned: &mut Planned, rests: &mut Rests) {
        let tags: Vec<Tag> = self
            .layer
            .cluster
            .shared_tags(&self.layer.layer.tags)
            .cloned()
            .collect();
        for host in 0..planned.hosts.len() {
            if !self.frames.is_empty() && self.may_use(&planned.left[host], &tags) {
                self.fill_host(host, planned, rests);
            }
        }
        while !self.frames.is_empty() && rests.within_limits(self.layer) {
            let subscriptions = rests.subscriptions(self.layer);
            let want = Want {
                facility: &self.layer.cluster.key.facility,
                tags: &tags,
                subscriptions: &subscriptions,
                os: self.layer.job.os.as_deref(),
                layer: &self.layer.layer,
            };
            let (cores_rest, gpus_rest) = *rests.job(self.layer);
            if gpus_rest.is_some_and(|rest| self.layer.layer.gpus_min > rest.max(0)) {
                return;
            }
            let Some((lease, choice)) = self.index.take_chosen(&want, self.rules, cores_rest)
            else {
                self.metrics.no_match();
                return;
            };
            self.metrics.chosen(choice);
            let host = planned.add(lease);
            if self.fill_host(host, planned, rests) == 0 {
                // The index found it fitting and the plan did not: taking again would find it again.
                planned.give_back_last(self.index);
                self.wasted += 1;
                return;
            }
        }
    }

    /// Whether a host that the plan already holds may serve this layer at all.
    fn may_use(&self, host: &Host, tags: &[Tag]) -> bool {
        host.facility == self.layer.cluster.key.facility
            && host.offers_os(self.layer.job.os.as_deref())
            && host.tags.iter().any(|tag| tags.contains(tag))
    }

    /// Puts frames on a host until it, the caps or the frames are used up. Says how many.
    fn fill_host(&mut self, host: usize, planned: &mut Planned, rests: &mut Rests) -> usize {
        let Planned {
            left, placements, ..
        } = planned;
        let Some(room) = left.get_mut(host) else {
            return 0;
        };
        let mut put = 0;
        let alloc = room.alloc.clone();
        let Some(read) = self
            .layer
            .job
            .headroom
            .subscriptions
            .iter()
            .find(|(id, _)| *id == alloc)
            .map(|(_, rest)| *rest)
        else {
            return 0;
        };
        while rests.within_limits(self.layer)
            && let Some(frame) = self.frames.pop_front()
        {
            let (cores_rest, gpus_rest) = *rests.job(self.layer);
            let subscription = rests
                .subscriptions
                .get(&(self.layer.job.show.clone(), alloc.clone()))
                .copied()
                .unwrap_or(read);
            let fits = fit::reserve(&self.layer.layer, room, self.rules, cores_rest)
                .ok()
                .filter(|reserved| {
                    reserved.cores <= subscription
                        && gpus_rest.is_none_or(|rest| reserved.gpus <= rest.max(0))
                });
            let Some(reserved) = fits else {
                self.frames.push_front(frame);
                break;
            };
            room.idle = room.idle.minus(&reserved);
            rests.take(self.layer, &alloc, read, &reserved);
            placements.push(Placement {
                frame,
                layer: self.number,
                host,
                reserved,
            });
            put += 1;
        }
        self.tried += u32::from(put > 0);
        put
    }
}
