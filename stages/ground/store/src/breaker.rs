//! The breaker: who may ask the database now.
//!
//! It stands in front of every connection that is taken, and hears what became of every statement.
//! When the database has not answered several times in a row nobody is let through for a while;
//! then one caller finds out whether it is back. Callers who are turned away learn it at once and
//! touch neither pool nor network.
//!
//! Invariant: a probe whose caller is gone is given up by drop, so the breaker cannot stay half
//! open for ever.

mod machine;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cue_flow::Chain;
use prometheus::{IntCounter, IntGauge, Registry};
use tokio::time::Instant;

use crate::error::{StoreError, Trouble};
pub use machine::BreakerSettings;
use machine::{Answer, Machine, Opened};

/// That the database is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When to ask again.
    pub retry_in: Duration,
    /// Whether it has been away for so long that the program should end.
    pub gave_up: bool,
}

/// The breaker. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    machine: Arc<Mutex<Machine>>,
    state: IntGauge,
    openings: IntCounter,
}

/// What to do before the database is asked.
pub(crate) enum Pass {
    /// Nothing.
    Free,
    /// Find out whether it is there, and tell.
    Probe(Probe),
}

impl Breaker {
    pub(crate) fn new(
        settings: BreakerSettings,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let state = IntGauge::new(
            "scheduler_db_breaker_state",
            "The breaker in front of the database: 0 closed, 1 open, 2 probing",
        )?;
        let openings = IntCounter::new(
            "scheduler_db_breaker_openings_total",
            "How often the database was given up for a while",
        )?;
        registry.register(Box::new(state.clone()))?;
        registry.register(Box::new(openings.clone()))?;
        Ok(Self {
            machine: Arc::new(Mutex::new(Machine::new(settings))),
            state,
            openings,
        })
    }

    /// Whether the database may be asked now.
    pub(crate) fn pass(&self) -> Result<Pass, Outage> {
        let mut machine = self.lock();
        match machine.ask(Instant::now()) {
            Answer::Go => Ok(Pass::Free),
            Answer::Probe => {
                self.state.set(machine.number());
                Ok(Pass::Probe(Probe(self.clone())))
            }
            Answer::Wait(retry_in) => Err(Outage {
                retry_in,
                gave_up: machine.gave_up(),
            }),
        }
    }

    /// Notes what came of asking. Errors other than an absent database are answers.
    pub(crate) fn note(&self, outcome: Result<(), &StoreError>) {
        match outcome {
            Err(error) if error.trouble() == Trouble::Unavailable => {
                let mut machine = self.lock();
                let opened = machine.failed(Instant::now());
                self.state.set(machine.number());
                drop(machine);
                if let Some(opened) = opened {
                    self.say_opened(opened, error);
                }
            }
            _ => self.lock().succeeded(),
        }
    }

    /// The outage, if there is one.
    pub(crate) fn outage(&self) -> Option<Outage> {
        let machine = self.lock();
        machine.open_for(Instant::now()).map(|retry_in| Outage {
            retry_in,
            gave_up: machine.gave_up(),
        })
    }

    fn say_opened(&self, opened: Opened, error: &StoreError) {
        self.openings.inc();
        tracing::error!(
            error = %Chain(error),
            openings = opened.in_a_row,
            rest_ms = u64::try_from(opened.rest.as_millis()).unwrap_or(u64::MAX),
            "the database does not answer and is left alone for a while"
        );
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right and the duty to find out whether the database is back.
pub(crate) struct Probe(Breaker);

impl Probe {
    /// Tells what was found.
    pub(crate) fn tell(self, outcome: Result<(), &StoreError>) {
        let breaker = &self.0;
        let mut machine = breaker.lock();
        match outcome {
            Ok(()) => {
                let openings = machine.probe_succeeded();
                breaker.state.set(machine.number());
                drop(machine);
                tracing::info!(openings, "the database answers again");
            }
            Err(error) => {
                let opened = machine.probe_failed(Instant::now());
                breaker.state.set(machine.number());
                drop(machine);
                breaker.say_opened(opened, error);
            }
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut machine = self.0.lock();
        machine.probe_lost(Instant::now());
        self.0.state.set(machine.number());
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
        for _ in 0..5 {
            assert!(matches!(breaker.pass(), Ok(Pass::Free)));
            breaker.note(Err(&away()));
        }
        assert_eq!((breaker.openings.get(), breaker.state.get()), (1, 1));
        let outage = breaker.pass().err().unwrap();
        assert_eq!(outage.retry_in, Duration::from_millis(500));
        tokio::time::advance(outage.retry_in).await;
        let Ok(Pass::Probe(probe)) = breaker.pass() else {
            panic!("nobody probes");
        };
        assert!(breaker.pass().is_err());
        assert_eq!(breaker.state.get(), 2, "one probes");
        drop(probe);
        assert_eq!(breaker.state.get(), 1);
        let Ok(Pass::Probe(probe)) = breaker.pass() else {
            panic!("a probe that was dropped blocks the next");
        };
        probe.tell(Err(&away()));
        assert_eq!((breaker.openings.get(), breaker.state.get()), (2, 1));
        tokio::time::advance(Duration::from_secs(1)).await;
        let Ok(Pass::Probe(probe)) = breaker.pass() else {
            panic!("nobody probes");
        };
        probe.tell(Ok(()));
        assert!(matches!(breaker.pass(), Ok(Pass::Free)));
        assert_eq!((breaker.state.get(), breaker.outage()), (0, None));
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
            breaker.note(Err(if n % 5 == 4 { &refused } else { &unreached }));
        }
        assert!(matches!(breaker.pass(), Ok(Pass::Free)));
    }
}
