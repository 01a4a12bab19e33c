//! Outcomes of the transactions that lock parts of a pick.

use cue_flow::Verdict;
use cue_store::StoreError;

/// Outcome of a transaction.
pub(crate) enum Attempt {
    /// The batch was handed on.
    Sent,
    /// Nothing is locked.
    Skipped(Skipped),
    /// The next stage is gone.
    Closed(Verdict),
}

/// The reason for which a part has no batch.
#[derive(Clone, Copy, Default)]
pub(crate) enum Skipped {
    /// Other transactions hold all the layers, or their frames.
    #[default]
    NothingToLock,
    /// Limits of the layers are full.
    AtLimit,
    /// Rows of the layers cannot be read.
    Unreadable,
}

impl Skipped {
    /// Name of the reason in metrics and traces.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NothingToLock => "nothing_to_lock",
            Self::AtLimit => "at_limit",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Outcome of the parts so far.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) is_locked: bool,
    pub(crate) reason: Skipped,
    /// Layers that failed alone.
    pub(crate) failed: usize,
    /// Error of the last layer that failed alone.
    pub(crate) last: Option<StoreError>,
}
