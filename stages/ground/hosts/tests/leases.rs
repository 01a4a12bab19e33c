//! The lease protocol under every order of events that a checker can think of.
//!
//! The sources of the index are compiled here once more, with locks and atomics of the checker in the
//! place of `sync`: it runs one thread at a time and decides at each of them who goes on. What it
//! finds it finds again with the schedule it prints.
//!
//! Invariant: whatever happens, no host is held by two, none that is held is in a bucket, and when
//! all is over every host that can be lent is in all its buckets, once.

#![expect(
    dead_code,
    reason = "the sources of the index, of which the model needs a part"
)]
#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "../src/bucket.rs"]
mod bucket;
#[path = "../src/checks.rs"]
mod checks;
#[path = "../src/climb.rs"]
mod climb;
#[path = "../src/entry.rs"]
mod entry;
#[path = "../src/farm.rs"]
mod farm;
#[path = "../src/index.rs"]
mod index;
#[path = "../src/kind.rs"]
mod kind;
#[path = "../src/locks.rs"]
mod locks;
#[path = "../src/search.rs"]
mod search;
#[path = "../src/settings.rs"]
mod settings;
#[path = "../src/shelves.rs"]
mod shelves;

mod model;

/// What the checker watches over in the place of the standard library's.
mod sync {
    pub(crate) use shuttle::sync::atomic::{AtomicU64, AtomicUsize};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
}
