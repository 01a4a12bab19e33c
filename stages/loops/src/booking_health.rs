//! The watch over booking: a side loop that logs when every booking begins to fail and when that ends, keeps
//! the metric, and tests whether the cause of a failure is gone when nothing is tried any more.
//!
//! Invariant: the stages decide nothing by it, and while bookings succeed it asks the database nothing.

use std::time::{Duration, Instant};

use cue_domain::health::Retest;
use cue_domain::{BookingHealth, BookingTrouble};
use cue_flow::{BoxError, Family, Tick};
use cue_store::{Store, StoreError};
use parking_lot::Mutex;
use prometheus::{IntGauge, Registry};

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// Least time between two lines about a trouble whose reason changes.
const LINES: Duration = Duration::from_secs(30);

/// The side loop.
#[derive(Debug)]
pub struct HealthWatch {
    store: Store,
    health: BookingHealth,
    failing: IntGauge,
    /// The trouble as last logged, and the time of that.
    logged: Mutex<Option<(BookingTrouble, Instant)>>,
}

impl HealthWatch {
    /// A loop over what the stages record in `health`.
    pub fn new(
        store: Store,
        health: BookingHealth,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let help = "1 while every booking fails, or a step that each needs, else 0.";
        let failing = IntGauge::declare(registry, "scheduler_booking_failing", help, ())?;
        Ok(Self {
            store,
            health,
            failing,
            logged: Mutex::default(),
        })
    }

    /// Tests whether the cause of a failure is gone. A test that cannot be made shows that it is not.
    async fn is_cause_gone(&self, retest: Retest, statement: &str) -> Result<bool, StoreError> {
        match retest {
            Retest::None => Ok(false),
            Retest::Connection => self.store.ping().await.map(|()| true),
            Retest::Statement => self.store.is_permitted(statement).await,
        }
    }

    fn report(&self, trouble: Option<BookingTrouble>, now: Instant) {
        self.failing.set(i64::from(trouble.is_some()));
        let mut logged = self.logged.lock();
        *logged = match (logged.take(), trouble) {
            (None, None) => None,
            (None, Some(trouble)) => {
                log_begin(&trouble);
                Some((trouble, now))
            }
            (Some((before, at)), Some(trouble)) => {
                let other = (before.step, &before.code) != (trouble.step, &trouble.code);
                if other && now.saturating_duration_since(at) >= LINES {
                    log_begin(&trouble);
                    Some((trouble, now))
                } else {
                    Some((before, at))
                }
            }
            (Some((before, _)), None) => {
                tracing::info!("booking is possible again; before, {}", before.reason());
                None
            }
        };
    }
}

fn log_begin(trouble: &BookingTrouble) {
    tracing::error!(
        step = trouble.step.code(),
        statement = trouble.statement,
        sqlstate = trouble.code,
        failures = trouble.failures,
        "nothing can be booked: {}",
        trouble.reason()
    );
}

impl Tick for HealthWatch {
    const NAME: &'static str = "booking_health";

    async fn tick(&self) -> Result<Duration, BoxError> {
        if let Some((retest, statement)) = self.health.retest(Instant::now()) {
            let gone = self.is_cause_gone(retest, statement).await.unwrap_or(false);
            self.health.retested(gone, Instant::now());
        }
        let now = Instant::now();
        self.report(self.health.trouble(now), now);
        Ok(EVERY)
    }
}
