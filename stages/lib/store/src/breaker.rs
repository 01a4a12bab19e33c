//! The breaker in front of the database.
//!
//! It stands in front of every connection that is taken, and counts the outcome of every statement.
//! After several failures in a row it opens: nobody is let through for a while;
//! then one caller probes if it is back. Callers that are turned away learn it at once and
//! touch neither pool nor network.
//!
//! Invariant: a probe whose caller is gone is given up by drop, so the breaker cannot stay half
//! open for ever.

mod machine;

use std::sync::Arc;
use std::time::Duration;

use cue_flow::Chain;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge, Registry};
use tokio::time::Instant;

use crate::error::StoreError;
pub use machine::BreakerSettings;
use machine::{Answer, Machine, Opened};

/// An outage of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Time until the next attempt.
    pub retry_in: Duration,
    /// True if it has lasted for so long that the program should end.
    pub gave_up: bool,
}

/// The breaker. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    machine: Arc<Mutex<Machine>>,
    metrics: BreakerMetrics,
}

cue_flow::metrics! {
    /// Metrics of the breaker.
    struct BreakerMetrics {
        state: IntGauge = "scheduler_db_breaker_state",
            "The breaker in front of the database: 0 closed, 1 open, 2 probing";
        openings: IntCounter = "scheduler_db_breaker_openings_total",
            "Times that the breaker opened because the database did not answer";
    }
}

/// Permission to ask the database.
pub(crate) enum Pass {
    /// Ask.
    Free,
    /// Probe the database, and report the outcome.
    Probe(Probe),
}

impl Breaker {
    pub(crate) fn new(
        settings: BreakerSettings,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            machine: Arc::new(Mutex::new(Machine::new(settings))),
            metrics: BreakerMetrics::new(registry)?,
        })
    }

    /// Returns a pass if the database may be asked now.
    pub(crate) fn pass(&self) -> Result<Pass, Outage> {
        let mut machine = self.machine.lock();
        match machine.ask(Instant::now()) {
            Answer::Go => Ok(Pass::Free),
            Answer::Probe => {
                self.metrics.state.set(machine.number());
                Ok(Pass::Probe(Probe(self.clone())))
            }
            Answer::Wait(retry_in) => Err(Outage {
                retry_in,
                gave_up: machine.gave_up(),
            }),
        }
    }

    /// Records the outcome of a statement. Errors other than an absent database are answers.
    pub(crate) fn record(&self, outcome: Result<(), &StoreError>) {
        match outcome {
            Err(error) if error.class().is_outage() => {
                let mut machine = self.machine.lock();
                let opened = machine.failed(Instant::now());
                self.metrics.state.set(machine.number());
                drop(machine);
                if let Some(opened) = opened {
                    self.report_opened(opened, error);
                }
            }
            _ => self.machine.lock().succeeded(),
        }
    }

    /// The outage, if there is one.
    pub(crate) fn outage(&self) -> Option<Outage> {
        let machine = self.machine.lock();
        machine.open_for(Instant::now()).map(|retry_in| Outage {
            retry_in,
            gave_up: machine.gave_up(),
        })
    }

    fn report_opened(&self, opened: Opened, error: &StoreError) {
        self.metrics.openings.inc();
        tracing::error!(
            error = %Chain(error),
            openings = opened.consecutive,
            backoff_ms = u64::try_from(opened.backoff.as_millis()).unwrap_or(u64::MAX),
            "the database does not answer and is left alone for a while"
        );
    }
}

/// The right and the duty to probe the database.
pub(crate) struct Probe(Breaker);

impl Probe {
    /// Reports the outcome.
    pub(crate) fn report(self, outcome: Result<(), &StoreError>) {
        let breaker = &self.0;
        let mut machine = breaker.machine.lock();
        match outcome {
            Ok(()) => {
                let openings = machine.probe_succeeded();
                breaker.metrics.state.set(machine.number());
                drop(machine);
                tracing::info!(openings, "the database answers again");
            }
            Err(error) => {
                let opened = machine.probe_failed(Instant::now());
                breaker.metrics.state.set(machine.number());
                drop(machine);
                if let Some(opened) = opened {
                    breaker.report_opened(opened, error);
                }
            }
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut machine = self.0.machine.lock();
        machine.probe_lost(Instant::now());
        self.0.metrics.state.set(machine.number());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings::default(), &Registry::new()).unwrap()
    }

    fn away() -> StoreError {
        StoreError::Failed {
            statement: "ping",
            source: sqlx::Error::PoolTimedOut,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn callers_are_turned_away_and_one_of_them_probes() {
        let breaker = breaker();
        for _ in 0..10 {
            assert!(matches!(breaker.pass(), Ok(Pass::Free)));
            breaker.record(Err(&away()));
        }
        assert_eq!(
            (breaker.metrics.openings.get(), breaker.metrics.state.get()),
            (1, 1)
        );
        let outage = breaker.pass().err().unwrap();
        assert_eq!(outage.retry_in, Duration::from_millis(500));
        tokio::time::advance(outage.retry_in).await;
        let Ok(Pass::Probe(probe)) = breaker.pass() else {
            panic!("nobody probes");
        };
        assert!(breaker.pass().is_err());
        assert_eq!(breaker.metrics.state.get(), 2, "one probes");
        drop(probe);
        assert_eq!(breaker.metrics.state.get(), 1);
        let Ok(Pass::Probe(probe)) = breaker.pass() else {
            panic!("a probe that was dropped blocks the next");
        };
        probe.report(Err(&away()));
        assert_eq!(
            (breaker.metrics.openings.get(), breaker.metrics.state.get()),
            (2, 1)
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        let Ok(Pass::Probe(probe)) = breaker.pass() else {
            panic!("nobody probes");
        };
        probe.report(Ok(()));
        assert!(matches!(breaker.pass(), Ok(Pass::Free)));
        assert_eq!((breaker.metrics.state.get(), breaker.outage()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_statement_is_an_answer() {
        let breaker = breaker();
        let refused = StoreError::Failed {
            statement: "start_frames",
            source: sqlx::Error::RowNotFound,
        };
        let unreached = away();
        for n in 0..40 {
            breaker.record(Err(if n % 10 == 9 { &refused } else { &unreached }));
        }
        assert!(matches!(breaker.pass(), Ok(Pass::Free)));
    }
}
