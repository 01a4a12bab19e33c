//! The host refresh: reads the farm's hosts into the host index.
//!
//! A look reads the hosts that changed since the last one. A complete reading finds what a look does not see: hosts
//! that were deleted or went silent, and tags, which are many and change rarely.
//!
//! Invariant: looks and complete readings take at most a twentieth of the time together on average, or a tenth where changes would
//! otherwise be known later than half a second ([`Pace`]). Hosts that nobody brings back
//! are taken back also while nothing can be read.

mod metrics;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::health::Step;
use cue_domain::missing_room::MissingRoom;
use cue_domain::{BookingHealth, HostId};
use cue_flow::{BoxError, Pace, Tick};
use cue_hosts::HostIndex;
use cue_store::{HostCursor, HostRows, HostTags, LeftOut, Store, StoreError};
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use self::metrics::HostMetrics;

/// Shortest time between two complete readings: tags must be known within a second.
const COMPLETE_EVERY: Duration = Duration::from_millis(500);

/// Looks take at most the time divided by this.
const LOOK_PARTS: u32 = 25;

/// Complete readings take at most the time divided by this. They are rare, so looks between them need not wait.
const COMPLETE_PARTS: u32 = 100;

/// Lines about hosts that one reading leaves out, at most.
const LEFT_OUT_LINES: usize = 20;

/// Settings of the host refresh.
#[derive(Clone, Debug)]
pub struct HostRefreshSettings {
    /// Facility to serve, by name; `None` serves all.
    pub facility: Option<String>,
    /// Shortest time between two looks.
    pub every: Duration,
    /// Age of the last report at which a host is left out; `None` keeps every host.
    pub stale_after: Option<Duration>,
}

/// The loop that reads the farm's hosts into the index.
pub struct HostRefresh {
    store: Store,
    hosts: HostIndex,
    settings: HostRefreshSettings,
    metrics: HostMetrics,
    missing: Arc<MissingRoom<HostId>>,
    supply: Arc<Notify>,
    reading: Mutex<Reading>,
    /// The hosts that were left out when they were last read: as many as there are rows.
    left_out: Mutex<HashSet<LeftOut>>,
    health: BookingHealth,
}

/// State that a reading leaves for the next one.
struct Reading {
    cursor: HostCursor,
    /// Tags of the hosts by the last complete reading.
    tags: HostTags,
    /// Time of the next complete reading.
    complete_at: Option<Instant>,
    looks: Pace,
    complete: Pace,
}

impl HostRefresh {
    /// A loop from `store` into `hosts`, without the room that is known to be `missing`. It notifies `supply`
    /// when hosts changed.
    pub fn new(
        store: Store,
        (hosts, supply, missing): (HostIndex, Arc<Notify>, Arc<MissingRoom<HostId>>),
        settings: HostRefreshSettings,
        metrics: HostMetrics,
    ) -> Self {
        Self {
            store,
            hosts,
            metrics,
            missing,
            supply,
            reading: Mutex::new(Reading {
                cursor: HostCursor::default(),
                tags: HostTags::default(),
                complete_at: None,
                looks: Pace::new(settings.every, LOOK_PARTS),
                complete: Pace::new(COMPLETE_EVERY, COMPLETE_PARTS),
            }),
            settings,
            left_out: Mutex::default(),
            health: BookingHealth::default(),
        }
    }

    /// Records in `health` the outcome of reading the hosts.
    #[must_use]
    pub fn with_health(self, health: BookingHealth) -> Self {
        Self { health, ..self }
    }

    /// Reads the hosts once. Returns true if the reading was complete.
    ///
    /// # Errors
    /// The database did not answer; the index stays as it was.
    pub async fn once(&self) -> Result<bool, StoreError> {
        let mark = self.hosts.mark();
        let answer = self.read().await;
        let outcome = if answer.is_ok() { "ok" } else { "error" };
        self.metrics.refreshes.inc(outcome);
        match &answer {
            Ok(_) => self.health.succeeded(Step::Hosts),
            Err(error) => self.health.failed(Step::Hosts, &[], error, Instant::now()),
        }
        let mut found = answer?;
        let now = Instant::now();
        for host in &mut found.hosts {
            host.idle.cores = self.missing.usable(&host.id, host.idle.cores, now);
        }
        self.report_left_out(&found);
        let complete = found.complete;
        let applied = if complete {
            self.hosts.apply(mark, found.hosts)
        } else {
            self.hosts.change(mark, found.hosts, &found.closed)
        };
        if applied.added + applied.changed > 0 {
            self.supply.notify_one();
        }
        if applied.added + applied.left > 0 {
            tracing::info!(
                added = applied.added,
                left = applied.left,
                hosts = self.hosts.len(),
                "the set of hosts changed"
            );
        }
        self.metrics.set(&self.hosts.stats());
        Ok(complete)
    }

    /// The hosts that changed since the last reading, or all of them, with their tags.
    async fn read(&self) -> Result<HostRows, StoreError> {
        let cursor = {
            let reading = self.reading.lock();
            let is_due = reading.complete_at.is_none_or(|at| at <= Instant::now());
            let cursor = (!is_due).then(|| reading.cursor.clone());
            cursor.unwrap_or_default()
        };
        let rows = self.look(&cursor).await?;
        let has_unknown = {
            let tags = &self.reading.lock().tags;
            let mut hosts = rows.hosts.iter();
            !rows.complete && hosts.any(|host| !tags.contains_key(&host.id))
        };
        if has_unknown {
            return self.look(&HostCursor::default()).await;
        }
        Ok(rows)
    }

    async fn look(&self, cursor: &HostCursor) -> Result<HostRows, StoreError> {
        let began = Instant::now();
        let facility = self.settings.facility.as_deref();
        let stale_after = self.settings.stale_after;
        let open = self.store.open_hosts(facility, stale_after, cursor);
        let (mut rows, cursor) = open.await?;
        let mut tags = None;
        if rows.complete {
            let mut read = self.store.host_tags().await?;
            for host in &rows.hosts {
                // One without any tag is known to have none.
                read.entry(host.id.clone()).or_default();
            }
            tags = Some(read);
        }
        let mut reading = self.reading.lock();
        reading.cursor = cursor;
        if let Some(tags) = tags {
            reading.tags = tags;
            let rest = reading.complete.pause(began.elapsed());
            reading.complete_at = Some(Instant::now() + rest);
        }
        for host in &mut rows.hosts {
            if let Some(tags) = reading.tags.get(&host.id) {
                host.tags = Arc::clone(tags);
            }
        }
        Ok(rows)
    }

    /// Logs the hosts that are left out for what their rows hold: each once, and again when its row
    /// has changed or was right in between.
    fn report_left_out(&self, found: &HostRows) {
        let mut known = self.left_out.lock();
        let mut now: HashSet<LeftOut> = found.left_out.iter().cloned().collect();
        let mut new: Vec<&LeftOut> = now.difference(&known).collect();
        new.sort_unstable_by(|a, b| a.host.cmp(&b.host));
        for host in new.iter().take(LEFT_OUT_LINES) {
            tracing::warn!(host = host.host, reason = host.reason, "host is left out");
        }
        if let Some(more @ 1..) = new.len().checked_sub(LEFT_OUT_LINES) {
            tracing::warn!(more, "more hosts are left out; see cue-scheduler check");
        }
        if !found.complete && !known.is_empty() {
            let right: HashSet<&str> = found.hosts.iter().map(|host| &*host.name).collect();
            known.retain(|host| !right.contains(host.host.as_str()));
            now.extend(known.drain());
        }
        *known = now;
    }

    /// Takes back what was never brought back, and counts what was given back for nothing.
    fn sweep(&self, now: Instant) {
        self.metrics.returns.abandoned(self.hosts.take_abandoned());
        for host in self.hosts.sweep(now) {
            tracing::error!(
                host.id = %host,
                "a host was never checked in and is taken back by force; this is a fault of the scheduler"
            );
        }
    }
}

impl Tick for HostRefresh {
    const NAME: &'static str = "host_refresh";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        self.sweep(began);
        let answer = self.once().await;
        match answer {
            // The breaker reports when it is back; a growing delay here would outlast the outage.
            Err(_) if self.store.outage().is_some() => Ok(self.settings.every),
            Err(error) => Err(error.into()),
            Ok(true) => Ok(self.settings.every),
            Ok(false) => Ok(self.reading.lock().looks.pause(began.elapsed())),
        }
    }
}

#[cfg(test)]
mod tests;
