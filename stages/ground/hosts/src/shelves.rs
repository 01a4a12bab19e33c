//! The directory of buckets: by facility, allocation and tag to a shelf, on it a ladder for each kind
//! of host, on the ladder a bucket for each number of whole idle cores.
//!
//! All of it is read far more often than it is written: it changes when a tag, a kind or a number
//! of cores comes up that has no place yet. What has become empty is kept for the next host, and
//! cleared away with a snapshot once as many buckets were made as there are hosts, so that there
//! are never many more than hosts have places.
//!
//! Invariant: a shelf is put on only while its lock is held for reading, and cleared only while it
//! is held for writing, so nothing is put where nobody looks any more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cue_domain::{AllocId, FacilityId, Host, Tag};

use crate::bucket::{Bucket, Candidate};
use crate::kind::Kind;
use crate::locks::{read, write};
use crate::settings::Saturation;
use crate::sync::{AtomicU64, AtomicUsize, RwLock};

/// The buckets of one kind of host, by the key of their whole idle cores.
#[derive(Debug, Default)]
pub(crate) struct Ladder(RwLock<BTreeMap<i64, Arc<Bucket>>>);

impl Ladder {
    /// The next bucket with a host in it, and its key.
    pub(crate) fn next(
        &self,
        after: Option<i64>,
        (first, last): (i64, i64),
    ) -> Option<(i64, Arc<Bucket>)> {
        let first = after.map_or(Some(first), |key| key.checked_add(1))?;
        if first > last {
            return None;
        }
        let buckets = read(&self.0);
        let mut range = buckets.range(first..=last);
        let found = range.find(|(_, bucket)| !bucket.is_empty());
        found.map(|(key, bucket)| (*key, Arc::clone(bucket)))
    }

    /// The bucket with this key, and whether it is new.
    fn bucket(&self, key: i64) -> (Arc<Bucket>, bool) {
        if let Some(bucket) = read(&self.0).get(&key) {
            return (Arc::clone(bucket), false);
        }
        let mut buckets = write(&self.0);
        let before = buckets.len();
        let bucket = Arc::clone(buckets.entry(key).or_default());
        (bucket, buckets.len() > before)
    }

    pub(crate) fn has_empties(&self) -> bool {
        let buckets = read(&self.0);
        buckets.is_empty() || buckets.values().any(|bucket| bucket.is_empty())
    }

    /// Whether anything is left.
    fn clear_away(&self) -> bool {
        let mut buckets = write(&self.0);
        buckets.retain(|_, bucket| !bucket.is_empty());
        !buckets.is_empty()
    }
}

/// The hosts of one allocation that carry one tag.
#[derive(Debug, Default)]
pub(crate) struct Shelf(RwLock<Ladders>);

#[derive(Debug, Default)]
struct Ladders {
    /// It is not in the directory any more.
    closed: bool,
    by_kind: BTreeMap<Kind, Arc<Ladder>>,
}

impl Shelf {
    /// Calls `found` with the ladders of the kinds that are `wanted`.
    pub(crate) fn ladders(
        &self,
        wanted: impl Fn(&Kind) -> bool,
        mut found: impl FnMut(Arc<Ladder>),
    ) {
        for (kind, ladder) in &read(&self.0).by_kind {
            if wanted(kind) {
                found(Arc::clone(ladder));
            }
        }
    }

    /// Whether a host is on it.
    fn has_any(&self) -> bool {
        let all = (i64::MIN, i64::MAX);
        let ladders = read(&self.0);
        let mut ladders = ladders.by_kind.values();
        ladders.any(|ladder| ladder.next(None, all).is_some())
    }

    /// The bucket a host was put into, and whether it was made for it. `None` when the shelf is
    /// closed.
    fn put(&self, candidate: &Arc<Candidate>) -> Option<(Arc<Bucket>, bool)> {
        loop {
            let ladders = read(&self.0);
            if ladders.closed {
                return None;
            }
            if let Some(ladder) = ladders.by_kind.get(&candidate.kind) {
                let (bucket, made) = ladder.bucket(candidate.rank.cores);
                bucket.put(candidate);
                return Some((bucket, made));
            }
            drop(ladders);
            let mut ladders = write(&self.0);
            ladders.by_kind.entry(candidate.kind.clone()).or_default();
        }
    }

    /// Clears away what is empty, and says whether all of it was.
    fn clear_away(&self) -> bool {
        {
            let ladders = read(&self.0);
            let nothing_to_do = !ladders.by_kind.is_empty()
                && !ladders.by_kind.values().any(|ladder| ladder.has_empties());
            if nothing_to_do {
                return false;
            }
        }
        let mut ladders = write(&self.0);
        ladders.by_kind.retain(|_, ladder| ladder.clear_away());
        ladders.by_kind.is_empty()
    }

    /// Closes it if nothing is on it, and says whether it did: a shelf is closed once.
    fn close(&self) -> bool {
        let mut ladders = write(&self.0);
        let closes = !ladders.closed && ladders.by_kind.is_empty();
        ladders.closed |= closes;
        closes
    }
}

type ByTag = HashMap<Tag, Arc<Shelf>>;
pub(crate) type Rooms = HashMap<FacilityId, HashMap<AllocId, ByTag>>;

/// All shelves.
#[derive(Debug)]
pub(crate) struct Shelves {
    order: Saturation,
    pub(crate) rooms: RwLock<Rooms>,
    /// Buckets made since the last time that empty ones were cleared away.
    made: AtomicUsize,
    /// How often a host was put on its shelves.
    gains: AtomicU64,
}

impl Shelves {
    /// Whether a host of the facility with one of the tags is on a shelf.
    pub(crate) fn has_any(&self, facility: &FacilityId, tags: &[Tag]) -> bool {
        let rooms = read(&self.rooms);
        let of_facility = rooms.get(facility).into_iter();
        let mut by_tags = of_facility.flat_map(HashMap::values);
        by_tags.any(|by_tag| {
            let shelves = tags.iter().filter_map(|tag| by_tag.get(tag));
            shelves.into_iter().any(|shelf| shelf.has_any())
        })
    }

    pub(crate) fn new(order: Saturation) -> Self {
        Self {
            order,
            rooms: RwLock::new(Rooms::new()),
            made: AtomicUsize::new(0),
            gains: AtomicU64::new(0),
        }
    }

    /// How often a host was put on its shelves.
    pub(crate) fn gains(&self) -> u64 {
        self.gains.load(Ordering::Acquire)
    }

    pub(crate) const fn order(&self) -> Saturation {
        self.order
    }

    /// Puts a host on the shelf of each of its tags, and notes in `buckets` where it is. `shelves`
    /// are those of its tags, as far as they are known from the last time.
    pub(crate) fn put(
        &self,
        candidate: &Arc<Candidate>,
        shelves: &mut Vec<Arc<Shelf>>,
        buckets: &mut Vec<Arc<Bucket>>,
    ) {
        let host = &candidate.host;
        if shelves.len() != host.tags.len() {
            shelves.clear();
            shelves.extend(host.tags.iter().map(|tag| self.shelf(host, tag)));
        }
        for (tag, shelf) in host.tags.iter().zip(shelves) {
            let (bucket, made) = loop {
                if let Some(done) = shelf.put(candidate) {
                    break done;
                }
                *shelf = self.shelf(host, tag);
            };
            buckets.push(bucket);
            if made {
                self.made.fetch_add(1, Ordering::Relaxed);
            }
        }
        // Afterwards: whoever reads the new number finds the host.
        self.gains.fetch_add(1, Ordering::Release);
    }

    /// Clears away what is empty, if it could be much: by now more buckets were made than there
    /// are hosts.
    pub(crate) fn tidy(&self, hosts: usize) {
        if self.made.load(Ordering::Relaxed) > hosts {
            self.clear_away();
        }
    }

    pub(crate) fn clear_away(&self) {
        self.made.store(0, Ordering::Relaxed);
        let all = self.all();
        let empty = all.into_iter().filter(|(.., shelf)| shelf.clear_away());
        let empty: Vec<_> = empty.collect();
        if empty.is_empty() {
            return;
        }
        let mut rooms = write(&self.rooms);
        for (facility, alloc, tag, shelf) in empty {
            if shelf.close() {
                forget(&mut rooms, &facility, &alloc, &tag);
            }
        }
    }

    /// The shelf of a tag of a host.
    fn shelf(&self, host: &Host, tag: &Tag) -> Arc<Shelf> {
        let known = |rooms: &Rooms| {
            let by_alloc = rooms.get(&host.facility)?;
            by_alloc.get(&host.alloc)?.get(tag).cloned()
        };
        if let Some(shelf) = known(&read(&self.rooms)) {
            return shelf;
        }
        let mut rooms = write(&self.rooms);
        let by_alloc = rooms.entry(host.facility.clone()).or_default();
        let by_tag = by_alloc.entry(host.alloc.clone()).or_default();
        Arc::clone(by_tag.entry(tag.clone()).or_default())
    }

    /// All shelves, so that none is looked at while the directory is locked.
    pub(crate) fn all(&self) -> Vec<(FacilityId, AllocId, Tag, Arc<Shelf>)> {
        let mut all = Vec::new();
        for (facility, by_alloc) in &*read(&self.rooms) {
            for (alloc, by_tag) in by_alloc {
                all.extend(by_tag.iter().map(|(tag, shelf)| {
                    let shelf = Arc::clone(shelf);
                    (facility.clone(), alloc.clone(), tag.clone(), shelf)
                }));
            }
        }
        all
    }
}

/// Takes a shelf out of the directory, and the rooms that are empty without it.
fn forget(rooms: &mut Rooms, facility: &FacilityId, alloc: &AllocId, tag: &Tag) {
    let Some(by_alloc) = rooms.get_mut(facility) else {
        return;
    };
    if let Some(by_tag) = by_alloc.get_mut(alloc) {
        by_tag.remove(tag);
        if by_tag.is_empty() {
            by_alloc.remove(alloc);
        }
    }
    if by_alloc.is_empty() {
        rooms.remove(facility);
    }
}
