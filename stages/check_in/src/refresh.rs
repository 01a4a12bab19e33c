//! Reading the farm's hosts afresh.
//!
//! Tags are many and change rarely, so they are read apart and less often.
//!
//! Invariant: a farm that takes long to read is read less often, so that a tenth of the time goes into
//! reading; where freed cores would then be older than a second, as much as keeps them younger, and
//! never more than half. Hosts that nobody brings back are taken back also while nothing can be
//! read.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cue_domain::missing_room::MissingRoom;
use cue_domain::{Host, HostId};
use cue_flow::{BoxError, Tick};
use cue_hosts::HostIndex;
use cue_store::{HostTags, LeftOut, OpenHosts, Store, StoreError};

use crate::metrics::CheckInMetrics;

/// How old tags may be. Those of a host that is not known are read at once.
const TAGS_AGE: Duration = Duration::from_secs(1);

/// Freed cores are to be known within this time.
const FRESH: Duration = Duration::from_secs(1);

/// Lines about hosts that one reading leaves out, at most.
const LEFT_OUT_LINES: usize = 20;

/// How hosts are read.
#[derive(Clone, Debug)]
pub struct RefreshSettings {
    /// The facility to serve, by name; `None` serves all.
    pub facility: Option<String>,
    /// How often. A farm that takes long to read is read less often.
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
    missing: Arc<MissingRoom<HostId>>,
    tags: Mutex<Option<(Instant, HostTags)>>,
    /// The hosts that the last reading left out: as many as there are rows.
    left_out: Mutex<HashSet<LeftOut>>,
}

impl Refresh {
    /// A loop from `store` into `hosts`, without the room that is known to be `missing`.
    #[must_use]
    pub fn new(
        store: Store,
        hosts: HostIndex,
        settings: RefreshSettings,
        metrics: CheckInMetrics,
        missing: Arc<MissingRoom<HostId>>,
    ) -> Self {
        Self {
            store,
            hosts,
            settings,
            metrics,
            missing,
            tags: Mutex::new(None),
            left_out: Mutex::default(),
        }
    }

    /// Reads the hosts once.
    ///
    /// # Errors
    /// The database did not answer; the index stays as it was.
    pub async fn once(&self) -> Result<(), StoreError> {
        let mark = self.hosts.mark();
        let answer = self.read().await;
        let outcome = if answer.is_ok() { "ok" } else { "error" };
        self.metrics.refreshes.inc(outcome);
        let mut found = answer?;
        let now = Instant::now();
        for host in &mut found {
            host.idle.cores = self.missing.usable(&host.id, host.idle.cores, now);
        }
        let applied = self.hosts.apply(mark, found);
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
        self.metrics.hosts_leased.set(gauge(stats.leased));
        let free = stats.hosts.saturating_sub(stats.leased);
        self.metrics.hosts_free.set(gauge(free));
        self.metrics.idle_cores.set(stats.idle_cores.0);
        self.metrics.total_cores.set(stats.total_cores.0);
        Ok(())
    }

    async fn read(&self) -> Result<Vec<Host>, StoreError> {
        let settings = &self.settings;
        let facility = settings.facility.as_deref();
        let open = self.store.open_hosts(facility, settings.stale_after);
        let OpenHosts {
            mut hosts,
            left_out,
        } = open.await?;
        self.report_left_out(left_out);
        if self.tag(&mut hosts) {
            return Ok(hosts);
        }
        let mut tags = self.store.host_tags().await?;
        for host in &hosts {
            // One without any tag is known to have none.
            tags.entry(host.id.clone()).or_default();
        }
        *self.tags.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), tags));
        self.tag(&mut hosts);
        Ok(hosts)
    }

    /// Gives the hosts their tags. `false` when the known tags are too old, or not those of all.
    fn tag(&self, hosts: &mut [Host]) -> bool {
        let tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((read_at, tags)) = &*tags else {
            return false;
        };
        let mut all = true;
        for host in hosts {
            match tags.get(&host.id) {
                Some(tags) => host.tags = tags.clone(),
                None => all = false,
            }
        }
        all && read_at.elapsed() < TAGS_AGE
    }

    /// Logs the hosts that are left out for what their rows hold: each once, and again when its row
    /// has changed or was right in between.
    fn report_left_out(&self, now: Vec<LeftOut>) {
        let mut known = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let now: HashSet<LeftOut> = now.into_iter().collect();
        let mut new: Vec<&LeftOut> = now.difference(&known).collect();
        new.sort_unstable_by(|a, b| a.host.cmp(&b.host));
        for host in new.iter().take(LEFT_OUT_LINES) {
            tracing::warn!(host = host.host, reason = host.reason, "host is left out");
        }
        if let Some(more @ 1..) = new.len().checked_sub(LEFT_OUT_LINES) {
            tracing::warn!(more, "more hosts are left out; see cue-scheduler check");
        }
        *known = now;
    }

    /// Takes back what was never brought back, and counts what was given back for nothing.
    fn sweep(&self, now: Instant) {
        self.metrics.abandoned(self.hosts.take_abandoned());
        for host in self.hosts.sweep(now) {
            tracing::error!(
                host.id = %host,
                "a host was never checked in and is taken back by force; this is a fault of the scheduler"
            );
        }
    }
}

impl Tick for Refresh {
    const NAME: &'static str = "host_refresh";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        self.sweep(began);
        let answer = self.once().await;
        match answer {
            // The breaker says when it is back; a growing delay here would outlast the outage.
            Err(_) if self.store.outage().is_some() => Ok(self.settings.every),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(pause(self.settings.every, began.elapsed())),
        }
    }
}

/// How long to wait after a reading that took so long. What is freed just after one was begun is known
/// when the next has ended.
fn pause(every: Duration, took: Duration) -> Duration {
    let in_time = FRESH.saturating_sub(took * 2);
    every.max(took.max(in_time.min(took * 9)))
}

#[cfg(test)]
mod tests;
