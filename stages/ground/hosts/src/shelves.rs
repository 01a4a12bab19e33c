//! The buckets: by facility, allocation and tag, then by whole idle cores, then by idle memory.
//!
//! Each tag of a host has a shelf, and a shelf has four ladders, so that a layer looks only
//! where it can find something: hosts with idle GPUs stand apart from those without, and hosts
//! of which no core is in use stand apart from the others.
//!
//! Invariant: keys are stored so that ascending order is the strategy's order, whichever it is,
//! and a shelf without hosts is not kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cue_domain::{AllocId, FacilityId, Host, Tag};

use crate::settings::Saturation;

/// The number under which the index knows a host. It is never used again for another.
pub(crate) type Slot = u64;

/// Where a host stands by the strategy; the smaller is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    cores: i64,
    memory: i64,
    pub(crate) slot: Slot,
}

/// Which ladder of a shelf a host stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// No idle GPUs, some cores in use.
    Plain,
    /// No idle GPUs, no core in use.
    PlainUntouched,
    /// Idle GPUs or GPU memory, some cores in use.
    Gpu,
    /// Idle GPUs or GPU memory, no core in use.
    GpuUntouched,
}

impl Class {
    fn of(host: &Host) -> Self {
        let gpu = host.idle.gpus > 0 || host.idle.gpu_memory.0 > 0;
        match (gpu, host.idle.cores >= host.total.cores) {
            (false, false) => Self::Plain,
            (false, true) => Self::PlainUntouched,
            (true, false) => Self::Gpu,
            (true, true) => Self::GpuUntouched,
        }
    }
}

/// The least a host must have idle to be worth a look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    /// Whole cores.
    pub(crate) cores: i64,
    /// KiB.
    pub(crate) memory: i64,
}

/// Hosts in the order of the strategy.
#[derive(Debug, Default)]
pub(crate) struct Ladder(BTreeMap<i64, BTreeSet<(i64, Slot)>>);

impl Ladder {
    fn insert(&mut self, rank: Rank) {
        self.0
            .entry(rank.cores)
            .or_default()
            .insert((rank.memory, rank.slot));
    }

    fn remove(&mut self, rank: Rank) {
        if let Some(rung) = self.0.get_mut(&rank.cores) {
            rung.remove(&(rank.memory, rank.slot));
            if rung.is_empty() {
                self.0.remove(&rank.cores);
            }
        }
    }

    /// The hosts at or above the floor, best first.
    pub(crate) fn climb(&self, floor: Floor, strategy: Saturation) -> impl Iterator<Item = Rank> {
        let (least_cores, most_cores) = at_least(strategy.core, floor.cores);
        let (least_memory, most_memory) = at_least(strategy.memory, floor.memory);
        self.0
            .range(least_cores..=most_cores)
            .flat_map(move |(&cores, rung)| {
                rung.range((least_memory, Slot::MIN)..=(most_memory, Slot::MAX))
                    .map(move |&(memory, slot)| Rank {
                        cores,
                        memory,
                        slot,
                    })
            })
    }
}

/// The hosts of one allocation that carry one tag.
#[derive(Debug, Default)]
pub(crate) struct Shelf([Ladder; 4]);

impl Shelf {
    pub(crate) fn ladder(&self, class: Class) -> &Ladder {
        &self.0[class as usize]
    }
}

type ByTag = HashMap<Tag, Shelf>;

/// All shelves.
#[derive(Debug)]
pub(crate) struct Shelves {
    strategy: Saturation,
    rooms: HashMap<FacilityId, HashMap<AllocId, ByTag>>,
}

impl Shelves {
    pub(crate) fn new(strategy: Saturation) -> Self {
        Self {
            strategy,
            rooms: HashMap::new(),
        }
    }

    pub(crate) const fn strategy(&self) -> Saturation {
        self.strategy
    }

    /// The shelf of a tag in an allocation of a facility, if a host stands there.
    pub(crate) fn get(&self, facility: &FacilityId, alloc: &AllocId, tag: &Tag) -> Option<&Shelf> {
        self.rooms.get(facility)?.get(alloc)?.get(tag)
    }

    /// Puts a host on the shelf of each of its tags.
    pub(crate) fn put(&mut self, host: &Host, slot: Slot) {
        let (class, rank) = (Class::of(host), self.rank(host, slot));
        if host.tags.is_empty() {
            return;
        }
        let by_alloc = self.rooms.entry(host.facility.clone()).or_default();
        let by_tag = by_alloc.entry(host.alloc.clone()).or_default();
        for tag in host.tags.iter() {
            by_tag.entry(tag.clone()).or_default().0[class as usize].insert(rank);
        }
    }

    /// Takes a host from every shelf it was put on. It must be as it was when it was put there.
    pub(crate) fn remove(&mut self, host: &Host, slot: Slot) {
        let (class, rank) = (Class::of(host), self.rank(host, slot));
        let Some(by_alloc) = self.rooms.get_mut(&host.facility) else {
            return;
        };
        let Some(by_tag) = by_alloc.get_mut(&host.alloc) else {
            return;
        };
        for tag in host.tags.iter() {
            let Some(shelf) = by_tag.get_mut(tag) else {
                continue;
            };
            shelf.0[class as usize].remove(rank);
            if shelf.0.iter().all(|ladder| ladder.0.is_empty()) {
                by_tag.remove(tag);
            }
        }
        if by_tag.is_empty() {
            by_alloc.remove(&host.alloc);
        }
        if by_alloc.is_empty() {
            self.rooms.remove(&host.facility);
        }
    }

    fn rank(&self, host: &Host, slot: Slot) -> Rank {
        Rank {
            cores: key(self.strategy.core, host.idle.cores.whole()),
            memory: key(self.strategy.memory, host.idle.memory.0),
            slot,
        }
    }
}

/// The complement turns the order around and, unlike negation, has no number it fails on.
const fn key(smallest_first: bool, amount: i64) -> i64 {
    if smallest_first { amount } else { !amount }
}

/// The first and the last key of amounts from `amount` up.
const fn at_least(smallest_first: bool, amount: i64) -> (i64, i64) {
    if smallest_first {
        (amount, i64::MAX)
    } else {
        (i64::MIN, !amount)
    }
}

/// Facility, allocation, tag, class and rank: where a host stands.
#[cfg(test)]
pub(crate) type Place = (FacilityId, AllocId, Tag, Class, Rank);

#[cfg(test)]
impl Shelves {
    /// Everything that stands anywhere.
    pub(crate) fn listing(&self) -> Vec<Place> {
        let mut all = Vec::new();
        for (facility, by_alloc) in &self.rooms {
            assert!(!by_alloc.is_empty(), "an empty facility is kept");
            for (alloc, by_tag) in by_alloc {
                assert!(!by_tag.is_empty(), "an empty allocation is kept");
                for (tag, shelf) in by_tag {
                    let before = all.len();
                    for class in [
                        Class::Plain,
                        Class::PlainUntouched,
                        Class::Gpu,
                        Class::GpuUntouched,
                    ] {
                        for (&cores, rung) in &shelf.ladder(class).0 {
                            assert!(!rung.is_empty(), "an empty rung is kept");
                            let ranks = rung.iter().map(|&(memory, slot)| Rank {
                                cores,
                                memory,
                                slot,
                            });
                            all.extend(ranks.map(|rank| {
                                (facility.clone(), alloc.clone(), tag.clone(), class, rank)
                            }));
                        }
                    }
                    assert!(all.len() > before, "an empty shelf is kept");
                }
            }
        }
        all
    }

    /// Where a host has to stand.
    pub(crate) fn places(&self, host: &Host, slot: Slot) -> Vec<Place> {
        let place = |tag: &Tag| {
            (
                host.facility.clone(),
                host.alloc.clone(),
                tag.clone(),
                Class::of(host),
                self.rank(host, slot),
            )
        };
        host.tags.iter().map(place).collect()
    }
}
