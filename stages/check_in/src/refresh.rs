//! Reading the farm's hosts afresh.

use std::time::{Duration, Instant};

use cue_flow::{BoxError, Tick};
use cue_hosts::HostIndex;
use cue_store::Store;

use crate::metrics::CheckInMetrics;

/// How hosts are read.
#[derive(Clone, Debug)]
pub struct RefreshSettings {
    /// The facility to serve, by name; `None` serves all.
    pub facility: Option<String>,
    /// How often. A farm that takes long to read is read less often: at most a tenth of the time
    /// goes into reading.
    pub every: Duration,
    /// Hosts without a report for so long are left out; `None` keeps them.
    pub stale_after: Option<Duration>,
}

/// The loop that reads the farm's hosts into the index.
pub struct Refresh {
    store: Store,
    hosts: HostIndex,
    settings: RefreshSettings,
    metrics: CheckInMetrics,
}

impl Refresh {
    /// A loop from `store` into `hosts`.
    #[must_use]
    pub const fn new(
        store: Store,
        hosts: HostIndex,
        settings: RefreshSettings,
        metrics: CheckInMetrics,
    ) -> Self {
        Self {
            store,
            hosts,
            settings,
            metrics,
        }
    }

    /// Reads the hosts once.
    ///
    /// # Errors
    /// The database did not answer; the index stays as it was.
    pub async fn once(&self) -> Result<(), cue_store::StoreError> {
        let mark = self.hosts.mark();
        let answer = self
            .store
            .host_snapshot(self.settings.facility.as_deref(), self.settings.stale_after)
            .await;
        self.metrics
            .refreshes
            .with_label_values(&[if answer.is_ok() { "ok" } else { "error" }])
            .inc();
        let applied = self.hosts.apply(mark, answer?);
        if applied.added + applied.left > 0 {
            tracing::info!(
                added = applied.added,
                left = applied.left,
                hosts = self.hosts.len(),
                "the set of hosts changed"
            );
        }
        let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let stats = self.hosts.stats();
        self.metrics
            .hosts
            .with_label_values(&["leased"])
            .set(gauge(stats.leased));
        self.metrics
            .hosts
            .with_label_values(&["free"])
            .set(gauge(stats.hosts.saturating_sub(stats.leased)));
        self.metrics.idle_cores.set(stats.idle_cores.0);
        self.metrics.total_cores.set(stats.total_cores.0);
        Ok(())
    }
}

impl Tick for Refresh {
    const NAME: &'static str = "host_refresh";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        self.once().await?;
        for host in self.hosts.sweep(Instant::now()) {
            tracing::error!(host.id = %host, "a host was never checked in and is taken back by force; this is a fault of the scheduler");
        }
        Ok(self.settings.every.max(began.elapsed() * 9))
    }
}
