//! A small farm whose releases are left to the scheduler, and accountants to keep its tables.
//!
//! Invariant: what ends here is released as Cuebot does it in managed shows; no counter is ever
//! subtracted from by the test.

use cue_simfarm::waiting::until;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use cue_dispatch::{Accounts, AccountsMetrics, AccountsSettings};
use cue_domain::{Centicores, FrameId, Kib, Resources};
use cue_flow::{Flow, Meters};
use cue_scheduler::config::{self, Settings};
use cue_simfarm::audit::audit;
use cue_simfarm::completion::{Accounting, release_stopped};
use cue_simfarm::foreign::{Booking, book_one_frame_like_cuebot};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{Fixture, Launched};
use cue_store::{BookingRules, BreakerSettings, Store, StoreSettings};
use prometheus::Registry;

/// An interval of recomputing that never comes in a test: what is set right then is set right
/// because of a message, or of an election.
pub const NEVER: Duration = Duration::from_secs(3600);

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

    /// Ends up to `most` frames that run, and releases their procs without touching the counters.
    pub async fn release(&self, most: i64) {
        let mut tx = self.db.pool.begin().await.unwrap();
        for end in [
            "UPDATE frame SET str_state = 'SUCCEEDED', int_exit_status = 0, ts_stopped = current_timestamp \
             WHERE pk_frame IN (SELECT pk_frame FROM proc ORDER BY pk_proc LIMIT $1)",
            "UPDATE proc SET pk_frame = NULL WHERE pk_proc IN (SELECT pk_proc FROM proc ORDER BY pk_proc LIMIT $1)",
        ] {
            sqlx::query(end).bind(most).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        let released = release_stopped(&self.db.pool, 100, Accounting::Managed).await;
        assert!(released.unwrap() > 0);
    }

    pub async fn run(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.db.pool).await.unwrap();
    }

    pub async fn number(&self, query: &'static str) -> i64 {
        let number = sqlx::query_scalar(query).fetch_one(&self.db.pool);
        number.await.unwrap()
    }

    pub async fn is_sound(&self) -> bool {
        audit(&self.db.pool, None).await.unwrap().is_ok()
    }

    pub async fn assert_sound(&self) {
        let audit = audit(&self.db.pool, None).await.unwrap();
        assert!(audit.is_ok(), "{audit}");
    }
}

/// A replica of which only the accountant matters. Dropping it is its death.
pub struct Replica {
    _flow: Flow,
    registry: Registry,
}

impl Replica {
    pub async fn start(db: &TestDb, recompute: Duration) -> Self {
        let registry = Registry::new();
        let store = store(db, &registry).await;
        let metrics = AccountsMetrics::new(&registry).unwrap();
        let mut flow = Flow::new(Meters::new(&registry).unwrap());
        flow.tick(Accounts::new(
            store,
            AccountsSettings { recompute },
            metrics,
        ));
        Self {
            _flow: flow,
            registry,
        }
    }

    pub fn is_elected(&self) -> bool {
        value(&self.registry, "scheduler_accounting_elected") > 0.0
    }

    /// How often all counters have been looked at.
    pub fn cycles(&self) -> f64 {
        value(&self.registry, "scheduler_recompute_cycle_duration_seconds")
    }

    pub fn releases(&self) -> f64 {
        value(&self.registry, "scheduler_accounting_releases_total")
    }

    /// Waits until it is elected and has looked at everything once.
    pub async fn settled(&self) {
        until("the first look at all counters", async || {
            self.is_elected() && self.cycles() >= 1.0
        })
        .await;
    }
}

/// The sum of a counter or a gauge, or the count of a histogram.
pub fn value(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metrics = family.iter().flat_map(|family| family.get_metric());
    metrics
        .map(|metric| {
            metric.get_counter().get_value()
                + metric.get_gauge().get_value()
                + metric.get_histogram().get_sample_count() as f64
        })
        .sum()
}

pub async fn store(db: &TestDb, registry: &Registry) -> Store {
    let settings = StoreSettings {
        url: db.url.clone(),
        pool: 4,
        acquire_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(20),
        lock_timeout: Duration::from_secs(10),
        application_name: "cue-accounts-tests".to_owned(),
        booking: BookingRules::default(),
        breaker: BreakerSettings::default(),
    };
    Store::connect(&settings, registry).await.unwrap()
}

/// The settings of a whole scheduler with deferred accounting.
pub fn settings(database: &str, rqd: SocketAddr, more: &[(&str, &str)]) -> Settings {
    let rqd = rqd.to_string();
    let base = [
        ("CUE_DATABASE_URL", database),
        ("CUE_RQD_ADDRESS", &rqd),
        ("CUE_ACCOUNTING", "deferred"),
        ("CUE_HOST_REFRESH", "50ms"),
        ("CUE_EMPTY_BACKOFF", "50ms"),
        ("CUE_SATURATED_BACKOFF", "20ms"),
    ];
    let environment: BTreeMap<String, String> = base
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    config::load(None, &environment, &[]).settings.unwrap()
}
