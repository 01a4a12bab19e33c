//! Frames that wait.

use std::sync::Arc;

use crate::ids::FrameId;

/// A frame in state WAITING whose row the batch's transaction holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingFrame {
    /// `frame.pk_frame`.
    pub id: FrameId,
    /// `frame.str_name`, `NNNN-layer`.
    pub name: Arc<str>,
    /// `frame.int_version`: the fence every write is guarded by (OPENCUE.md, States).
    pub version: i32,
    /// Milliseconds since the Unix epoch of `frame.ts_updated`, when it is known: the start of
    /// the time to book.
    pub waiting_since_ms: Option<i64>,
}
