//! Old snapshots in the database: a side loop that asks who keeps dead rows from being removed.
//!
//! The age is measured here, from the moment at which a holder was first seen with the same oldest transaction: only
//! some roles may see when others' transactions began, and a transaction can take new snapshots.
//! Invariant: nothing is booked or left out because of what is read here.

use std::time::{Duration, Instant};

use cue_flow::{BoxError, Family, Tick};
use cue_store::{OLD_SNAPSHOT, SnapshotHolder, Store};
use parking_lot::Mutex;
use prometheus::{IntGauge, Registry};

/// Time between two questions to the database.
const EVERY: Duration = Duration::from_secs(10);

/// Advice about a holder.
pub const SNAPSHOT_REMEDY: &str = "end it once you know whose it is; long reports and backups belong on a standby, or in a quiet hour";

/// A holder, and since when it has been seen.
#[derive(Debug)]
struct Seen {
    holder: SnapshotHolder,
    since: Instant,
    reported: bool,
}

/// The side loop.
#[derive(Debug)]
pub struct Snapshots {
    store: Store,
    age: IntGauge,
    seen: Mutex<Option<Seen>>,
}

impl Snapshots {
    /// A loop that has not asked yet.
    pub fn new(store: Store, registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Time for which the oldest snapshot in the database has been seen; dead rows stay as long";
        let age = IntGauge::declare(registry, "scheduler_db_oldest_snapshot_seconds", help, ())?;
        Ok(Self {
            store,
            age,
            seen: Mutex::default(),
        })
    }

    /// Keeps an answer, and logs a holder once when it is old, and once when it is gone.
    fn record(&self, found: Option<SnapshotHolder>, now: Instant) {
        let mut seen = self.seen.lock();
        let same = |seen: &Seen, found: &SnapshotHolder| {
            let id =
                |one: &SnapshotHolder| (one.kind.clone(), one.name.clone(), one.oldest.clone());
            id(&seen.holder) == id(found)
        };
        let before = seen.take();
        let stays = before
            .as_ref()
            .zip(found.as_ref())
            .is_some_and(|(seen, found)| same(seen, found));
        if let Some(gone) = before.as_ref().filter(|seen| !stays && seen.reported) {
            tracing::info!("the old snapshot of {} is gone", gone.holder);
        }
        let Some(holder) = found else {
            self.age.set(0);
            return;
        };
        let mut current = match before {
            Some(seen) if stays => Seen { holder, ..seen },
            _ => Seen {
                holder,
                since: now,
                reported: false,
            },
        };
        let age = now.duration_since(current.since);
        self.age
            .set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        if age >= OLD_SNAPSHOT && !current.reported {
            current.reported = true;
            tracing::warn!(
                seconds = age.as_secs(),
                transactions = current.holder.behind,
                "{} keeps dead rows from being removed, and booking grows slower: {SNAPSHOT_REMEDY}",
                current.holder
            );
        }
        *seen = Some(current);
    }
}

impl Tick for Snapshots {
    const NAME: &'static str = "snapshots";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let found = self.store.oldest_snapshot().await?;
        self.record(found, Instant::now());
        Ok(EVERY)
    }
}

#[cfg(test)]
mod tests {
    use cue_simfarm::postgres::TestDb;
    use cue_store::StoreSettings;

    use super::*;

    fn holder(name: &str, oldest: &str) -> SnapshotHolder {
        SnapshotHolder {
            kind: "session".to_owned(),
            name: name.to_owned(),
            detail: String::new(),
            oldest: oldest.to_owned(),
            behind: 5,
            age: None,
        }
    }

    #[tokio::test]
    async fn a_holder_is_old_while_it_holds_the_same_transaction() {
        let db = TestDb::fresh().await;
        let settings = StoreSettings {
            pool: 1,
            application_name: "cue-scheduler/night".to_owned(),
            ..StoreSettings::new(&db.url)
        };
        let registry = Registry::new();
        let store = Store::connect(&settings, &registry).await.unwrap();
        let snapshots = Snapshots::new(store, &registry).unwrap();
        let began = Instant::now();
        let reported = || {
            let seen = snapshots.seen.lock();
            seen.as_ref().is_some_and(|seen| seen.reported)
        };
        let (a, b) = (holder("1", "700"), holder("1", "800"));
        for (found, at, age, old) in [
            (Some(&a), 0, 0, false),
            (Some(&a), 59, 59, false),
            (Some(&a), 60, 60, true),
            (Some(&a), 600, 600, true),
            // Another transaction of the same session.
            (Some(&b), 610, 0, false),
            (Some(&b), 620, 10, false),
            (None, 630, 0, false),
            (Some(&b), 640, 0, false),
        ] {
            snapshots.record(found.cloned(), began + Duration::from_secs(at));
            assert_eq!((snapshots.age.get(), reported()), (age, old), "at {at}");
        }
        let asked = snapshots.tick().await.unwrap();
        assert_eq!(asked, EVERY);
    }
}
