//! What a booking writes, whether it is launched, and who keeps the accounts of what ends.
//!
//! Invariant: a dry run books exactly as a real run does, and only the call to the host is left out.
//! Bookings write the same in both kinds of accounting.

use std::time::Duration;

use cue_domain::Kib;

use super::rules::{choice, duration, flag, numbers, size};
use super::topic::topic;

/// Who subtracts from the accounting tables of managed shows when a frame ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounting {
    /// Cuebot does, with the release.
    Current,
    /// Cuebot only sends a message, as older versions do; one elected replica counts anew.
    Deferred,
}

topic! {
    /// What a booking writes.
    Booking in "booking" {
        /// Whether frames are booked in the database without being launched on hosts.
        dry_run: bool = Some("false"), "CUE_DRY_RUN", flag();
        /// How much memory a frame is said to use until its host's first report.
        memory_reserved_min: Kib = Some("256MiB"), "CUE_MEMORY_RESERVED_MIN",
            size(Kib(1)..=Kib::gib(64));
        /// How long after the start of a booking its launches may begin; later ones are taken back.
        launch_deadline: Duration = Some("10s"), "CUE_LAUNCH_DEADLINE",
            duration(Duration::from_millis(100)..=Duration::from_secs(300));
        /// Whether a booking also lowers the free memory that the host reported, before its next report.
        update_stat_on_book: bool = Some("false"), "CUE_UPDATE_STAT_ON_BOOK", flag();
        /// Exit statuses after which a frame starts again without a retry being charged: those that
        /// Cuebot's `dispatcher.layer_delay.rules` name. Cuebot's own and those of limits need not be listed.
        uncharged_exit_statuses: Vec<i32> = Some(""), "CUE_UNCHARGED_EXIT_STATUSES", numbers(1..=65_535);
        /// Who subtracts what a frame of a managed show gives back: `current` is Cuebot, `deferred` is
        /// this service, for older Cuebots that send `acct_release` instead.
        accounting: Accounting = Some("current"), "CUE_ACCOUNTING",
            choice(&[("current", Accounting::Current), ("deferred", Accounting::Deferred)]);
        /// With deferred accounting, how often all counters of managed shows are looked at.
        recompute: Duration = Some("15s"), "CUE_ACCOUNTING_RECOMPUTE",
            duration(Duration::from_secs(1)..=Duration::from_secs(3600));
    }
}
