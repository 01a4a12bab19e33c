//! What dispatch counts.

use cue_flow::{Labelled, registered};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::refusals::Refusals;

/// What can keep a placement from being booked: the caps of admission, and the database itself.
const CAPS: [&str; 13] = [
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

/// The tables whose caps are told in the words that farms already chart.
const TABLES: [&str; 5] = ["subscription", "folder", "job", "folder_gpus", "job_gpus"];

/// What can become of a launch.
const OUTCOMES: [&str; 11] = [
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

/// Dispatch's metrics.
#[derive(Clone, Debug)]
pub struct DispatchMetrics {
    pub(crate) dispatched: IntCounterVec,
    pub(crate) time_to_book: Histogram,
    pub(crate) booking_seconds: Histogram,
    pub(crate) refused: Labelled,
    pub(crate) over_cap: Labelled,
    pub(crate) last_refusals: Refusals,
    pub(crate) conflicts: IntCounter,
    pub(crate) outrun: IntCounter,
    pub(crate) timeouts: IntCounter,
    pub(crate) stolen: IntCounter,
    pub(crate) launches: Labelled,
    pub(crate) launch_seconds: Histogram,
    pub(crate) undone: IntCounter,
    pub(crate) unresolved: IntGauge,
    pub(crate) late_killed: IntCounter,
}

impl DispatchMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    #[expect(
        clippy::too_many_lines,
        reason = "one list, which is easier to read whole"
    )]
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let made = Maker(registry);
        let waits = vec![0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
        Ok(Self {
            dispatched: registered(
                registry,
                IntCounterVec::new(
                    Opts::new("scheduler_frames_dispatched_total", "Frames booked, by show"),
                    &["show_name"],
                )?,
            )?,
            time_to_book: made.histogram(
                "scheduler_time_to_book_seconds",
                "From a frame's last change to its booking",
                waits,
            )?,
            booking_seconds: made.histogram(
                "scheduler_booking_seconds",
                "From the first lock on counters to the commit of a batch",
                prometheus::exponential_buckets(0.001, 2.0, 16)?,
            )?,
            refused: made.by(
                "scheduler_booking_refused_total",
                "Placements refused at booking, by cap",
                ("cap", &CAPS),
            )?,
            last_refusals: Refusals::default(),
            over_cap: made.by(
                "scheduler_accounting_limit_exceeded_total",
                "Placements refused at booking by a cap of the accounting tables",
                ("table", &TABLES),
            )?,
            conflicts: made.counter(
                "scheduler_booking_conflicts_total",
                "Deadlocks and serialization failures met by bookings, each tried again",
            )?,
            outrun: made.counter(
                "scheduler_bookings_outrun_total",
                "Batches written again because a cap filled up before its counter was locked",
            )?,
            timeouts: made.counter(
                "scheduler_booking_timeouts_total",
                "Batches given up because rows were held by somebody else for too long",
            )?,
            stolen: made.counter(
                "scheduler_frames_stolen_total",
                "Admitted frames that no longer were as they had been read",
            )?,
            launches: made.by(
                "scheduler_launches_total",
                "Launch calls, by outcome",
                ("outcome", &OUTCOMES),
            )?,
            launch_seconds: made.histogram(
                "scheduler_launch_seconds",
                "Time of one launch call",
                prometheus::exponential_buckets(0.0005, 2.0, 16)?,
            )?,
            undone: made.counter(
                "scheduler_launches_undone_total",
                "Bookings taken back because their launch failed",
            )?,
            late_killed: made.counter(
                "scheduler_late_launches_killed_total",
                "Frames killed because their launch arrived after their booking had been taken back",
            )?,
            unresolved: made.gauge(
                "scheduler_launches_unresolved",
                "Bookings whose launch could so far neither be confirmed nor taken back, those of dead schedulers included",
            )?,
        })
    }
}

/// Makes metrics and registers them.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        registered(self.0, IntCounter::new(name, help)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        registered(self.0, IntGauge::new(name, help)?)
    }

    /// Counters by a label.
    fn by(
        &self,
        name: &str,
        help: &str,
        (label, values): (&str, &[&'static str]),
    ) -> Result<Labelled, prometheus::Error> {
        let family = registered(self.0, IntCounterVec::new(Opts::new(name, help), &[label])?)?;
        Ok(Labelled::new(family, values))
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: Vec<f64>,
    ) -> Result<Histogram, prometheus::Error> {
        registered(
            self.0,
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?,
        )
    }
}
