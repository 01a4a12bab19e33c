//! The demand refresh: reads what waits into the demand index.
//!
//! A look reads the rows that changed since the last one. A complete reading finds what was deleted, and what
//! a look does not see: layers whose tags or minimums changed, and gates whose time has come.
//!
//! Invariant: looks and complete readings take at most a twentieth of the time together on average, or a tenth where changes would
//! otherwise be known later than half a second ([`Pace`]).

mod metrics;

use std::time::Duration;

use cue_cluster_feed::DemandUpdates;
use cue_demand::DemandIndex;
use cue_domain::BookingHealth;
use cue_domain::health::Step;
use cue_flow::{BoxError, Pace, Tick};
use cue_store::{DemandCursor, Store, StoreError};
use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::metrics::DemandMetrics;

/// Shortest time between two complete readings, unless one is asked for.
const COMPLETE_EVERY: Duration = Duration::from_secs(5);

/// Longest time between two complete readings.
const COMPLETE_WITHIN: Duration = Duration::from_secs(30);

/// Looks take at most the time divided by this.
const LOOK_PARTS: u32 = 25;

/// Complete readings take at most the time divided by this. They are rare, so looks between them need not wait.
const COMPLETE_PARTS: u32 = 100;

/// Settings of the demand refresh.
#[derive(Clone, Debug)]
pub struct DemandRefreshSettings {
    /// Facility to serve, by name; `None` serves all.
    pub facility: Option<String>,
    /// Shortest time between two looks.
    pub every: Duration,
}

/// The loop that reads the demand into its index, and reports it to the feed.
pub struct DemandRefresh {
    store: Store,
    demand: DemandIndex,
    feed: DemandUpdates,
    settings: DemandRefreshSettings,
    metrics: DemandMetrics,
    health: BookingHealth,
    reading: Mutex<Reading>,
}

struct Reading {
    cursor: DemandCursor,
    /// Time of the next complete reading.
    complete_at: Option<Instant>,
    pace: Pace,
}

impl DemandRefresh {
    /// A loop from `store` into `demand` that reports to `feed`.
    pub fn new(
        store: Store,
        (demand, feed): (DemandIndex, DemandUpdates),
        settings: DemandRefreshSettings,
        metrics: DemandMetrics,
    ) -> Self {
        let pace = Pace::new(settings.every, LOOK_PARTS);
        Self {
            store,
            demand,
            feed,
            settings,
            metrics,
            health: BookingHealth::default(),
            reading: Mutex::new(Reading {
                cursor: DemandCursor::default(),
                complete_at: None,
                pace,
            }),
        }
    }

    /// Records in `health` the outcome of reading the demand.
    #[must_use]
    pub fn with_health(self, health: BookingHealth) -> Self {
        Self { health, ..self }
    }

    /// Reads the demand once. Returns true if the reading was complete.
    ///
    /// # Errors
    /// The database did not answer. The index stays as it was.
    pub async fn once(&self) -> Result<bool, StoreError> {
        let now = Instant::now();
        let (cursor, complete) = {
            let reading = self.reading.lock();
            let is_due = reading.complete_at.is_none_or(|at| at <= now);
            (
                reading.cursor.clone(),
                is_due || self.feed.handle.take_reload(),
            )
        };
        let answer = self.read(&cursor, complete).await;
        let outcome = if answer.is_ok() { "ok" } else { "error" };
        self.metrics.readings.inc(outcome);
        match &answer {
            Ok(_) => self.health.succeeded(Step::Demand),
            Err(error) => {
                let now = now.into_std();
                self.health.failed(Step::Demand, &[], error, now);
                self.feed.reading_failed();
            }
        }
        self.metrics.set(&self.demand.stats());
        answer
    }

    async fn read(&self, cursor: &DemandCursor, complete: bool) -> Result<bool, StoreError> {
        let facility = self.settings.facility.as_deref();
        if complete && let Some(name) = facility {
            let known = self.store.known_facilities().await?;
            let is_known = known.iter().any(|known| known == name);
            self.feed.handle.set_facility(name, is_known);
        }
        let generation = self.demand.begin_reading();
        let began = Instant::now();
        let (rows, cursor) = self.store.demand(facility, cursor, complete).await?;
        let took = began.elapsed();
        let was_complete = rows.complete;
        self.metrics.read_seconds(was_complete, took);
        let needs_complete = self.demand.apply(generation, rows);
        {
            let mut reading = self.reading.lock();
            reading.cursor = cursor;
            if was_complete {
                let rest = (took * COMPLETE_PARTS).clamp(COMPLETE_EVERY, COMPLETE_WITHIN);
                reading.complete_at = Some(Instant::now() + rest);
            } else if needs_complete {
                reading.complete_at = None;
            }
        }
        self.feed.demand_read(self.demand.clusters());
        Ok(was_complete)
    }
}

impl Tick for DemandRefresh {
    const NAME: &'static str = "demand_refresh";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        match self.once().await {
            // The breaker reports when the database is back; a growing delay here would outlast the outage.
            Err(_) if self.store.outage().is_some() => Ok(self.settings.every),
            Err(error) => Err(error.into()),
            Ok(true) => Ok(self.settings.every),
            Ok(false) => Ok(self.reading.lock().pace.pause(began.elapsed())),
        }
    }
}

#[cfg(test)]
mod tests;
