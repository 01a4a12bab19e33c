//! A small farm whose releases are left to the scheduler, and replicas that keep its accounts.
//!
//! Invariant: what ends here is released as Cuebot does it in managed shows.

use cue_simfarm::metrics::sum;
use cue_simfarm::waiting::until;

use cue_domain::{Centicores, FrameId, Kib, Resources};
use cue_flow::{Flow, Meters};
use cue_loops::{Accounts, AccountsMetrics, AccountsState};
use cue_simfarm::audit::audit;
use cue_simfarm::completion::{Accounting, release_stopped};
use cue_simfarm::foreign::{Booking, book_one_frame_like_cuebot};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{Fixture, Launched};
use cue_store::{AccountsSession, Store, StoreSettings};
use prometheus::Registry;

/// One core and one GiB.
const ONE: Resources = Resources {
    cores: Centicores(100),
    memory: Kib::GIB,
    gpus: 0,
    gpu_memory: Kib(0),
};

/// A job of one-core frames, a host, and a store.
pub struct Yard {
    pub db: TestDb,
    pub farm: Fixture,
    pub host: String,
    pub job: Launched,
    pub store: Store,
}

impl Yard {
    /// A farm on which `running` frames run.
    pub async fn new(running: usize) -> Self {
        let db = TestDb::fresh().await;
        let farm = Fixture::new(&db.pool).await.unwrap();
        let host = farm.host("node1", |_| ()).await.unwrap();
        let job = farm.frames("comp", 20, |_| ()).await.unwrap();
        let store = store(&db, &Registry::new()).await;
        let yard = Self {
            db,
            farm,
            host,
            job,
            store,
        };
        yard.book(running).await;
        yard
    }

    /// Books the next frames, counters included.
    async fn book(&self, frames: usize) {
        for frame in self.job.layers[0].frames.iter().take(frames) {
            let (frame, host) = (FrameId::from(frame.as_str()), self.host.as_str().into());
            let booked = book_one_frame_like_cuebot(&self.db.pool, &frame, &host, ONE).await;
            assert!(matches!(booked.unwrap(), Booking::Booked(_)));
        }
    }

    /// A session that compares and heals.
    pub async fn session(&self) -> AccountsSession {
        self.store.accounts_session().await.unwrap()
    }

    /// Ends up to `most` frames that run, and releases their procs without touching the counters.
    pub async fn release(&self, most: i64, cuebot: Accounting) {
        let mut tx = self.db.pool.begin().await.unwrap();
        for end in [
            "UPDATE frame SET str_state = 'SUCCEEDED', int_exit_status = 0, ts_stopped = current_timestamp \
             WHERE pk_frame IN (SELECT pk_frame FROM proc ORDER BY pk_proc LIMIT $1)",
            "UPDATE proc SET pk_frame = NULL WHERE pk_proc IN (SELECT pk_proc FROM proc ORDER BY pk_proc LIMIT $1)",
        ] {
            sqlx::query(end).bind(most).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        let released = release_stopped(&self.db.pool, 100, cuebot).await;
        assert!(released.unwrap() > 0);
    }

    pub async fn is_sound(&self) -> bool {
        audit(&self.db.pool, None).await.unwrap().is_ok()
    }

    pub async fn assert_sound(&self) {
        let audit = audit(&self.db.pool, None).await.unwrap();
        assert!(audit.is_ok(), "{audit}");
    }
}

/// A replica of which only the accounts matter. Dropping it is its death.
pub struct Replica {
    _flow: Flow,
    registry: Registry,
    pub state: AccountsState,
}

impl Replica {
    pub async fn start(db: &TestDb, name: &str) -> Self {
        let registry = Registry::new();
        let store = store(db, &registry).await;
        let metrics = AccountsMetrics::new(&registry).unwrap();
        let mut flow = Flow::new(Meters::new(&registry).unwrap());
        let accounts = Accounts::new(store, name.to_owned(), metrics);
        let state = accounts.state();
        flow.tick(accounts);
        Self {
            _flow: flow,
            registry,
            state,
        }
    }

    pub fn leads(&self) -> bool {
        sum(&self.registry, "scheduler_accounting_elected", &[]) > 0.0
    }

    /// Corrections so far, by what found them.
    pub fn corrected(&self, found: &str) -> f64 {
        sum(
            &self.registry,
            "scheduler_accounting_corrected_total",
            &[found],
        )
    }

    /// Comparisons that this replica has made.
    pub fn comparisons(&self) -> f64 {
        sum(
            &self.registry,
            "scheduler_recompute_cycle_duration_seconds",
            &[],
        )
    }

    pub fn releases(&self) -> f64 {
        sum(&self.registry, "scheduler_accounting_releases_total", &[])
    }

    /// Waits until it leads and has compared everything once.
    pub async fn settled(&self) {
        until("the first comparison", async || {
            self.leads() && self.comparisons() >= 1.0
        })
        .await;
    }
}

pub async fn store(db: &TestDb, registry: &Registry) -> Store {
    let settings = StoreSettings::new(&db.url);
    Store::connect(&settings, registry).await.unwrap()
}
