//! The host index: which host to try, in memory.
//!
//! It is fed with snapshots of the database's open hosts and lends them, to one borrower at a time and
//! best first by the strategy. It decides only what to try: the booking transaction checks everything
//! again, so a wrong number costs an attempt and never a cap.
//!
//! Invariant: a host is in the buckets of all its tags or in none of them, and a host on loan or in
//! backoff is in none. A lease that is dropped brings its host back.
//!
//! The crate has no clock. Time passes when the owner calls [`HostIndex::sweep`].

mod buckets;
mod class;
mod cursor;
mod entry;
mod index;
mod lending;
mod ranked;
mod search;
mod settings;
mod shard;
mod tag_index;
mod values;

#[cfg(test)]
mod checks;
#[cfg(test)]
mod tests;

pub use index::HostIndex;
pub use search::HostRequest;
pub use settings::{Epvm, IndexSettings, Ranking, Saturation};
pub use values::{Applied, Choice, IndexStats, IndexedHost, SnapshotMark};
