//! What job fetch counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, Registry};

/// Job fetch's metrics.
#[derive(Clone, Debug)]
pub struct FetchMetrics {
    pub(crate) jobs: IntCounter,
    pub(crate) query_seconds: Histogram,
}

impl FetchMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let jobs = IntCounter::new(
            "scheduler_jobs_queried_total",
            "Jobs returned by the pending-job query",
        )?;
        let query_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "scheduler_job_query_duration_seconds",
                "Time of the pending-job query",
            )
            .buckets(vec![
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ]),
        )?;
        registry.register(Box::new(jobs.clone()))?;
        registry.register(Box::new(query_seconds.clone()))?;
        Ok(Self {
            jobs,
            query_seconds,
        })
    }
}
