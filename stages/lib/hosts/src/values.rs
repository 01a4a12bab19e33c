//! Values that the index takes and returns.

use std::sync::Arc;
use std::time::Instant;

use cue_domain::{Centicores, Host};

use crate::entry::Entry;
use crate::ranked::RankedHost;

/// Reason for the choice of a host among those that fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// The host is the first in the order of the strategy, or was asked for by its id.
    First,
    /// The score of the host is the lowest of those compared.
    Scored(f64),
    /// The host is the first in the order: those with the lowest scores went to other searches.
    Unscored,
}

/// Age of a snapshot: taken before its query runs, handed in with its rows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotMark(pub(crate) u64);

/// Changes that a snapshot made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Hosts that were not known.
    pub added: usize,
    /// Hosts that differ from what was known.
    pub changed: usize,
    /// Hosts that are no longer there.
    pub left: usize,
}

/// Numbers of the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Hosts known, on loan or not.
    pub hosts: usize,
    /// Hosts on loan.
    pub leased: usize,
    /// Hosts in backoff.
    pub backing_off: usize,
    /// Idle cores of all hosts, those on loan as they were lent. In centicores.
    pub idle_cores: Centicores,
    /// All cores of all hosts, in centicores.
    pub total_cores: Centicores,
}

/// A host of the index at one moment.
#[derive(Clone, Debug)]
pub struct IndexedHost {
    ranked: Arc<RankedHost>,
    /// True while a batch has it.
    pub is_on_loan: bool,
    /// End of its backoff, if it backs off.
    pub backoff_until: Option<Instant>,
}

impl IndexedHost {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            ranked: Arc::clone(entry.ranked()),
            is_on_loan: entry.is_on_loan(),
            backoff_until: entry.backoff_until(),
        }
    }

    /// The host; while a batch has it, as it was lent.
    pub fn host(&self) -> &Host {
        &self.ranked.host
    }
}
