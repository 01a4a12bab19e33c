//! A small farm, a store on it, and the steps of a booking in the words of these tests.
//!
//! Invariant: rows of other sessions are held by transactions of the test's own pool, so that what
//! is locked, and for how long, can be read in the test.

use cue_domain::admission::Ledger;
use cue_domain::demand::DemandRows;
use cue_domain::{
    Booking, BookingHost, BookingLayer, LayerId, ProcId, Resources, WaitingFrame, admit,
};
use cue_simfarm::audit::audit;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{Fixture, Launched};
use cue_store::{Booked, DemandCursor, LockedRow, OpenBooking, Store, StoreSettings, Unlaunched};
use prometheus::Registry;
use sqlx::{Postgres, Transaction};
use std::sync::Arc;

/// One core and one GiB.
pub const ONE: Resources = Resources {
    cores: cue_domain::Centicores(100),
    memory: cue_domain::Kib::GIB,
    gpus: 0,
    gpu_memory: cue_domain::Kib(0),
};

/// A host to book on.
#[derive(Clone, Debug)]
pub struct Place {
    pub id: String,
    pub name: String,
}

/// A farm and a store on it.
pub struct Yard {
    pub db: TestDb,
    pub farm: Fixture,
    pub store: Store,
}

impl Yard {
    pub async fn new() -> Self {
        let db = TestDb::fresh().await;
        let farm = Fixture::new(&db.pool).await.unwrap();
        let store = store(&db, 8).await;
        Self { db, farm, store }
    }

    pub async fn host(&self, name: &str) -> Place {
        let id = self.farm.host(name, |_| ()).await.unwrap();
        let name = name.to_owned();
        Place { id, name }
    }

    /// A job of one layer of one-core frames.
    pub async fn job(&self, name: &str, frames: i64) -> Launched {
        self.farm.frames(name, frames, |_| ()).await.unwrap()
    }

    /// The locked frames of a job as rows that book each of them on a host.
    pub fn rows(&self, job: &Launched, locked: &[LockedRow], host: &Place) -> Vec<Booking> {
        let place = self.farm.place();
        let frames = locked
            .iter()
            .flat_map(|row| row.frames.iter().map(|frame| (row.layer.id.clone(), frame)));
        frames
            .map(|(layer, frame)| {
                let layer = BookingLayer {
                    id: layer,
                    name: "layer".into(),
                    job: job.id.as_str().into(),
                    job_name: "job".into(),
                    show: place.show.as_str().into(),
                    folder: place.folder.as_str().into(),
                    dept: place.dept.as_str().into(),
                };
                let host = BookingHost {
                    id: host.id.as_str().into(),
                    name: host.name.as_str().into(),
                    alloc: self.farm.allocation.id.as_str().into(),
                    os: None,
                };
                booking(frame, layer, host)
            })
            .collect()
    }

    /// Books up to `frames` frames of the job's first layer on a host, and commits.
    pub async fn book(&self, job: &Launched, frames: u32, host: &Place) -> Vec<Unlaunched> {
        let (mut held, locked) = open(&self.store, &want(job, frames)).await;
        let rows = self.rows(job, &locked, host);
        let ledger = locked_ledger(&mut held, &refs(&rows)).await;
        assert!(admit(&refs(&rows), ledger).iter().all(Result::is_ok));
        let booked = held.book(&refs(&rows)).await.unwrap();
        held.commit(&refs(&rows)).await.unwrap();
        unlaunched(&rows, &booked)
    }

    /// A transaction of somebody else that holds the rows which a statement locks.
    pub async fn holding(&self, lock: &'static str, id: &str) -> Transaction<'static, Postgres> {
        let mut tx = self.db.pool.begin().await.unwrap();
        let held = sqlx::query(lock).bind(id).fetch_all(&mut *tx).await;
        assert!(!held.unwrap().is_empty(), "{lock}");
        tx
    }

    /// Everything that waits, and the cursor for what changes.
    pub async fn demand(&self) -> (DemandRows, DemandCursor) {
        let unseen = DemandCursor::default();
        self.store.demand(None, &unseen, true).await.unwrap()
    }

    /// Every counter equals what it counts, and every row fits the others.
    pub async fn assert_sound(&self) {
        let audit = audit(&self.db.pool, None).await.unwrap();
        assert!(audit.is_ok(), "{audit}");
    }
}

/// A booking of a locked frame, of one core and one GiB.
pub fn booking(frame: &WaitingFrame, layer: BookingLayer, host: BookingHost) -> Booking {
    Booking {
        proc: ProcId::from(format!("proc-of-{}", &frame.id.as_str()[..20])),
        frame: frame.clone(),
        layer: Arc::new(layer),
        host: Arc::new(host),
        reserved: ONE,
    }
}

/// Bookings as the store takes them.
pub fn refs(rows: &[Booking]) -> Vec<&Booking> {
    rows.iter().collect()
}

/// The bookings that were written, as an undo takes them.
pub fn unlaunched(rows: &[Booking], booked: &Booked) -> Vec<Unlaunched> {
    let written = rows.iter().filter_map(|row| {
        Some(Unlaunched {
            frame: row.frame.id.clone(),
            version: *booked.frames.get(&row.frame.id)?,
            proc: row.proc.clone(),
            host: Arc::clone(&row.host.name),
        })
    });
    written.collect()
}

/// A store with a pool of this size. With one connection, a statement waits for those before it.
pub async fn store(db: &TestDb, pool: u32) -> Store {
    store_named(db, pool, "cue-store-tests").await
}

/// The same, whose sessions have this name.
pub async fn store_named(db: &TestDb, pool: u32, name: &str) -> Store {
    let settings = StoreSettings {
        pool,
        application_name: name.to_owned(),
        ..StoreSettings::new(&db.url)
    };
    Store::connect(&settings, &Registry::new()).await.unwrap()
}

/// Layers of a job, each with up to `frames` frames.
pub fn want(job: &Launched, frames: u32) -> Vec<(LayerId, u32)> {
    let layers = job.layers.iter();
    let layers = layers.map(|layer| (layer.id.as_str().into(), frames));
    layers.collect()
}

/// Opens a booking that must find something.
pub async fn open(store: &Store, wanted: &[(LayerId, u32)]) -> (OpenBooking, Vec<LockedRow>) {
    store.lock_layers(wanted).await.unwrap().batch.unwrap()
}

/// The ids of the locked frames, layer by layer.
pub fn frames(locked: &[LockedRow]) -> Vec<&str> {
    let all = locked.iter().flat_map(|row| row.frames.iter());
    all.map(|frame| frame.id.as_str()).collect()
}

/// Locks everything the rows touch and reads what the caps say, all of it exact.
pub async fn locked_ledger(held: &mut OpenBooking, rows: &[&Booking]) -> Ledger {
    let seen = held.look(rows).await.unwrap();
    held.counters(rows, seen.hosts).await.unwrap()
}
