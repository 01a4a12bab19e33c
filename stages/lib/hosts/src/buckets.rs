//! Core buckets: the hosts of one class that carry one tag, by whole idle cores and then by memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound::{self, Excluded, Included};
use std::sync::Arc;

use crate::ranked::{MinRequirements, Rank, RankedHost, Slot};

/// Hosts by rank. Those with the same key of cores are a bucket.
pub(crate) type CoreBuckets = BTreeMap<Rank, Arc<RankedHost>>;

/// Iterator over hosts that meet requirements, in order of rank.
pub(crate) struct BucketIter<'a> {
    buckets: &'a CoreBuckets,
    min: MinRequirements,
    hosts: Range<'a, Rank, Arc<RankedHost>>,
    /// Bucket whose last host was asked for.
    asked: Option<i64>,
}

impl<'a> BucketIter<'a> {
    /// Hosts after the host of rank `after` if given.
    pub(crate) fn new(buckets: &'a CoreBuckets, min: MinRequirements, after: Option<Rank>) -> Self {
        let (first, last) = min.cores;
        let start = after.map_or(Included(Self::key(first, i64::MIN, Slot::MIN)), Excluded);
        Self {
            buckets,
            min,
            hosts: buckets.range((start, Included(Self::end_of(last)))),
            asked: None,
        }
    }

    /// Skips the other hosts of a bucket.
    pub(crate) fn skip_bucket(&mut self, cores: i64) {
        self.seek(Excluded(Self::end_of(cores)));
    }

    /// The last host of a bucket that meets the requirements; `None` when asked again.
    pub(crate) fn last_of_bucket(&mut self, cores: i64) -> Option<&'a RankedHost> {
        if self.asked.replace(cores) == Some(cores) {
            return None;
        }
        let (first, last) = self.min.memory;
        let start = Self::key(cores, first, Slot::MIN);
        let mut bucket = self
            .buckets
            .range(start..=Self::key(cores, last, Slot::MAX));
        bucket.next_back().map(|(_, host)| &**host)
    }

    fn seek(&mut self, start: Bound<Rank>) {
        let (_, last) = self.min.cores;
        self.hosts = self.buckets.range((start, Included(Self::end_of(last))));
    }

    const fn end_of(cores: i64) -> Rank {
        Self::key(cores, i64::MAX, Slot::MAX)
    }

    const fn key(cores: i64, memory: i64, slot: Slot) -> Rank {
        Rank {
            cores,
            memory,
            slot,
        }
    }
}

impl<'a> Iterator for BucketIter<'a> {
    type Item = &'a Arc<RankedHost>;

    fn next(&mut self) -> Option<Self::Item> {
        let (first, last) = self.min.memory;
        loop {
            let (rank, host) = self.hosts.next()?;
            if rank.memory < first {
                self.seek(Included(Self::key(rank.cores, first, Slot::MIN)));
            } else if rank.memory > last {
                self.skip_bucket(rank.cores);
            } else {
                return Some(host);
            }
        }
    }
}
