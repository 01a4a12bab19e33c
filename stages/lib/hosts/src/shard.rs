//! A shard of the index: the hosts of a facility, and the tag index of those that can be lent.
//!
//! Invariant: a host is in the tag index by each of its tags if it is neither on loan nor in backoff and
//! has a whole core idle, and by none otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::{Host, HostId};

use crate::entry::Entry;
use crate::ranked::{RankedHost, Slot};
use crate::search::{Position, Search};
use crate::settings::Saturation;
use crate::tag_index::TagIndex;

pub(crate) struct Shard {
    order: Saturation,
    hosts: HashMap<HostId, Entry>,
    tags: TagIndex,
    /// Number of hosts that were added so far.
    added: u64,
    seed: u64,
    /// Mark of the newest snapshot.
    newest: u64,
    /// Loans that ended without a check-in since they were last counted.
    abandoned: u64,
}

impl Shard {
    pub(crate) fn new(order: Saturation, seed: u64) -> Self {
        Self {
            order,
            seed,
            hosts: HashMap::new(),
            tags: TagIndex::default(),
            added: 0,
            newest: 0,
            abandoned: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.hosts.values()
    }

    /// The host with this id, if it can be lent.
    pub(crate) fn available(&self, id: &HostId) -> Option<Arc<RankedHost>> {
        self.hosts.get(id)?.available().map(Arc::clone)
    }

    /// Hosts that fit, see [`Search::page`].
    pub(crate) fn page(
        &self,
        search: &Search<'_>,
        after: Option<Position>,
        most: usize,
    ) -> Vec<Arc<RankedHost>> {
        search.page(&self.tags, after, most)
    }

    /// Begins a snapshot. Returns false if a newer one has begun.
    pub(crate) const fn begin(&mut self, mark: u64) -> bool {
        let is_newest = mark > self.newest;
        if is_newest {
            self.newest = mark;
        }
        is_newest
    }

    /// Updates a host from the snapshot of this mark, unless a newer one has begun. Returns true if the
    /// host changed, and `None` if it is not known.
    pub(crate) fn refresh(&mut self, mark: u64, host: &Host) -> Option<bool> {
        if self.newest != mark {
            return Some(false);
        }
        self.update(&host.id, |entry| entry.refresh(mark, host))
    }

    /// Adds a host from the snapshot of this mark, unless a newer one has begun. Returns true if it was
    /// added.
    pub(crate) fn add(&mut self, mark: u64, host: Host) -> bool {
        if self.newest != mark {
            return false;
        }
        let id = host.id.clone();
        let ranked = RankedHost::new(host, slot(self.added, self.seed), self.order);
        let entry = Entry::new(ranked, self.order, mark);
        self.added += 1;
        if let Some(host) = entry.available() {
            self.tags.insert(host);
        }
        self.hosts.insert(id, entry);
        true
    }

    /// Lets hosts leave that the snapshot of this mark does not have: those of `closed`, or any.
    /// Returns their number.
    pub(crate) fn leave_unless_in(&mut self, mark: u64, closed: Option<&[HostId]>) -> usize {
        let mut left = 0;
        let mut leave = |entry: &mut Entry| left += usize::from(entry.leave_unless_in(mark));
        if self.newest != mark {
            return 0;
        }
        match closed {
            Some(closed) => closed.iter().for_each(|id| {
                self.update(id, &mut leave);
            }),
            None => self.update_all(leave),
        }
        left
    }

    /// Ends the loan with this number as abandoned, unless it has ended.
    pub(crate) fn give_back(&mut self, id: &HostId, number: u64) {
        let ended = self.update(id, |entry| entry.give_back(number));
        self.abandoned += u64::from(ended.unwrap_or(false));
    }

    /// Number of loans abandoned since the last call.
    pub(crate) const fn take_abandoned(&mut self) -> u64 {
        std::mem::replace(&mut self.abandoned, 0)
    }

    /// Changes the host with this id, if it is known.
    pub(crate) fn update<T>(
        &mut self,
        id: &HostId,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        let entry = self.hosts.get_mut(id)?;
        let outcome = reindex(&mut self.tags, entry, change);
        if entry.has_left() {
            self.hosts.remove(id);
        }
        Some(outcome)
    }

    pub(crate) fn update_all(&mut self, mut change: impl FnMut(&mut Entry)) {
        self.hosts.retain(|_, entry| {
            reindex(&mut self.tags, entry, &mut change);
            !entry.has_left()
        });
    }

    #[cfg(test)]
    pub(crate) const fn newest(&self) -> u64 {
        self.newest
    }

    #[cfg(test)]
    pub(crate) const fn tags(&self) -> &TagIndex {
        &self.tags
    }
}

/// Changes a host, and its places in the tag index if the host there is another afterwards.
/// Slot of a host by its number. An odd factor gives each number a slot of its own.
const fn slot(number: u64, seed: u64) -> Slot {
    (number ^ seed).wrapping_mul(seed.wrapping_mul(2) | 1)
}

fn reindex<T>(tags: &mut TagIndex, entry: &mut Entry, change: impl FnOnce(&mut Entry) -> T) -> T {
    let before = entry.available().map(Arc::clone);
    let outcome = change(entry);
    let after = entry.available();
    if before.as_ref().map(Arc::as_ptr) != after.map(Arc::as_ptr) {
        if let Some(before) = before {
            tags.remove(&before);
        }
        if let Some(after) = after {
            tags.insert(after);
        }
    }
    outcome
}
