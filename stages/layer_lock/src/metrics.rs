//! What layer lock counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, Registry};

/// Layer lock's metrics.
#[derive(Clone, Debug)]
pub struct LockMetrics {
    pub(crate) skipped: IntCounter,
    pub(crate) no_room: IntCounter,
    pub(crate) resting: IntCounter,
    pub(crate) batch_frames: Histogram,
}

impl LockMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let skipped = IntCounter::new(
            "scheduler_layers_skipped_by_lock_total",
            "Layers that were wanted and not had: held by another transaction, or no longer runnable",
        )?;
        let no_room = IntCounter::new(
            "scheduler_layers_skipped_without_room_total",
            "Layers for which no SQL was spent because no host had room",
        )?;
        let resting = IntCounter::new(
            "scheduler_layers_skipped_while_resting_total",
            "Layers passed over because a host refused to run them for good a while ago",
        )?;
        let batch_frames = Histogram::with_opts(
            HistogramOpts::new("scheduler_batch_frames", "Frames locked in one transaction")
                .buckets(vec![
                    1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0,
                ]),
        )?;
        registry.register(Box::new(skipped.clone()))?;
        registry.register(Box::new(no_room.clone()))?;
        registry.register(Box::new(resting.clone()))?;
        registry.register(Box::new(batch_frames.clone()))?;
        Ok(Self {
            skipped,
            no_room,
            resting,
            batch_frames,
        })
    }
}
