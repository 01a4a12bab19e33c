//! The programs that work on this database beside this one: a side loop that asks who is connected.
//!
//! Layers are dealt among the replicas of the list, and people read it. A leader of Maestro, OpenCue's planner, is a fault of the farm: it plans the
//! shows that this scheduler books (OPENCUE.md, Who books what). The loop reports that, and booking goes on: the lock
//! proves that a session lives, not that anybody else books, so a Cuebot that hangs must not stop the farm.
//!
//! Invariants: a list that could not be read is not shown, and neither is its length; a leader once seen counts
//! until an answer shows that it is gone.

use std::sync::Arc;
use std::time::Duration;

use cue_demand::ReplicaPlace;
use cue_flow::{BoxError, Family, Tick};
use cue_store::{Connected, MaestroLeader, Store};
use parking_lot::Mutex;
use prometheus::{IntGauge, Registry};

use crate::latest::Latest;

/// Time between two questions to the database. Replicas that do not know of each other yet try the same layers.
const EVERY: Duration = Duration::from_secs(1);

/// The setting that ends a conflict with Maestro, as a person types it.
pub const MAESTRO_REMEDY: &str =
    "set maestro.enabled=no in the properties of every Cuebot, and restart them";

/// Sentence about a leader of Maestro, with the setting to change.
pub fn maestro_conflict(leader: &MaestroLeader) -> String {
    format!(
        "Maestro, OpenCue's planner, has a leader ({leader}) and plans the managed shows too: {MAESTRO_REMEDY}"
    )
}

/// The side loop.
#[derive(Debug)]
pub struct Replicas {
    store: Store,
    /// Replicas, none if the database did not answer the last question, and Maestro's leader as last seen.
    roll: Latest<Connected>,
    place: Arc<Mutex<ReplicaPlace>>,
    count: IntGauge,
    maestro: IntGauge,
}

impl Replicas {
    /// A loop that has not asked yet.
    pub fn new(store: Store, registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| IntGauge::declare(registry, name, help, ());
        Ok(Self {
            store,
            roll: Latest::default(),
            place: Arc::new(Mutex::new(ReplicaPlace::ONLY)),
            count: gauge(
                "scheduler_replicas",
                "Schedulers connected to the database, this one included.",
            )?,
            maestro: gauge(
                "scheduler_maestro_leader",
                "1 while OpenCue's planner Maestro has a leader on the database, else 0.",
            )?,
        })
    }

    /// A handle to what the loop has seen.
    pub fn roll(&self) -> Latest<Connected> {
        self.roll.clone()
    }

    /// Place of this replica among those last seen.
    pub fn place(&self) -> Arc<Mutex<ReplicaPlace>> {
        Arc::clone(&self.place)
    }

    /// Keeps an answer, and logs a change of Maestro's leader.
    fn record(&self, connected: Connected) {
        let replicas = i64::try_from(connected.replicas.len()).unwrap_or(i64::MAX);
        self.count.set(replicas);
        *self.place.lock() = place(&connected);
        self.maestro.set(i64::from(connected.maestro.is_some()));
        let now = connected.maestro;
        let before = self.roll.replace(connected).maestro;
        match (before, now) {
            (before, Some(leader)) if before != now => {
                tracing::warn!(session = leader.pid, "{}", maestro_conflict(&leader));
            }
            (Some(leader), None) => {
                tracing::info!(session = leader.pid, "Maestro has no leader any more");
            }
            _ => {}
        }
    }
}

/// Place of this replica in the list, which all replicas read in the same order.
fn place(connected: &Connected) -> ReplicaPlace {
    let index = connected.replicas.iter().position(|replica| replica.this);
    index.map_or(ReplicaPlace::ONLY, |index| ReplicaPlace {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        of: u32::try_from(connected.replicas.len()).unwrap_or(u32::MAX),
    })
}

impl Tick for Replicas {
    const NAME: &'static str = "replicas";

    async fn tick(&self) -> Result<Duration, BoxError> {
        match self.store.connected().await {
            Ok(connected) => {
                self.record(connected);
                Ok(EVERY)
            }
            Err(error) => {
                self.count.set(0);
                self.roll.replace(Connected {
                    maestro: self.roll.read().maestro,
                    ..Connected::default()
                });
                Err(error.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cue_simfarm::postgres::TestDb;
    use cue_store::{MAESTRO_KEY, StoreSettings};

    use super::*;

    async fn replicas(db: &TestDb) -> (Replicas, Store) {
        let settings = StoreSettings {
            pool: 1,
            application_name: "cue-scheduler/night".to_owned(),
            ..StoreSettings::new(&db.url)
        };
        let registry = Registry::new();
        let store = Store::connect(&settings, &registry).await.unwrap();
        (Replicas::new(store.clone(), &registry).unwrap(), store)
    }

    #[tokio::test]
    async fn neither_a_list_nor_a_number_stays_when_the_database_does_not_answer() {
        let db = TestDb::fresh().await;
        let (replicas, store) = replicas(&db).await;
        let roll = replicas.roll();
        let listed = || (replicas.count.get(), roll.read().replicas.len());
        replicas.tick().await.unwrap();
        assert_eq!(listed(), (1, 1));
        store.close().await;
        replicas.tick().await.unwrap_err();
        assert_eq!(listed(), (0, 0));
    }

    /// A writer of the log that keeps it.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_leader_is_logged_once_for_each_change() {
        let db = TestDb::fresh().await;
        let (replicas, _store) = replicas(&db).await;
        let (log, leader) = (Log::default(), |pid| {
            Some(MaestroLeader { pid, address: None })
        });
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            for maestro in [None, leader(1), leader(1), leader(2), None, None, leader(2)] {
                let seen = Vec::new();
                replicas.record(Connected {
                    replicas: seen,
                    maestro,
                });
            }
        });
        let log = String::from_utf8(log.0.lock().clone()).unwrap();
        let lines: Vec<bool> = log
            .lines()
            .map(|line| line.contains("maestro.enabled=no"))
            .collect();
        assert_eq!(lines, [true, true, false, true], "{log}");
    }

    #[tokio::test]
    async fn a_leader_of_maestro_counts_until_an_answer_shows_that_it_is_gone() {
        let db = TestDb::fresh().await;
        let (replicas, store) = replicas(&db).await;
        let roll = replicas.roll();
        let seen = || (replicas.maestro.get(), roll.read().maestro.is_some());
        replicas.tick().await.unwrap();
        assert_eq!(seen(), (0, false));
        let mut cuebot = db.pool.acquire().await.unwrap();
        let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(MAESTRO_KEY);
        lock.execute(&mut *cuebot).await.unwrap();
        replicas.tick().await.unwrap();
        assert_eq!(seen(), (1, true));
        let sentence = maestro_conflict(&roll.read().maestro.unwrap());
        assert!(sentence.contains("maestro.enabled=no"), "{sentence}");
        let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(MAESTRO_KEY);
        unlock.execute(&mut *cuebot).await.unwrap();
        replicas.tick().await.unwrap();
        assert_eq!(seen(), (0, false));

        let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(MAESTRO_KEY);
        lock.execute(&mut *cuebot).await.unwrap();
        replicas.tick().await.unwrap();
        store.close().await;
        replicas.tick().await.unwrap_err();
        assert_eq!(seen(), (1, true), "nobody has said that it is gone");
    }
}
