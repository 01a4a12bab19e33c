//! The search: hosts on which a frame of a layer can be reserved, in order of rank.
//!
//! A search visits only classes that can serve the layer. In a bucket, the host with the most memory
//! is refused only if all are (see [`class`](crate::class)), so a layer that fits nowhere costs a
//! look or two a bucket, whatever the number of hosts. Hosts with a fraction of a core idle cost a look
//! each.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use cue_domain::fit::{FitRules, Misfit, least_cores, reserve};
use cue_domain::score::{Caps, Weights, score};
use cue_domain::{AllocId, Centicores, FacilityId, Host, Layer, Tag};

use crate::buckets::BucketIter;
use crate::class::HostClass;
use crate::ranked::{MinRequirements, Rank, RankedHost};
use crate::settings::Saturation;
use crate::tag_index::TagIndex;

/// Request for a host on which a frame of a layer can be reserved.
#[derive(Clone, Copy, Debug)]
pub struct HostRequest<'a> {
    /// Facility of the cluster.
    pub facility: &'a FacilityId,
    /// Tags that the cluster and the layer share.
    pub tags: &'a [Tag],
    /// Allocations that the show may use, and the remaining centicores of each subscription.
    pub subscriptions: &'a [(AllocId, Centicores)],
    /// Operating system that the job demands.
    pub os: Option<&'a str>,
    /// Layer whose frames are placed.
    pub layer: &'a Layer,
    /// Rules of reservations.
    pub rules: &'a FitRules,
    /// Remaining centicores of the job; `None` is unlimited.
    pub job_remaining: Option<Centicores>,
}

/// Position of a host in a search: true for idle GPUs if those come last, then the rank.
pub(crate) type Position = (bool, Rank);

/// A request and the order of hosts.
pub(crate) struct Search<'a> {
    request: &'a HostRequest<'a>,
    order: Saturation,
    /// True if hosts with idle GPUs come after all others. Only layers without GPUs find any others.
    gpus_last: bool,
    min: MinRequirements,
    /// Hosts looked at so far.
    looks: Cell<usize>,
}

/// Hosts of one class that carry one tag.
struct Branch<'a> {
    remaining: Centicores,
    class: &'a HostClass,
    /// The first host that has not been looked at.
    head: &'a Arc<RankedHost>,
    hosts: BucketIter<'a>,
}

/// Outcome of a look at a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Fits,
    /// Only a host with more memory could fit.
    NeedsMemory,
    /// The refusal says nothing about other hosts.
    Refused,
}

impl<'a> Search<'a> {
    pub(crate) fn new(request: &'a HostRequest<'a>, order: Saturation, gpus_last: bool) -> Self {
        Self {
            request,
            order,
            gpus_last,
            min: MinRequirements::of(request.layer, order),
            looks: Cell::new(0),
        }
    }

    pub(crate) fn position(&self, found: &RankedHost) -> Position {
        (self.gpus_last && found.class.has_gpus(), found.rank)
    }

    /// Up to `most` hosts that fit, in order of position, after the position `after` if given.
    pub(crate) fn page(
        &self,
        index: &TagIndex,
        after: Option<Position>,
        most: usize,
    ) -> Vec<Arc<RankedHost>> {
        let mut branches = self.branches(index, after);
        let heads = branches.iter().enumerate();
        let heads = heads.map(|(n, branch)| Reverse((self.position(branch.head), n)));
        let mut next: BinaryHeap<_> = heads.collect();
        let (mut page, mut last) = (Vec::new(), None);
        while page.len() < most
            && let Some(Reverse((position, n))) = next.pop()
        {
            let branch = &mut branches[n];
            // A host comes once for each of its tags, with nothing in between.
            if last.replace(position) != Some(position) {
                match self.look(&branch.head.host, branch.remaining) {
                    Fit::Fits => page.push(Arc::clone(branch.head)),
                    Fit::NeedsMemory if self.refuses_bucket(branch) => {
                        branch.hosts.skip_bucket(branch.head.rank.cores);
                    }
                    Fit::NeedsMemory | Fit::Refused => {}
                }
            }
            if let Some(head) = branch.hosts.next() {
                branch.head = head;
                next.push(Reverse((self.position(head), n)));
            }
        }
        page
    }

    /// Returns true if a frame of the layer can be reserved on the host.
    pub(crate) fn fits(&self, host: &Host) -> bool {
        let request = self.request;
        let remaining = self.remaining(&host.alloc);
        host.facility == *request.facility
            && host.offers_os(request.os)
            && host.tags.iter().any(|tag| request.tags.contains(tag))
            && remaining.is_some_and(|cores| self.look(host, cores) == Fit::Fits)
    }

    /// Score of a host that fits by the strategy `epvm`; the lowest wins.
    pub(crate) fn score(&self, host: &Host, weights: &Weights) -> f64 {
        let remaining = Caps {
            job: self.request.job_remaining,
            subscription: self.remaining(&host.alloc),
        };
        score(self.request.layer, host, remaining, weights)
    }

    /// Number of hosts that were looked at.
    #[cfg(test)]
    pub(crate) const fn looks(&self) -> usize {
        self.looks.get()
    }

    fn remaining(&self, alloc: &AllocId) -> Option<Centicores> {
        let mut subscriptions = self.request.subscriptions.iter();
        let found = subscriptions.find(|(of, _)| of == alloc);
        found.map(|(_, remaining)| *remaining)
    }

    /// Classes with hosts that may fit.
    fn branches<'i>(&self, index: &'i TagIndex, after: Option<Position>) -> Vec<Branch<'i>> {
        let request = self.request;
        let least = least_cores(request.layer);
        let mut branches = Vec::new();
        if request.job_remaining.is_some_and(|cores| cores < least) {
            return branches;
        }
        for (alloc, remaining) in request.subscriptions {
            let tags = request.tags.iter().filter(|_| *remaining >= least);
            let classes = tags.filter_map(|tag| index.classes(alloc, tag)).flatten();
            let served = classes.filter(|(class, _)| {
                class.is_in(request.facility) && class.may_serve(request.layer, request.os)
            });
            for (class, buckets) in served {
                let is_last = self.gpus_last && class.has_gpus();
                if after.is_some_and(|(last, _)| last && !is_last) {
                    continue;
                }
                let after = after.filter(|(last, _)| *last == is_last);
                let after = after.map(|(_, rank)| rank);
                let mut hosts = BucketIter::new(buckets, self.min, after);
                branches.extend(hosts.next().map(|head| Branch {
                    remaining: *remaining,
                    class,
                    head,
                    hosts,
                }));
            }
        }
        branches
    }

    /// Returns true if all hosts are refused that come after the refused head in its bucket.
    fn refuses_bucket(&self, branch: &mut Branch<'_>) -> bool {
        if !branch.class.whole {
            return false;
        }
        // With the most memory first, all that come after the refused host have less.
        if !self.order.memory {
            return true;
        }
        let most = branch.hosts.last_of_bucket(branch.head.rank.cores);
        most.is_some_and(|most| self.look(&most.host, branch.remaining) == Fit::NeedsMemory)
    }

    fn look(&self, host: &Host, remaining: Centicores) -> Fit {
        self.looks.set(self.looks.get() + 1);
        let HostRequest {
            layer,
            rules,
            job_remaining,
            ..
        } = *self.request;
        match reserve(layer, host, rules, job_remaining) {
            Ok(reserved) if reserved.cores <= remaining => Fit::Fits,
            Err(Misfit::GpuMemory { .. }) => Fit::Refused,
            Ok(_) | Err(_) => Fit::NeedsMemory,
        }
    }
}
