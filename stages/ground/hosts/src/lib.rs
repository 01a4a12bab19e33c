//! The host index: which host to try, in memory.
//!
//! It is fed with snapshots of the database's open hosts and lends them out, one borrower at a
//! time, best first by the strategy. What it says is only what is worth trying: the booking
//! transaction alone decides, so a wrong number here costs an attempt and never a cap.
//!
//! Invariant: a host is in the buckets of all its tags or in none of them, and a host that is
//! on loan or resting is in none. A lease that is dropped brings its host back.
//!
//! There is no clock here. Time passes when the owner calls [`HostIndex::sweep`].

mod bucket;
mod climb;
mod entry;
mod farm;
mod index;
mod kind;
mod locks;
mod search;
mod settings;
mod shelves;
mod sync;

#[cfg(test)]
mod checks;
#[cfg(test)]
mod tests;

pub use farm::{Applied, IndexStats, SnapshotMark};
pub use index::{Choice, HostIndex};
pub use search::Want;
pub use settings::{Epvm, IndexSettings, Ranking, Saturation};
