//! Questions of the tests to the index, first of all whether tag index and hosts agree.

use cue_domain::{AllocId, Host, HostId, Tag};

use crate::class::HostClass;
use crate::ranked::{Rank, Slot};
use crate::shard::Shard;
use crate::{HostIndex, SnapshotMark};

/// Place of a host in the tag index.
type Place = (AllocId, Tag, HostClass, Rank);

impl HostIndex {
    /// Panics unless tag index and hosts agree.
    pub(crate) fn check(&self) {
        self.locked().for_each(|shard| shard.check());
    }

    /// Hosts that can be lent, by slot.
    pub(crate) fn available(&self) -> Vec<(Slot, Host)> {
        let mut available = Vec::new();
        for shard in self.locked() {
            let hosts = shard.entries().filter_map(|entry| entry.available());
            available.extend(hosts.map(|found| (found.rank.slot, found.host.clone())));
        }
        available
    }

    /// Number of places that a host has in the tag index.
    pub(crate) fn places_of(&self, id: &HostId) -> usize {
        let places = self.locked().map(|shard| {
            let classes = shard.tags().by_tag().values().flatten();
            let hosts = classes.flat_map(|(_, buckets)| buckets.values());
            hosts.filter(|found| found.host.id == *id).count()
        });
        places.sum()
    }

    /// Mark of the newest snapshot.
    pub(crate) fn newest(&self) -> SnapshotMark {
        let marks = self.locked().map(|shard| shard.newest());
        SnapshotMark(marks.max().unwrap())
    }
}

impl Shard {
    fn check(&self) {
        let mut expected: Vec<Place> = Vec::new();
        for found in self.entries().filter_map(|entry| entry.available()) {
            let tags = found.host.tags.iter();
            expected.extend(tags.map(|tag| {
                let (alloc, class) = (found.host.alloc.clone(), found.class.clone());
                (alloc, tag.clone(), class, found.rank)
            }));
        }
        let mut places = self.places();
        expected.sort();
        places.sort();
        assert_eq!(places, expected, "places and hosts do not agree");
    }

    fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for ((alloc, tag), by_class) in self.tags().by_tag() {
            assert!(!by_class.is_empty(), "an empty tag is kept");
            for (class, buckets) in by_class {
                assert!(!buckets.is_empty(), "an empty class is kept");
                for (rank, found) in buckets {
                    assert_eq!((rank, class), (&found.rank, &found.class));
                    places.push((alloc.clone(), tag.clone(), class.clone(), *rank));
                }
            }
        }
        places
    }
}
