//! The plan of one layer: the hosts that its frames take in a round.

mod rules;

use std::cell::Cell;
use std::collections::VecDeque;

use cue_domain::fit::FitRules;
use cue_domain::job::Room;
use cue_domain::messages::{HostLease, LockedLayer};
use cue_domain::{Host, HostId, WaitingFrame};
use cue_hosts::{Choice, HostIndex, HostRequest};

use crate::metrics::MatchMetrics;
use crate::planned::{Placement, Planned};
use crate::policy::{Policy, Round};
use crate::remaining::RemainingCaps;

/// The frames of one layer in one round.
pub(crate) struct LayerPlan<'a> {
    pub(crate) index: &'a HostIndex,
    pub(crate) rules: &'a FitRules,
    pub(crate) policy: &'a Policy,
    pub(crate) round: Round,
    pub(crate) layer: &'a LockedLayer,
    pub(crate) number: usize,
    /// Layers, by number, of which more frames wait than the plan has. In the last round, a layer leaves them the
    /// resources above its share of a host.
    pub(crate) others: &'a [(usize, &'a LockedLayer)],
    /// Layers, by number, that come before this one and have frames left. This layer leaves them all that they could
    /// use.
    pub(crate) before: &'a [(usize, &'a LockedLayer)],
    pub(crate) frames: VecDeque<WaitingFrame>,
    /// Restricts the search to hosts that need no free seat of a limit.
    pub(crate) seated_only: bool,
    /// The last search found no host.
    pub(crate) no_match: bool,
    /// Limits, policy or the size of a frame refused an idle host with room.
    pub(crate) refused: Cell<bool>,
    pub(crate) attempted: u32,
    pub(crate) wasted: u32,
    pub(crate) metrics: &'a MatchMetrics,
}

impl LayerPlan<'_> {
    /// Places frames of the layer on hosts, as far as the round admits.
    pub(crate) fn fill(&mut self, planned: &mut Planned, caps: &mut RemainingCaps) {
        if self.round == Round::Warm {
            if !caps.has_seats(self.layer) {
                // Hosts that other layers of the batch may not use come first.
                self.fill_listed(&self.policy.reserved_for(self.layer), planned, caps);
            }
            return self.fill_warm(planned, caps);
        }
        if caps.has_seats(self.layer) {
            self.fill_any(true, planned, caps);
        }
        self.fill_any(false, planned, caps);
        let is_last = self.round == Round::Leftover;
        if is_last && !self.frames.is_empty() && self.no_match && caps.has_room(self.layer) {
            self.metrics.no_match();
        }
    }

    /// Fills hosts, or only those that need no free seat of a limit.
    fn fill_any(&mut self, seated_only: bool, planned: &mut Planned, caps: &mut RemainingCaps) {
        self.seated_only = seated_only;
        self.no_match = false;
        if self.round == Round::Leftover {
            self.fill_warm(planned, caps);
        }
        self.fill_held(false, planned, caps);
        while !self.frames.is_empty() && caps.within_limits(self.layer) && caps.has_entitlement() {
            let Some((lease, choice)) = self.acquire(None, planned, caps) else {
                self.fill_held(true, planned, caps);
                self.no_match = true;
                return;
            };
            if self.has_unneeded_gpus(&lease) {
                // No other host is idle, and those that the plan holds come first.
                self.fill_held(true, planned, caps);
                if self.frames.is_empty() || !self.may_take(&lease, planned, caps) {
                    self.index.check_in(lease, None);
                    return;
                }
            }
            self.metrics.chosen(choice);
            if !self.fill_new(lease, planned, caps) {
                // Another search would find the same host.
                return;
            }
        }
    }

    /// Fills the hosts that run the layer.
    fn fill_warm(&mut self, planned: &mut Planned, caps: &mut RemainingCaps) {
        let is_near = |id: &&HostId| planned.position(id).is_some() || self.index.is_idle(id);
        let running_on = self.layer.wanted.running_on.keys();
        let mut warm: Vec<&HostId> = running_on.filter(is_near).collect();
        warm.sort_unstable();
        self.fill_listed(&warm, planned, caps);
    }

    fn fill_listed(&mut self, hosts: &[&HostId], planned: &mut Planned, caps: &mut RemainingCaps) {
        let layer = self.layer;
        for id in hosts {
            if self.frames.is_empty() || !caps.within_limits(layer) || !caps.has_entitlement() {
                return;
            }
            if let Some(host) = planned.position(id) {
                if self.may_serve(&planned.remaining[host]) {
                    self.fill_host(host, planned, caps);
                }
            } else if let Some((lease, _)) = self.acquire(Some(id), planned, caps) {
                self.fill_new(lease, planned, caps);
            }
        }
    }

    /// Acquires a host for a frame of the layer: this host, or any.
    fn acquire(
        &self,
        host: Option<&HostId>,
        planned: &Planned,
        caps: &RemainingCaps,
    ) -> Option<(HostLease, Choice)> {
        let mut subscriptions = caps.subscriptions(self.layer);
        subscriptions.retain(|(alloc, _)| caps.is_entitled(alloc));
        let Room { cores, gpus } = caps.of_job(self.layer);
        let request = HostRequest {
            facility: &self.policy.part.cluster.key.facility,
            tags: &self.layer.wanted.layer.tags,
            subscriptions: &subscriptions,
            os: self.layer.wanted.job.os.as_deref(),
            layer: &self.layer.wanted.layer,
            rules: self.rules,
            job_remaining: cores,
        };
        if gpus.is_some_and(|gpus| self.layer.wanted.layer.gpus_min > gpus.max(0)) {
            return None;
        }
        let may_take = |host: &Host| {
            let may_take = self.may_take(host, planned, caps);
            self.refused.set(self.refused.get() || !may_take);
            may_take
        };
        match host {
            Some(id) => {
                let lease = self.index.take_host(id, &request, may_take)?;
                Some((lease, Choice::First))
            }
            None => self.index.take(&request, may_take),
        }
    }

    /// Fills a host that was just acquired. Returns false, and releases the host, if no frame could be placed.
    fn fill_new(
        &mut self,
        lease: HostLease,
        planned: &mut Planned,
        caps: &mut RemainingCaps,
    ) -> bool {
        let host = planned.add(lease);
        if self.fill_host(host, planned, caps) > 0 {
            return true;
        }
        planned.release_last(self.index);
        self.wasted += 1;
        false
    }

    /// Fills hosts that the plan holds: those with idle GPUs that the layer does not ask for, or the others.
    fn fill_held(
        &mut self,
        with_unneeded_gpus: bool,
        planned: &mut Planned,
        caps: &mut RemainingCaps,
    ) {
        for host in 0..planned.hosts.len() {
            let room = &planned.remaining[host];
            if self.frames.is_empty() {
                return;
            }
            if self.has_unneeded_gpus(room) == with_unneeded_gpus && self.may_serve(room) {
                self.fill_host(host, planned, caps);
            }
        }
    }

    /// Returns true if a host has idle GPUs that the layer does not ask for.
    fn has_unneeded_gpus(&self, host: &Host) -> bool {
        let asks =
            self.layer.wanted.layer.gpus_min > 0 || self.layer.wanted.layer.gpu_memory_min.0 > 0;
        !asks && (host.idle.gpus > 0 || host.idle.gpu_memory.0 > 0)
    }

    /// Places frames on a host until the host, the caps or the frames are exhausted. Returns their number.
    fn fill_host(&mut self, host: usize, planned: &mut Planned, caps: &mut RemainingCaps) -> usize {
        let mut count = 0;
        while let Some(frame) = self.frames.pop_front() {
            let Some(reserved) = self.reserve(host, planned, caps) else {
                self.frames.push_front(frame);
                break;
            };
            let Some(room) = planned.remaining.get_mut(host) else {
                break;
            };
            room.idle = room.idle.minus(&reserved);
            caps.take(self.layer, room, &reserved);
            *planned.placed.entry((self.number, host)).or_default() += 1;
            planned.placements.push(Placement {
                frame,
                layer: self.number,
                host,
                reserved,
            });
            count += 1;
        }
        self.attempted += u32::from(count > 0);
        count
    }
}
