//! The replicas of this scheduler: a side loop that asks who else is connected to the database.
//!
//! It is only for people to read. Invariant: a list that could not be read anew is not shown, and
//! neither is its length.

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
                self.count.set(0);
                self.roll.set(Vec::new());
                Err(error.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cue_simfarm::postgres::TestDb;
    use cue_store::{BookingRules, BreakerSettings, StoreSettings};

    use super::*;

    #[tokio::test]
    async fn neither_a_list_nor_a_number_stays_when_the_database_does_not_answer() {
        let db = TestDb::fresh().await;
        let settings = StoreSettings {
            url: db.url.clone(),
            pool: 1,
            acquire_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(20),
            lock_timeout: Duration::from_secs(5),
            application_name: "cue-scheduler/night".to_owned(),
            booking: BookingRules::default(),
            breaker: BreakerSettings::default(),
        };
        let registry = Registry::new();
        let store = Store::connect(&settings, &registry).await.unwrap();
        let replicas = Replicas::new(store.clone(), &registry).unwrap();
        let roll = replicas.roll();
        replicas.tick().await.unwrap();
        assert_eq!((replicas.count.get(), roll.list().len()), (1, 1));
        store.close().await;
        replicas.tick().await.unwrap_err();
        assert_eq!((replicas.count.get(), roll.list().len()), (0, 0));
    }
}
