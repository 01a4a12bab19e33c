//! Settings of bookings and of their launches.
//!
//! Invariant: a dry run books exactly as a real run does, and only the call to the host is left out.

use std::time::Duration;

use cue_domain::Kib;

use super::rules::{duration, flag, numbers, size};
use super::topic::topic;

topic! {
    /// Contents of a booking.
    Booking in "booking" {
        /// Book frames in the database without launching them on hosts.
        dry_run: bool = Some("false"), "CUE_DRY_RUN", flag();
        /// Memory that a frame counts as using until its host's first report.
        memory_reserved_min: Kib = Some("256MiB"), "CUE_MEMORY_RESERVED_MIN",
            size(Kib(1)..=Kib::gib(64));
        /// Time after the start of a booking within which its launches may begin; later ones are taken back.
        launch_deadline: Duration = Some("10s"), "CUE_LAUNCH_DEADLINE",
            duration(Duration::from_millis(100)..=Duration::from_secs(300));
        /// Exit statuses after which a frame starts again without a retry being charged: those that
        /// Cuebot's `dispatcher.layer_delay.rules` name. Cuebot's own and those of limits need not be listed.
        uncharged_exit_statuses: Vec<i32> = Some(""), "CUE_UNCHARGED_EXIT_STATUSES", numbers(1..=65_535);
    }
}
