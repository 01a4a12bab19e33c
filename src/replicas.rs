//! The replicas of this scheduler: a side loop that asks who else is connected to the database.
//!
//! It is only for people to read. Invariant: a list that could not be read anew is not shown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cue_flow::{BoxError, Tick};
use cue_store::{ReplicaRow, Store};
use prometheus::{IntGauge, Registry};

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(5);

/// Who was there when the database was last asked; nobody if it did not answer.
#[derive(Clone, Debug, Default)]
pub struct Roll(Arc<Mutex<Vec<ReplicaRow>>>);

impl Roll {
    /// Who was there.
    #[must_use]
    pub fn list(&self) -> Vec<ReplicaRow> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, list: Vec<ReplicaRow>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = list;
    }
}

/// The side loop.
#[derive(Debug)]
pub struct Replicas {
    store: Store,
    roll: Roll,
    count: IntGauge,
}

impl Replicas {
    /// One that has not asked yet.
    ///
    /// # Errors
    /// There is a metric of the same name.
    pub fn new(store: Store, registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Schedulers connected to the database, this one included.";
        let count = IntGauge::new("scheduler_replicas", help)?;
        registry.register(Box::new(count.clone()))?;
        let roll = Roll::default();
        Ok(Self { store, roll, count })
    }

    /// To see who was there.
    #[must_use]
    pub fn roll(&self) -> Roll {
        self.roll.clone()
    }
}

impl Tick for Replicas {
    const NAME: &'static str = "replicas";

    async fn tick(&self) -> Result<Duration, BoxError> {
        match self.store.replicas().await {
            Ok(list) => {
                self.count
                    .set(i64::try_from(list.len()).unwrap_or(i64::MAX));
                self.roll.set(list);
                Ok(EVERY)
            }
            Err(error) => {
                self.roll.set(Vec::new());
                Err(error.into())
            }
        }
    }
}
