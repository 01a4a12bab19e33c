//! The scheduler, run in this process on a database.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cue_scheduler::config::{self, Settings};
use cue_scheduler::pipeline::Pipeline;
use cue_simfarm::metrics::sum;
use prometheus::Registry;

/// Without progress for so long, a run is given up.
const STUCK: Duration = Duration::from_secs(60);

/// Longest time that items under way may take to end.
const GRACE: Duration = Duration::from_secs(20);

/// A scheduler that runs.
pub struct Scheduler {
    /// Its pipeline.
    pub pipeline: Pipeline,
    /// Its metrics.
    pub registry: Registry,
    /// Its settings.
    pub settings: Settings,
}

/// Settings for a benchmark: the given variables over the caller's own `CUE_*` and `OTEL_*` ones, so
/// that every benchmark can be run with any setting changed.
///
/// # Errors
/// A setting is refused.
pub fn settings(variables: &[(&str, String)]) -> anyhow::Result<Settings> {
    let mut environment: BTreeMap<String, String> = std::env::vars()
        .filter(|(name, _)| name.starts_with("CUE_") || name.starts_with("OTEL_"))
        .filter(|(name, _)| !name.starts_with("CUE_SIMFARM"))
        .collect();
    environment.extend(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    config::load(None, &environment, &[])
        .settings
        .map_err(|faults| anyhow::anyhow!("{faults}"))
}

impl Scheduler {
    /// Builds and starts it.
    ///
    /// # Errors
    /// It cannot start.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let registry = Registry::new();
        let pipeline = Box::pin(Pipeline::build(&settings, &registry))
            .await
            .context("the scheduler cannot start")?;
        Ok(Self {
            pipeline,
            registry,
            settings,
        })
    }

    /// Starts it for a dry run on the database at `url`, with these settings in addition.
    ///
    /// # Errors
    /// It cannot start.
    pub async fn dry(url: &str, variables: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut all = vec![
            ("CUE_DATABASE_URL", url.to_owned()),
            ("CUE_DRY_RUN", "true".to_owned()),
            ("CUE_HOST_STALE_AFTER", "0".to_owned()),
            ("CUE_ADMIN_ADDR", "off".to_owned()),
        ];
        all.extend_from_slice(variables);
        Self::start(settings(&all)?).await
    }

    /// Waits until it has booked this number of frames.
    ///
    /// # Errors
    /// Nothing has been booked for a minute.
    pub async fn booked_at_least(&self, frames: u64) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let mut last = (0.0, Instant::now());
        loop {
            ticks.tick().await;
            let booked = self.counter("scheduler_frames_dispatched_total");
            if booked >= crate::stats::count(frames) {
                return Ok(());
            }
            if booked > last.0 {
                last = (booked, Instant::now());
            }
            ensure!(
                last.1.elapsed() < STUCK,
                "nothing has been booked for {STUCK:?}: {booked} of {frames}"
            );
        }
    }

    /// Ends it: what is under way is finished, what is open is settled.
    ///
    /// # Errors
    /// It did not end in good order.
    pub async fn end(self) -> anyhow::Result<()> {
        let report = self.pipeline.flow.drain(GRACE).await;
        ensure!(
            report.laggards.is_empty() && report.fatal.is_none(),
            "the scheduler did not end in good order: {report:?}"
        );
        self.pipeline.settle.last_look().await;
        self.pipeline.store.close().await;
        Ok(())
    }

    /// Hosts on which nothing could be booked, percent of all that were tried.
    #[must_use]
    pub fn wasted_percent(&self) -> f64 {
        let tried = self.counter("scheduler_hosts_attempted_total");
        100.0 * self.counter("scheduler_wasted_attempts_total") / tried.max(1.0)
    }

    /// The sum of a counter over its labels; 0 when there is none of that name.
    #[must_use]
    pub fn counter(&self, name: &str) -> f64 {
        sum(&self.registry, name, &[])
    }
}
