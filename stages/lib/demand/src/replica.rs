//! Place of a replica among those that book, and the jobs that it has.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cue_domain::JobId;

/// Microseconds for which a deal holds: longer than most turns, since a turn that goes on into the next deal holds
/// locks on jobs that another replica has by then.
pub(crate) const DEAL_US: i64 = 5_000_000;

/// Place of a replica among those that book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaPlace {
    /// Its place in an order that all of them know, from 0.
    pub index: u32,
    /// Number of replicas, this one included.
    pub of: u32,
}

impl ReplicaPlace {
    /// The place of the only replica.
    pub const ONLY: Self = Self { index: 0, of: 1 };

    /// Returns true if the job is dealt to this replica at this time. It is dealt to exactly one.
    pub fn has(&self, job: &JobId, now_us: i64) -> bool {
        let of = u64::from(self.of.max(1));
        let deal = now_us
            .div_euclid(DEAL_US)
            .rem_euclid(i64::from(self.of.max(1)));
        let mut hasher = DefaultHasher::new();
        job.hash(&mut hasher);
        (hasher.finish() % of + deal.unsigned_abs()) % of == u64::from(self.index) % of
    }
}
