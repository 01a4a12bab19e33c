//! The tag index: core buckets by allocation, tag and class.
//!
//! Invariant: no map in it is empty.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cue_domain::{AllocId, Tag};

use crate::buckets::CoreBuckets;
use crate::class::HostClass;
use crate::ranked::RankedHost;

type ByClass = BTreeMap<HostClass, CoreBuckets>;

/// Hosts that can be lent, by each of their tags.
#[derive(Debug, Default)]
pub(crate) struct TagIndex(HashMap<(AllocId, Tag), ByClass>);

impl TagIndex {
    pub(crate) fn insert(&mut self, host: &Arc<RankedHost>) {
        for tag in &*host.host.tags {
            let key = (host.host.alloc.clone(), tag.clone());
            let by_class = self.0.entry(key).or_default();
            let buckets = by_class.entry(host.class.clone()).or_default();
            buckets.insert(host.rank, Arc::clone(host));
        }
    }

    pub(crate) fn remove(&mut self, host: &RankedHost) {
        for tag in &*host.host.tags {
            let key = (host.host.alloc.clone(), tag.clone());
            let Entry::Occupied(mut by_class) = self.0.entry(key) else {
                continue;
            };
            if let Some(buckets) = by_class.get_mut().get_mut(&host.class) {
                buckets.remove(&host.rank);
                if buckets.is_empty() {
                    by_class.get_mut().remove(&host.class);
                }
            }
            if by_class.get().is_empty() {
                by_class.remove();
            }
        }
    }

    /// Core buckets of the hosts of an allocation that carry a tag.
    pub(crate) fn classes(&self, alloc: &AllocId, tag: &Tag) -> Option<&ByClass> {
        self.0.get(&(alloc.clone(), tag.clone()))
    }

    #[cfg(test)]
    pub(crate) const fn by_tag(&self) -> &HashMap<(AllocId, Tag), ByClass> {
        &self.0
    }
}
