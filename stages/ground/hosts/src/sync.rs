//! The locks and atomics of the index, in one place, so that a model can put its own in here.
//!
//! The model of the lease protocol (`tests/leases.rs`) compiles the sources of this crate with
//! another module of this name, whose locks are those of a checker that tries out orders of events.
//!
//! Invariant: nothing in the index that threads share is locked or counted by other means, save the
//! map of hosts, whose locks are held for the length of one look-up.

pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize};
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
