//! A small farm: a database with one show, hosts of 32 cores, and RQDs that stand for them.
//!
//! Invariant: the scheduler on it is the program itself, and ends before the farm does.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{SimRqd, SimRqdSettings};
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::{until, within};
use sqlx::{Postgres, Transaction};

use crate::binary::Service;
use crate::collector::Collector;

/// A farm without a scheduler yet.
pub struct Yard {
    pub db: TestDb,
    pub farm: Fixture,
    pub rqd: SimRqd,
}

impl Yard {
    /// A farm with hosts `node1` and on, whose frames run until they are ended.
    pub async fn new(hosts: usize, like: SimRqdSettings) -> Self {
        let db = TestDb::fresh().await;
        let farm = Fixture::new(&db.pool).await.unwrap();
        for n in 1..=hosts {
            farm.host(&format!("node{n}"), |_| ()).await.unwrap();
        }
        let rqd = SimRqd::start(like).unwrap();
        Self { db, farm, rqd }
    }

    /// Starts the scheduler, with these settings and those that any test wants.
    pub async fn schedule(&self, collector: &Collector, more: &[(&str, &str)]) -> Service {
        self.schedule_to(&collector.endpoint(), more).await
    }

    /// The same with the address of a collector.
    pub async fn schedule_to(&self, endpoint: &str, more: &[(&str, &str)]) -> Service {
        let rqd = self.rqd.address().to_string();
        let mut all = vec![
            ("CUE_DATABASE_URL", &*self.db.url),
            ("CUE_RQD_ADDRESS", &rqd),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("CUE_EMPTY_BACKOFF", "20ms"),
            ("CUE_SATURATED_BACKOFF", "20ms"),
        ];
        all.extend_from_slice(more);
        Service::start(&all).await
    }

    /// Takes all frames into the hands of another session, so that nobody else can lock any.
    pub async fn hold_frames(&self) -> Transaction<'static, Postgres> {
        let mut somebody = self.db.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE frame IN ACCESS EXCLUSIVE MODE")
            .execute(&mut *somebody)
            .await
            .unwrap();
        somebody
    }

    pub async fn launched(&self, n: usize) {
        within(&format!("{n} launches"), self.rqd.launched(n)).await;
    }

    /// Waits until a statement waits for a row that another session holds.
    pub async fn somebody_waits_for_a_lock(&self) {
        self.waits("").await;
    }

    /// Waits until the statement of this name does. The side loops look at frames too, so when all
    /// of them are held it may be one of those that waits first.
    pub async fn statement_waits_for_a_lock(&self, name: &str) {
        // Each statement begins with a comment that says its name.
        self.waits(&format!("-- {name}: ")).await;
    }

    /// Waits until a statement that begins like this waits for a lock.
    async fn waits(&self, beginning: &str) {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock' \
               AND starts_with(query, $1)";
        until("somebody to wait for a lock", async || {
            let waiting = sqlx::query_scalar::<_, i64>(waiting).bind(beginning);
            waiting.fetch_one(&self.db.pool).await.unwrap() > 0
        })
        .await;
    }

    /// The name of the database, as traces call it.
    pub fn database(&self) -> &str {
        let after = self.db.url.rsplit('/').next().unwrap();
        after.split('?').next().unwrap()
    }

    /// Stops the scheduler as a service manager does, then the farm. Returns the log.
    pub async fn close(self, program: Service) -> String {
        let (code, log) = program.terminate().await;
        assert_eq!(code, Some(0), "{log}");
        within("the hosts to stop", self.rqd.shutdown()).await;
        self.db.close().await.unwrap();
        log
    }
}
