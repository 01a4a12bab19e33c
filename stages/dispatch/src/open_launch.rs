//! A booking whose launch no host has acknowledged.

use cue_rqd::TracePoint;
use cue_store::Unlaunched;

/// A booking whose launch is pending.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The booking, as it would be taken back.
    pub booking: Unlaunched,
    /// The span of the launch, if one was tried.
    pub trace: TracePoint,
    /// The launch certainly does not run: it was refused, or never sent.
    pub dead: bool,
}
