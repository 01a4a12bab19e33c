//! What layer lock counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// Layer lock's metrics.
#[derive(Clone, Debug)]
pub struct LockMetrics {
    pub(crate) processed: IntCounterVec,
    pub(crate) skipped: IntCounter,
    pub(crate) at_job_cap: IntCounter,
    pub(crate) at_limit: IntCounter,
    no_room: IntCounter,
    without_host: [IntCounter; 2],
    pub(crate) resting: IntCounter,
    pub(crate) batch_frames: Histogram,
}

impl LockMetrics {
    /// Registers them. `without_host` counts layers and searches for which there was no host; host
    /// match owns both.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(
        registry: &Registry,
        without_host: [IntCounter; 2],
    ) -> Result<Self, prometheus::Error> {
        let skipped = IntCounter::new(
            "scheduler_layers_skipped_by_lock_total",
            "Layers that were wanted and not had: held by another transaction, or no longer runnable",
        )?;
        let processed = IntCounterVec::new(
            Opts::new(
                "scheduler_jobs_processed_total",
                "Jobs handed to host match, by show: once for each batch that holds layers of the job",
            ),
            &["show_name"],
        )?;
        let at_job_cap = IntCounter::new(
            "scheduler_job_cap_precheck_skip_total",
            "Layers for which no SQL was spent because the caps of their job and folder leave too few cores",
        )?;
        let at_limit = IntCounter::new(
            "scheduler_layers_skipped_at_limit_total",
            "Layers of which no frame was locked because a limit of theirs is full",
        )?;
        let no_room = IntCounter::new(
            "scheduler_layers_skipped_without_room_total",
            "Layers for which no SQL was spent because no host had room",
        )?;
        let resting = IntCounter::new(
            "scheduler_layers_skipped_while_resting_total",
            "Layers passed over because a host or the database refused them for good a while ago",
        )?;
        let batch_frames = Histogram::with_opts(
            HistogramOpts::new("scheduler_batch_frames", "Frames locked in one transaction")
                .buckets(vec![
                    1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0,
                ]),
        )?;
        registry.register(Box::new(processed.clone()))?;
        registry.register(Box::new(skipped.clone()))?;
        registry.register(Box::new(at_job_cap.clone()))?;
        registry.register(Box::new(at_limit.clone()))?;
        registry.register(Box::new(no_room.clone()))?;
        registry.register(Box::new(resting.clone()))?;
        registry.register(Box::new(batch_frames.clone()))?;
        Ok(Self {
            processed,
            skipped,
            at_job_cap,
            at_limit,
            no_room,
            without_host,
            resting,
            batch_frames,
        })
    }

    /// Notes that there is no host for a layer.
    pub(crate) fn no_room(&self) {
        self.no_room.inc();
        self.without_host.iter().for_each(IntCounter::inc);
    }
}
