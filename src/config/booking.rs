//! What a booking writes and whether it is launched.
//!
//! Invariant: a dry run books exactly as a real run does, and only the call to the host is left out.

use cue_domain::Kib;

use super::rules::{flag, size};
use super::topic::topic;

topic! {
    /// What a booking writes.
    Booking in "booking" {
        /// Whether frames are booked in the database without being launched on hosts.
        dry_run: bool = Some("false"), "CUE_DRY_RUN", flag();
        /// The least memory that is reserved for a frame.
        memory_reserved_min: Kib = Some("256MiB"), "CUE_MEMORY_RESERVED_MIN",
            size(Kib(1)..=Kib::gib(64));
        /// Whether a booking also lowers the free memory that the host reported, before its next report.
        update_stat_on_book: bool = Some("false"), "CUE_UPDATE_STAT_ON_BOOK", flag();
    }
}
