//! What the tests may ask of the index, first of all whether buckets and hosts agree.
//!
//! Invariant: these are for an index that nobody else is using, save [`Farm::places_of`].

use std::sync::Arc;

use cue_domain::{AllocId, FacilityId, Host, HostId, Tag};

use crate::bucket::{Candidate, Rank, Slot};
use crate::farm::Farm;
use crate::kind::Kind;
use crate::shelves::Shelves;

/// Facility, allocation, tag, kind and rank: where a host stands.
pub(crate) type Place = (FacilityId, AllocId, Tag, Kind, Rank);

impl Farm {
    /// Panics unless buckets and hosts agree.
    pub(crate) fn check(&self) {
        let mut expected = Vec::new();
        for entry in self.entries() {
            let (candidate, stands) = entry.now();
            let known = self.hosts.get(&candidate.host.id);
            assert!(
                known.is_some_and(|known| Arc::ptr_eq(&known, &entry)),
                "a host is known by another's id"
            );
            if stands {
                let tags = candidate.host.tags.iter();
                expected.extend(tags.map(|tag| place(&candidate, tag)));
            }
        }
        let mut found = self.shelves.listing();
        assert_eq!(
            found.len(),
            expected.len(),
            "a host stands where it should not, or does not where it should"
        );
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }

    /// The hosts that can be lent, by slot.
    pub(crate) fn standing(&self) -> Vec<(Slot, Host)> {
        let entries = self.entries();
        let standing = entries.iter().map(|entry| entry.now());
        standing
            .filter(|(_, stands)| *stands)
            .map(|(candidate, _)| (candidate.rank.slot, candidate.host.clone()))
            .collect()
    }

    /// In how many buckets a host is, of all there are.
    pub(crate) fn places_of(&self, id: &HostId) -> usize {
        let all = self.shelves.candidates();
        all.iter()
            .filter(|(.., candidate)| candidate.host.id == *id)
            .count()
    }
}

impl Shelves {
    /// Everything that stands anywhere.
    fn listing(&self) -> Vec<Place> {
        let all = self.candidates().into_iter();
        all.map(|(facility, alloc, tag, candidate)| {
            let place = place(&candidate, &tag);
            assert_eq!((&place.0, &place.1), (&facility, &alloc));
            place
        })
        .collect()
    }

    fn candidates(&self) -> Vec<(FacilityId, AllocId, Tag, Arc<Candidate>)> {
        let mut all = Vec::new();
        for (facility, alloc, tag, shelf) in self.all() {
            shelf.ladders(
                |_| true,
                |ladder| {
                    let mut after = None;
                    while let Some((key, bucket)) = ladder.next(after, (i64::MIN, i64::MAX)) {
                        after = Some(key);
                        for candidate in bucket.all() {
                            assert_eq!(candidate.rank.cores, key);
                            all.push((facility.clone(), alloc.clone(), tag.clone(), candidate));
                        }
                    }
                },
            );
        }
        all
    }

    /// Panics if a bucket, ladder, shelf or room is kept that is empty.
    pub(crate) fn check_that_nothing_is_empty(&self) {
        for (.., shelf) in self.all() {
            let mut ladders = 0;
            shelf.ladders(
                |_| true,
                |ladder| {
                    ladders += 1;
                    assert!(!ladder.has_empties(), "an empty bucket or ladder is kept");
                },
            );
            assert!(ladders > 0, "an empty shelf is kept");
        }
        for by_alloc in crate::locks::read(&self.rooms).values() {
            assert!(!by_alloc.is_empty(), "an empty facility is kept");
            let empty = by_alloc.values().any(|by_tag| by_tag.is_empty());
            assert!(!empty, "an empty allocation is kept");
        }
    }
}

/// Where a host has to stand.
fn place(candidate: &Candidate, tag: &Tag) -> Place {
    let host = &candidate.host;
    (
        host.facility.clone(),
        host.alloc.clone(),
        tag.clone(),
        candidate.kind.clone(),
        candidate.rank,
    )
}
