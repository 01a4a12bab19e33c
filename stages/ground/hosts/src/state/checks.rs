//! What the tests may ask of the state, first of all whether buckets and hosts agree.

use super::*;

impl State {
    /// Panics unless buckets and hosts agree.
    pub(crate) fn check(&self) {
        assert_eq!(
            self.by_id.len(),
            self.entries.len(),
            "an id without a host, or the reverse"
        );
        let mut expected = Vec::new();
        for (id, slot) in &self.by_id {
            let entry = &self.entries[slot];
            assert_eq!(&entry.host.id, id);
            if entry.stands() {
                expected.extend(self.shelves.places(&entry.host, *slot));
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

    /// The mark of the newest snapshot.
    pub(crate) fn newest(&self) -> SnapshotMark {
        SnapshotMark(self.applied)
    }

    /// The hosts that can be lent, by slot.
    pub(crate) fn standing(&self) -> Vec<(Slot, Host)> {
        let standing = self.entries.iter().filter(|(_, entry)| entry.stands());
        standing
            .map(|(slot, entry)| (*slot, entry.host.clone()))
            .collect()
    }
}
