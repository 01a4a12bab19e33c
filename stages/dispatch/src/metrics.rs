//! Metrics of dispatch.

use cue_flow::Labelled;
use prometheus::{Histogram, IntCounter, IntCounterVec, exponential_buckets};

use crate::refusals::Refusals;

/// Reasons for which a placement is not booked: the caps of admission, and the database itself.
const CAPS: &[&str] = &[
    "reservation",
    "host_taken",
    "host",
    "no_subscription",
    "subscription",
    "job_gone",
    "job_cores",
    "job_gpus",
    "folder_gone",
    "folder_cores",
    "folder_gpus",
    "limit",
    "database",
];

/// Reasons for which layers back off after a booking.
const SETBACKS: &[&str] = &["refused", "held"];

/// Tables whose caps refuse, in the words that farms already chart.
const TABLES: &[&str] = &["subscription", "folder", "job", "folder_gpus", "job_gpus"];

/// Buckets of the time to book, in seconds.
const WAITS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Names of [`LaunchResult`], in its order.
const RESULTS: [&str; LaunchResult::TooLate as usize + 1] = [
    "launched",
    "confirmed",
    "refused",
    "refused_for_now",
    "unreachable",
    "not_sent",
    "not_running",
    "unresolved",
    "not_launchable",
    "layer_gone",
    "too_late",
];

/// Outcome of a launch, as metrics and traces name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaunchResult {
    Launched,
    Confirmed,
    Refused,
    RefusedForNow,
    Unreachable,
    NotSent,
    NotRunning,
    Unresolved,
    NotLaunchable,
    LayerGone,
    TooLate,
}

impl LaunchResult {
    pub(crate) const fn name(self) -> &'static str {
        RESULTS[self as usize]
    }
}

cue_flow::metrics! {
    /// Dispatch's metrics.
    pub struct DispatchMetrics {
        pub(crate) dispatched: IntCounterVec = "scheduler_frames_dispatched_total",
            "Frames booked, by show", &["show_name"];
        pub(crate) time_to_book: Histogram = "scheduler_time_to_book_seconds",
            "From a frame's last change to its booking", WAITS.to_vec();
        pub(crate) booking_seconds: Histogram = "scheduler_booking_seconds",
            "From the first lock on counters to the commit of a batch",
            exponential_buckets(0.001, 2.0, 16)?;
        pub(crate) launch_seconds: Histogram = "scheduler_launch_seconds",
            "Time of one launch call", exponential_buckets(0.0005, 2.0, 16)?;
        pub(crate) refused: Labelled = "scheduler_booking_refused_total",
            "Placements refused at booking, by cap", ("cap", CAPS);
        pub(crate) over_cap: Labelled = "scheduler_accounting_limit_exceeded_total",
            "Placements refused at booking by a cap of the accounting tables", ("table", TABLES);
        pub(crate) set_aside: Labelled = "scheduler_layers_set_aside_total",
            "Layers that back off because the database refused a row of theirs, or another session held one",
            ("reason", SETBACKS);
        pub(crate) launches: Labelled = "scheduler_launches_total",
            "Launch calls, by outcome", ("outcome", &RESULTS);
        pub(crate) conflicts: IntCounter = "scheduler_booking_conflicts_total",
            "Deadlocks and serialization failures met by bookings, each tried again";
        pub(crate) outrun: IntCounter = "scheduler_bookings_outrun_total",
            "Batches written again because a cap filled up before its counter was locked";
        pub(crate) timeouts: IntCounter = "scheduler_booking_timeouts_total",
            "Booking transactions that waited too long for a row, or whose statement took too long";
        pub(crate) stolen: IntCounter = "scheduler_frames_stolen_total",
            "Admitted frames that no longer were as they had been read";
        pub(crate) undone: IntCounter = "scheduler_launches_undone_total",
            "Bookings taken back because their launch failed";
    }
    with {
        pub(crate) last_refusals: Refusals = Refusals::default();
    }
}
