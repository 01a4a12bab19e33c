//! The search: the best host for a layer, and about how many of its frames have room.
//!
//! Both look only at ladders the layer can find something on. The best host is the first fit of
//! each ladder, and the best of those; so its cost is a few tree look-ups and the hosts that were
//! tried and did not fit.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use cue_domain::fit::{FitRules, check_os, least_cores, reserve};
use cue_domain::score::{Rests, score};
use cue_domain::{AllocId, Centicores, FacilityId, Host, Layer, Resources, Tag};

use crate::settings::Epvm;
use crate::shelves::{Class, Floor, Ladder, Rank, Shelves, Slot};

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
    pub(crate) want: &'a Want<'a>,
    pub(crate) rules: &'a FitRules,
    pub(crate) job_rest: Option<Centicores>,
    pub(crate) shelves: &'a Shelves,
}

impl<'a> Search<'a> {
    /// The first host in the order of the strategy that the layer fits. A layer that asks for no
    /// GPUs gets a host with idle GPUs only when there is no other.
    pub(crate) fn best<'h>(&self, host: impl Fn(Slot) -> Option<&'h Host>) -> Option<Slot> {
        if self.job_is_at_its_cap() {
            return None;
        }
        self.groups()
            .iter()
            .find_map(|group| self.best_of(group, &host))
            .map(|rank| rank.slot)
    }

    /// The host with the lowest score of those that fit, and its score; of equals the first in the
    /// order. Hosts with idle GPUs are scored with the others: the score protects them.
    pub(crate) fn lowest<'h>(
        &self,
        host: impl Fn(Slot) -> Option<&'h Host>,
        epvm: &Epvm,
    ) -> Option<(Slot, Option<f64>)> {
        if self.job_is_at_its_cap() {
            return None;
        }
        let ladders = self.groups().iter().flat_map(|group| self.ladders(group));
        let mut ladders: Vec<_> = ladders
            .map(|(_, rest, ladder)| (rest, self.climb(ladder)))
            .collect();
        let firsts = ladders.iter_mut().enumerate();
        let mut next: BinaryHeap<Reverse<(Rank, usize)>> = firsts
            .filter_map(|(n, (_, climb))| Some(Reverse((climb.next()?, n))))
            .collect();
        let mut best: Option<(Slot, f64)> = None;
        let (mut candidates, mut last) = (0, None);
        while let Some(Reverse((rank, n))) = next.pop() {
            let Some((rest, climb)) = ladders.get_mut(n) else {
                continue;
            };
            next.extend(climb.next().map(|rank| Reverse((rank, n))));
            // A host stands on the shelf of each of its tags; its places come one after the other.
            if last.replace(rank) == Some(rank) {
                continue;
            }
            let fitting = host(rank.slot).filter(|host| self.fit(host, *rest).is_some());
            let Some(host) = fitting else { continue };
            let rests = Rests {
                job: self.job_rest,
                subscription: Some(*rest),
            };
            let score = score(self.want.layer, host, rests, &epvm.weights);
            if best.is_none_or(|(_, lowest)| score < lowest) {
                best = Some((rank.slot, score));
            }
            candidates += 1;
            if candidates == epvm.max_candidates.get() {
                break;
            }
        }
        best.map(|(slot, score)| (slot, Some(score)))
    }

    fn job_is_at_its_cap(&self) -> bool {
        let least = least_cores(self.want.layer);
        self.job_rest.is_some_and(|rest| rest < least)
    }

    /// An estimate of how many frames have room now, up to `at_most`; 0 only when none has.
    pub(crate) fn room<'h>(
        &self,
        host: impl Fn(Slot) -> Option<&'h Host>,
        at_most: usize,
    ) -> usize {
        let mut rests: HashMap<usize, i64> = HashMap::new();
        let mut looked_at = HashSet::new();
        let mut frames = 0_usize;
        for (subscription, rest, ladder) in
            self.groups().iter().flat_map(|group| self.ladders(group))
        {
            let left = rests.entry(subscription).or_insert(rest.0);
            for rank in self.climb(ladder) {
                if Centicores(*left) < least_cores(self.want.layer) {
                    break;
                }
                if frames >= at_most {
                    return at_most;
                }
                if looked_at.len() == MOST_LOOKS {
                    return frames.max(1);
                }
                // A host stands on the shelf of each of its tags and is counted once.
                if !looked_at.insert(rank.slot) {
                    continue;
                }
                let Some(host) = host(rank.slot) else {
                    continue;
                };
                let Some(reserved) = self.fit(host, Centicores(*left)) else {
                    continue;
                };
                let fitting = frames_on(host, &reserved).min(*left / reserved.cores.0);
                *left = left.saturating_sub(fitting.saturating_mul(reserved.cores.0));
                frames = frames.saturating_add(usize::try_from(fitting).unwrap_or(usize::MAX));
            }
        }
        frames.min(at_most)
    }

    fn best_of<'h>(
        &self,
        group: &'static [Class],
        host: &impl Fn(Slot) -> Option<&'h Host>,
    ) -> Option<Rank> {
        let mut best: Option<Rank> = None;
        for (_, rest, ladder) in self.ladders(group) {
            // What would not be better is not tried.
            let mut better = self
                .climb(ladder)
                .take_while(|rank| best.is_none_or(|best| *rank < best));
            let fits = better
                .find(|rank| host(rank.slot).is_some_and(|host| self.fit(host, rest).is_some()));
            best = fits.or(best);
        }
        best
    }

    /// What a frame would take of the host, when it fits it and the rest of the subscription.
    fn fit(&self, host: &Host, rest: Centicores) -> Option<Resources> {
        check_os(host, self.want.os).ok()?;
        let reserved = reserve(self.want.layer, host, self.rules, self.job_rest).ok()?;
        (reserved.cores <= rest).then_some(reserved)
    }

    fn climb(&self, ladder: &'a Ladder) -> impl Iterator<Item = Rank> + use<'a> {
        let layer = self.want.layer;
        // A host must have at least what the layer asks for idle; one whole core in any case.
        let cores = Centicores(layer.cores_min.0.saturating_abs())
            .whole()
            .max(1);
        let floor = Floor {
            cores,
            memory: layer.memory_min.0.max(0),
        };
        ladder.climb(floor, self.shelves.strategy())
    }

    /// The ladders of these classes, with the index and the rest of the subscription that their
    /// hosts count against.
    fn ladders(
        &self,
        group: &'static [Class],
    ) -> impl Iterator<Item = (usize, Centicores, &'a Ladder)> {
        let (want, shelves) = (self.want, self.shelves);
        let least = least_cores(want.layer);
        let subscriptions = want
            .subscriptions
            .iter()
            .enumerate()
            .filter(move |(_, (_, rest))| *rest >= least);
        subscriptions.flat_map(move |(n, (alloc, rest))| {
            let found = want
                .tags
                .iter()
                .filter_map(move |tag| shelves.get(want.facility, alloc, tag));
            found.flat_map(move |shelf| {
                group
                    .iter()
                    .map(move |&class| (n, *rest, shelf.ladder(class)))
            })
        })
    }

    /// Where to look, first choice first.
    fn groups(&self) -> &'static [&'static [Class]] {
        let layer = self.want.layer;
        let gpu = layer.gpus_min > 0 || layer.gpu_memory_min.0 > 0;
        // The minimum of a layer that wants a whole host is 0 or negative (contract, 8.1).
        let whole_host = layer.cores_min.0 <= 0;
        match (gpu, whole_host) {
            (false, false) => &[
                &[Class::Plain, Class::PlainUntouched],
                &[Class::Gpu, Class::GpuUntouched],
            ],
            (false, true) => &[&[Class::PlainUntouched], &[Class::GpuUntouched]],
            (true, false) => &[&[Class::Gpu, Class::GpuUntouched]],
            (true, true) => &[&[Class::GpuUntouched]],
        }
    }
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
