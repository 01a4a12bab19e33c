//! The accountant: keeps the accounting tables where Cuebot leaves its releases to us.
//!
//! For farms with the older contract only: there Cuebot does not subtract what frames of managed
//! shows give back, and sends a message instead (contract, 5.2 to 5.6). One elected replica counts
//! the rows that messages name, and every so often looks for any other row that is not what its
//! procs add up to. Bookings and undos keep the tables in their own transactions, as always.
//!
//! Invariant: a message only says where to look. Losing one, or acting on one twice, changes
//! nothing but the time until a counter is right again; until then it is too high, never too low.

use std::time::Duration;

use cue_flow::{BoxError, Tick};
use cue_store::{Accountant, Arrived, Corrected, CounterKeys, Store, StoreError};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::settle::go_on_while_away;

/// How long messages gather before their rows are counted.
const GATHER: Duration = Duration::from_millis(100);

/// How often a replica that was not elected tries again.
const STAND_AGAIN: Duration = Duration::from_secs(1);

/// Counters of one transaction. Bookings wait for these rows, so a transaction is kept short.
const COUNTERS_AT_ONCE: usize = 250;

/// Messages taken at a time, and stale counters read at a time; what is left waits for its turn.
const MOST: usize = 5_000;

/// The time that passes between two counts, as a multiple of what the last one took: the rows are
/// the hottest of the farm, and most of the time belongs to those who book.
const REST_SHARE: u32 = 4;

/// How the accountant works.
#[derive(Clone, Copy, Debug)]
pub struct AccountsSettings {
    /// How often all counters of managed shows are looked at.
    pub recompute: Duration,
}

/// What the accountant counts.
#[derive(Clone, Debug)]
pub struct AccountsMetrics {
    releases: IntCounter,
    cycle_seconds: Histogram,
    corrected: IntCounterVec,
    elected: IntGauge,
}

impl AccountsMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let cycle = HistogramOpts::new(
            "scheduler_recompute_cycle_duration_seconds",
            "Time to look at all counters of managed shows and to set right those that were not",
        );
        let corrected = Opts::new(
            "scheduler_accounting_corrected_total",
            "Counters that were set to the sum of their procs, by table",
        );
        let metrics = Self {
            releases: IntCounter::new(
                "scheduler_accounting_releases_total",
                "Messages about releases that Cuebot left to us",
            )?,
            cycle_seconds: Histogram::with_opts(cycle.buckets(vec![
                0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
            ]))?,
            corrected: IntCounterVec::new(corrected, &["table"])?,
            elected: IntGauge::new(
                "scheduler_accounting_elected",
                "Whether this replica is the one that keeps the accounting tables",
            )?,
        };
        for table in cue_store::ACCOUNTING_TABLES {
            metrics.corrected.with_label_values(&[table]).reset();
        }
        registry.register(Box::new(metrics.releases.clone()))?;
        registry.register(Box::new(metrics.cycle_seconds.clone()))?;
        registry.register(Box::new(metrics.corrected.clone()))?;
        registry.register(Box::new(metrics.elected.clone()))?;
        Ok(metrics)
    }
}

/// The loop of the accountant, and of those who would be it.
pub struct Accounts {
    store: Store,
    settings: AccountsSettings,
    metrics: AccountsMetrics,
    desk: Mutex<Desk>,
}

/// What the loop remembers from one tick to the next.
#[derive(Default)]
struct Desk {
    accountant: Option<Accountant>,
    office: Option<Office>,
    /// Whether an unreadable message has been reported; the next ones are no news.
    complained: bool,
}

/// The office, as long as it is held.
struct Office {
    /// When all counters are looked at next.
    due: Instant,
    gauge: IntGauge,
}

impl Office {
    fn enter(gauge: &IntGauge) -> Self {
        gauge.set(1);
        tracing::info!("elected: this replica keeps the accounting tables of managed shows");
        Self {
            // Nobody may have listened before.
            due: Instant::now(),
            gauge: gauge.clone(),
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.gauge.set(0);
    }
}

impl Accounts {
    /// An accountant for `store`.
    #[must_use]
    pub fn new(store: Store, settings: AccountsSettings, metrics: AccountsMetrics) -> Self {
        Self {
            store,
            settings,
            metrics,
            desk: Mutex::default(),
        }
    }

    /// Stands for election, or takes the messages that have come; `None` while not elected.
    async fn attend(&self, desk: &mut Desk) -> Result<Option<Arrived>, StoreError> {
        let accountant = match &mut desk.accountant {
            Some(accountant) => accountant,
            none => none.insert(self.store.accountant().await?),
        };
        if !accountant.stand().await? {
            return Ok(None);
        }
        let office = match &mut desk.office {
            Some(office) => office,
            none => none.insert(Office::enter(&self.metrics.elected)),
        };
        if office.due <= Instant::now() {
            accountant.check().await?;
        }
        accountant.arrived(MOST).await.map(Some)
    }

    /// Counts what messages are about, and all else when that is due.
    async fn keep(&self, office: &mut Office, arrived: Arrived) -> Result<Duration, StoreError> {
        self.metrics.releases.inc_by(arrived.releases as u64);
        if arrived.unreadable.is_some() {
            office.due = Instant::now();
        }
        let began = Instant::now();
        let told = self.recount(arrived.keys).await;
        let mut spent = began.elapsed();
        if told.is_err() {
            // The messages are spent; what they were about is found by looking at everything.
            office.due = Instant::now();
        }
        told?;
        if office.due <= Instant::now() {
            let (found, counting) = self.recompute().await?;
            spent += counting;
            if found < MOST {
                office.due = Instant::now() + self.settings.recompute;
            }
        }
        Ok(GATHER.max(spent * REST_SHARE))
    }

    /// Looks at every counter of managed shows. Says how many were stale, and how long setting them
    /// right took.
    async fn recompute(&self) -> Result<(usize, Duration), StoreError> {
        let cycle = self.metrics.cycle_seconds.start_timer();
        let stale = self.store.stale_counters(MOST).await?;
        let (found, began) = (stale.len(), Instant::now());
        let corrected = self.recount(stale).await?;
        cycle.observe_duration();
        if corrected > 0 {
            tracing::debug!(corrected, "counters were not what their procs add up to");
        }
        Ok((found, began.elapsed()))
    }

    async fn recount(&self, mut keys: CounterKeys) -> Result<u64, StoreError> {
        let mut all = 0;
        while !keys.is_empty() {
            let corrected = self.store.recount(&keys.take(COUNTERS_AT_ONCE)).await?;
            self.note(&corrected);
            all += corrected.sum();
        }
        Ok(all)
    }

    fn note(&self, corrected: &Corrected) {
        for (table, count) in &corrected.0 {
            self.metrics
                .corrected
                .with_label_values(&[*table])
                .inc_by(*count);
        }
    }
}

impl Tick for Accounts {
    const NAME: &'static str = "accounts";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let mut desk = self.desk.lock().await;
        let attended = self.attend(&mut desk).await;
        let arrived = match attended {
            Ok(Some(arrived)) => arrived,
            Ok(None) => return Ok(STAND_AGAIN),
            Err(error) => {
                // Office and messages went with the connection.
                *desk = Desk {
                    complained: desk.complained,
                    ..Desk::default()
                };
                return Ok(go_on_while_away(Err(error)).map(|()| STAND_AGAIN)?);
            }
        };
        if let Some(message) = arrived.unreadable.as_deref().filter(|_| !desk.complained) {
            tracing::warn!(
                message,
                "a message about a release cannot be read; all counters are looked at instead, now and whenever this happens again"
            );
            desk.complained = true;
        }
        match &mut desk.office {
            Some(office) => Ok(self.keep(office, arrived).await?),
            None => Ok(STAND_AGAIN),
        }
    }
}
