//! The search: the best host for a layer, and about how many of its frames have room.
//!
//! Both look only at ladders of kinds that can serve the layer. In a bucket, the host with the most
//! memory is refused only if all are (see [`kind`](crate::kind)), so a layer that fits nowhere costs
//! a look or two a bucket, whatever the number of hosts. Two rare cases cost more: hosts with a
//! fraction of a core idle, and hosts whose idle GPU memory is too little, though of the same
//! magnitude, in a bucket where another has enough of it.
//!
//! Invariant: no lock is held but while hosts are taken out of one bucket.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use cue_domain::fit::{FitRules, Misfit, least_cores, reserve};
use cue_domain::score::{Rests, score};
use cue_domain::{AllocId, Centicores, FacilityId, Host, Layer, Resources, Tag};

use crate::bucket::{Candidate, Floor, Rank};
use crate::climb::Climb;
use crate::locks::read;
use crate::settings::Epvm;
use crate::shelves::{Ladder, Shelves};

/// What is wanted of the index.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The facility of the cluster.
    pub facility: &'a FacilityId,
    /// The tags that the cluster and the layer share.
    pub tags: &'a [Tag],
    /// The allocations the show may use, and the rest of each subscription in centicores.
    pub subscriptions: &'a [(AllocId, Centicores)],
    /// The operating system the job demands.
    pub os: Option<&'a str>,
    /// The layer whose frames are to be placed.
    pub layer: &'a Layer,
}

/// How many hosts [`Search::room`] looks at before it takes for granted that there is some room.
const MOST_LOOKS: usize = 64;

/// A want, the rules, and where to look.
pub(crate) struct Search<'a> {
    want: &'a Want<'a>,
    rules: &'a FitRules,
    job_rest: Option<Centicores>,
    shelves: &'a Shelves,
    floor: Floor,
    /// Returns true for the hosts that may be taken; all of them if it is not set.
    may_take: Option<&'a dyn Fn(&Host) -> bool>,
    /// Hosts that were looked at so far, and how many it may be.
    looks: Cell<usize>,
    most_looks: usize,
}

/// A ladder to climb.
struct Way {
    /// Which of the subscriptions its hosts count against.
    subscription: usize,
    rest: Centicores,
    ladder: Arc<Ladder>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        want: &'a Want<'a>,
        rules: &'a FitRules,
        job_rest: Option<Centicores>,
        shelves: &'a Shelves,
    ) -> Self {
        let layer = want.layer;
        // A host must have at least what the layer asks for idle; one whole core in any case.
        let cores = Centicores(layer.cores_min.0.saturating_abs()).whole();
        let memory = layer.memory_min.0.max(0);
        Self {
            want,
            rules,
            job_rest,
            shelves,
            floor: Floor::new(
                shelves.order(),
                cores.max(1),
                memory,
                layer.gpu_memory_min.0.max(0),
            ),
            may_take: None,
            looks: Cell::new(0),
            most_looks: usize::MAX,
        }
    }

    /// Passes over the hosts for which `may_take` returns false.
    pub(crate) fn among(mut self, may_take: &'a dyn Fn(&Host) -> bool) -> Self {
        self.may_take = Some(may_take);
        self
    }

    /// The first host in the order of the strategy that the layer fits. A layer that asks for no
    /// GPUs gets a host with idle GPUs only when there is no other.
    pub(crate) fn best(&self) -> Option<Arc<Candidate>> {
        if self.job_is_at_its_cap() {
            return None;
        }
        let mut groups = self.groups().iter();
        groups.find_map(|&gpus| self.best_of(gpus))
    }

    /// The host with the lowest score of those that fit, and its score; of equals the first in the
    /// order. Hosts with idle GPUs are scored with the others: the score protects them.
    pub(crate) fn lowest(&self, epvm: &Epvm) -> Option<(Arc<Candidate>, f64)> {
        if self.job_is_at_its_cap() {
            return None;
        }
        let mut climbs = Vec::new();
        let mut next = BinaryHeap::new();
        for way in self.groups().iter().flat_map(|&gpus| self.ways(gpus)) {
            let mut climb = Climb::new(way.ladder, self.floor);
            if let Some((first, _)) = self.next_fitting(&mut climb, way.rest, |_| false) {
                next.push(Reverse((first.rank, climbs.len())));
                climbs.push((way.rest, climb, first));
            }
        }
        let mut best: Option<(Arc<Candidate>, f64)> = None;
        let (mut scored, mut last) = (0, None);
        while let Some(Reverse((rank, n))) = next.pop() {
            let Some((rest, climb, first)) = climbs.get_mut(n) else {
                continue;
            };
            let candidate = Arc::clone(first);
            if let Some((after, _)) = self.next_fitting(climb, *rest, |_| false) {
                next.push(Reverse((after.rank, n)));
                *first = after;
            }
            // A host stands on the shelf of each of its tags; its places come one after the other.
            if last.replace(rank) == Some(rank) {
                continue;
            }
            let rests = Rests {
                job: self.job_rest,
                subscription: Some(*rest),
            };
            let score = score(self.want.layer, &candidate.host, rests, &epvm.weights);
            if best.as_ref().is_none_or(|(_, lowest)| score < *lowest) {
                best = Some((candidate, score));
            }
            scored += 1;
            if scored == epvm.max_candidates.get() {
                break;
            }
        }
        best
    }

    /// An estimate of how many frames have room now, up to `at_most`; 0 only when none has.
    pub(crate) fn room(mut self, at_most: usize) -> usize {
        self.most_looks = MOST_LOOKS;
        let least = least_cores(self.want.layer);
        let mut rests: HashMap<usize, Centicores> = HashMap::new();
        let mut counted = HashSet::new();
        let mut frames = 0_usize;
        for way in self.groups().iter().flat_map(|&gpus| self.ways(gpus)) {
            let left = rests.entry(way.subscription).or_insert(way.rest);
            let mut climb = Climb::new(way.ladder, self.floor);
            while *left >= least && frames < at_most {
                let Some((found, reserved)) = self.next_fitting(&mut climb, *left, |_| false)
                else {
                    break;
                };
                // A host stands on the shelf of each of its tags and is counted once.
                if counted.insert(found.rank.slot) {
                    let fitting = frames_on(&found.host, &reserved).min(left.0 / reserved.cores.0);
                    let taken = fitting.saturating_mul(reserved.cores.0);
                    left.0 = left.0.saturating_sub(taken);
                    frames = frames.saturating_add(usize::try_from(fitting).unwrap_or(usize::MAX));
                }
            }
        }
        if self.looks.get() >= MOST_LOOKS {
            frames = frames.max(1);
        }
        frames.min(at_most)
    }

    /// How many hosts were looked at.
    #[cfg(test)]
    pub(crate) const fn looks(&self) -> usize {
        self.looks.get()
    }

    fn job_is_at_its_cap(&self) -> bool {
        let least = least_cores(self.want.layer);
        self.job_rest.is_some_and(|rest| rest < least)
    }

    fn best_of(&self, gpus: bool) -> Option<Arc<Candidate>> {
        let mut best: Option<Arc<Candidate>> = None;
        for way in self.ways(gpus) {
            let mut climb = Climb::new(way.ladder, self.floor);
            // What would not be better is not tried.
            let worse = |rank: Rank| best.as_ref().is_some_and(|best| best.rank <= rank);
            if let Some((found, _)) = self.next_fitting(&mut climb, way.rest, worse) {
                best = Some(found);
            }
        }
        best
    }

    /// The next host of the climb that the layer fits, before the climb comes to a rank to `stop`
    /// at, and what a frame would take of it.
    fn next_fitting(
        &self,
        climb: &mut Climb,
        rest: Centicores,
        stop: impl Fn(Rank) -> bool,
    ) -> Option<(Arc<Candidate>, Resources)> {
        while self.looks.get() < self.most_looks {
            let candidate = climb.next().filter(|candidate| !stop(candidate.rank))?;
            match self.fit(&candidate.host, rest) {
                Look::Fits(reserved) => return Some((candidate, reserved)),
                Look::MoreMemory if candidate.kind.whole && self.all_are_refused(climb, rest) => {
                    climb.leave_bucket();
                }
                Look::MoreMemory | Look::Other => {}
            }
        }
        None
    }

    /// Whether all hosts are refused that stand in the bucket with one that was.
    fn all_are_refused(&self, climb: &mut Climb, rest: Centicores) -> bool {
        // With the most memory first, all that come after the refused one have less.
        if !self.shelves.order().memory {
            return true;
        }
        let most = climb.last_of_bucket();
        most.is_some_and(|most| matches!(self.fit(&most.host, rest), Look::MoreMemory))
    }

    /// What a frame would take of the host, when it fits it and the rest of the subscription.
    fn fit(&self, host: &Host, rest: Centicores) -> Look {
        self.looks.set(self.looks.get() + 1);
        if self.may_take.is_some_and(|may_take| !may_take(host)) {
            return Look::Other;
        }
        match reserve(self.want.layer, host, self.rules, self.job_rest) {
            Ok(reserved) if reserved.cores <= rest => Look::Fits(reserved),
            Err(Misfit::GpuMemory { .. }) => Look::Other,
            Ok(_) | Err(_) => Look::MoreMemory,
        }
    }

    /// The ladders of kinds that can serve the layer, with or without idle GPUs.
    fn ways(&self, gpus: bool) -> Vec<Way> {
        let Want {
            layer, os, tags, ..
        } = *self.want;
        let least = least_cores(layer);
        let mut ways = Vec::new();
        let rooms = read(&self.shelves.rooms);
        let Some(by_alloc) = rooms.get(self.want.facility) else {
            return ways;
        };
        for (subscription, (alloc, rest)) in self.want.subscriptions.iter().enumerate() {
            let by_tag = by_alloc.get(alloc).filter(|_| *rest >= least);
            let shelves = by_tag.map(|by_tag| tags.iter().filter_map(|tag| by_tag.get(tag)));
            for shelf in shelves.into_iter().flatten() {
                shelf.ladders(
                    |kind| kind.has_gpus() == gpus && kind.may_serve(layer, os),
                    |ladder| {
                        ways.push(Way {
                            subscription,
                            rest: *rest,
                            ladder,
                        });
                    },
                );
            }
        }
        ways
    }

    /// Where to look, first choice first: whether among hosts with idle GPUs.
    const fn groups(&self) -> &'static [bool] {
        let layer = self.want.layer;
        if layer.gpus_min > 0 || layer.gpu_memory_min.0 > 0 {
            &[true]
        } else {
            &[false, true]
        }
    }
}

/// What a look at a host said.
enum Look {
    /// What a frame takes of it.
    Fits(Resources),
    /// Only a host with more memory could do.
    MoreMemory,
    /// It is refused for something that says nothing about the others.
    Other,
}

/// How often the reservation goes into what is idle; at least once, for it fits.
fn frames_on(host: &Host, reserved: &Resources) -> i64 {
    let times = |idle: i64, taken: i64| if taken > 0 { idle / taken } else { i64::MAX };
    times(host.idle.cores.0, reserved.cores.0)
        .min(times(host.idle.memory.0, reserved.memory.0))
        .min(times(host.idle.gpus, reserved.gpus))
        .min(times(host.idle.gpu_memory.0, reserved.gpu_memory.0))
        .max(1)
}
