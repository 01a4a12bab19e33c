//! The plan: which frame goes on which host.
//!
//! Layers are served in the order of the batch. Each fills the hosts this plan already holds before
//! it takes another, so that a batch of many layers does not hold a host for each of them. A layer
//! without GPUs gets hosts that have some idle only when there is no other. A layer under a limit by hosts
//! gets hosts that hold the limit before any that would need a seat of their own. What is left of the caps
//! is followed along, so that no more is tried than could be admitted.

use cue_domain::fit::{self, FitRules};
use cue_domain::messages::{HostLease, LockedLayer, Placement};
use cue_domain::{Host, Tag, WaitingFrame};
use cue_hosts::{HostIndex, Want};

use crate::metrics::MatchMetrics;
use crate::rests::{Rest, Rests};

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
            held: false,
            no_match: false,
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
    /// Only hosts are filled that need no free seat of a limit.
    held: bool,
    /// The last search found no host.
    no_match: bool,
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
        if rests.has_seats(self.layer) {
            self.fill_from(true, &tags, planned, rests);
        }
        self.fill_from(false, &tags, planned, rests);
        if !self.frames.is_empty() && self.no_match && rests.has_room(self.layer) {
            self.metrics.no_match();
        }
    }

    /// Fills hosts, with `held` only those that need no free seat of a limit.
    fn fill_from(&mut self, held: bool, tags: &[Tag], planned: &mut Planned, rests: &mut Rests) {
        self.held = held;
        self.no_match = false;
        self.fill_held(false, tags, planned, rests);
        while !self.frames.is_empty() && rests.within_limits(self.layer) {
            let subscriptions = rests.subscriptions(self.layer);
            let want = Want {
                facility: &self.layer.cluster.key.facility,
                tags,
                subscriptions: &subscriptions,
                os: self.layer.job.os.as_deref(),
                layer: &self.layer.layer,
            };
            let Rest { cores, gpus } = rests.of(self.layer);
            if gpus.is_some_and(|rest| self.layer.layer.gpus_min > rest.max(0)) {
                return;
            }
            let may_take = |host: &Host| rests.admit(self.layer, host, held);
            let taken = self.index.take_among(&want, self.rules, cores, &may_take);
            let Some((lease, choice)) = taken else {
                self.fill_held(true, tags, planned, rests);
                self.no_match = true;
                return;
            };
            if self.spares(&lease) {
                // There is no other any more, and those that the plan holds come first.
                self.fill_held(true, tags, planned, rests);
                if self.frames.is_empty() || !rests.admit(self.layer, &lease, held) {
                    self.index.check_in(lease, None);
                    return;
                }
            }
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

    /// Fills hosts that the plan holds already: those that are to be spared for GPUs, or the others.
    fn fill_held(&mut self, spared: bool, tags: &[Tag], planned: &mut Planned, rests: &mut Rests) {
        for host in 0..planned.hosts.len() {
            let left = &planned.left[host];
            if self.frames.is_empty() {
                return;
            }
            if self.spares(left) == spared && self.may_use(left, tags) {
                self.fill_host(host, planned, rests);
            }
        }
    }

    /// Whether a host has GPUs idle that the layer would only be in the way of.
    fn spares(&self, host: &Host) -> bool {
        let asks = self.layer.layer.gpus_min > 0 || self.layer.layer.gpu_memory_min.0 > 0;
        !asks && (host.idle.gpus > 0 || host.idle.gpu_memory.0 > 0)
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
        while rests.admit(self.layer, room, self.held)
            && let Some(frame) = self.frames.pop_front()
        {
            let Rest { cores, gpus } = rests.of(self.layer);
            let subscription = rests.subscription(self.layer, &alloc, read);
            let fits = fit::reserve(&self.layer.layer, room, self.rules, cores)
                .ok()
                .filter(|reserved| {
                    reserved.cores <= subscription
                        && gpus.is_none_or(|rest| reserved.gpus <= rest.max(0))
                });
            let Some(reserved) = fits else {
                self.frames.push_front(frame);
                break;
            };
            room.idle = room.idle.minus(&reserved);
            rests.take(self.layer, room, read, &reserved);
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
