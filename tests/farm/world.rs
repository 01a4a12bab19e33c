//! The world of a test: a database, simulated hosts, a completer, and schedulers in this process.
//!
//! Invariant: a [`World`] is closed by [`World::close`], which audits it, and a [`Scheduler`] by
//! [`Scheduler::drain`], which refuses laggards and dead stages.

use cue_simfarm::waiting::{PATIENCE, until, within};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use cue_scheduler::config::{self, Settings};
use cue_scheduler::service::Running;
use cue_scheduler::start;
use cue_simfarm::audit::{AuditOptions, LaunchLog, audit_with};
use cue_simfarm::completion::{Completer, CompleterSettings};
use cue_simfarm::metrics::sum;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{FrameDuration, SimHost, SimRqd, SimRqdSettings};
use cue_simfarm::seed::Fixture;
use prometheus::Registry;

/// Frames that run until the test ends them.
pub fn endless() -> SimRqdSettings {
    SimRqdSettings::default()
}

/// Frames that run for up to `most` milliseconds.
pub fn up_to_ms(most: u64) -> SimRqdSettings {
    SimRqdSettings {
        duration: FrameDuration::Uniform(Duration::ZERO, Duration::from_millis(most)),
        ..SimRqdSettings::default()
    }
}

/// A fresh database with the smallest farm, and a number of hosts of 32 cores, `node1` and on.
pub async fn yard(hosts: usize) -> (TestDb, Fixture) {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    for n in 1..=hosts {
        farm.host(&format!("node{n}"), |_| ()).await.unwrap();
    }
    (db, farm)
}

/// A farm that runs what it is given.
pub struct World {
    pub db: TestDb,
    pub rqd: SimRqd,
    pub completer: Completer,
}

impl World {
    /// Brings the hosts of a database to life.
    pub async fn open(db: TestDb, like: SimRqdSettings) -> Self {
        Self::open_with(db, like, CompleterSettings::default()).await
    }

    /// The same with a Cuebot of some kind.
    pub async fn open_with(db: TestDb, like: SimRqdSettings, cuebot: CompleterSettings) -> Self {
        let mut rqd = SimRqd::start(SimRqdSettings {
            hosts: SimHost::all(&db.pool).await.unwrap(),
            ..like
        })
        .unwrap();
        let ends = rqd.completions().unwrap();
        let completer = Completer::start(db.pool.clone(), ends, cuebot);
        Self { db, rqd, completer }
    }

    pub async fn launched(&self, n: usize) {
        within(&format!("{n} launches"), self.rqd.launched(n)).await;
    }

    pub async fn completed(&self, n: u64) {
        let signal = self.completer.completed_at_least(n);
        if tokio::time::timeout(PATIENCE, signal).await.is_err() {
            let came = self.completer.completed();
            panic!("waited {PATIENCE:?} for {n} completions, of which {came} came");
        }
    }

    /// Ends frames as they are launched until `n` have been.
    pub async fn finish_all(&self, n: usize) {
        let mut done = 0;
        while done < n {
            self.launched(done + 1).await;
            for launch in &self.rqd.launches()[done..] {
                self.rqd.finish(&launch.frame_id, 0).await;
                done += 1;
            }
        }
        self.completed(n as u64).await;
    }

    /// Number of frames in a state.
    pub async fn frames(&self, state: &str) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM frame WHERE str_state = $1")
            .bind(state)
            .fetch_one(&self.db.pool)
            .await
            .unwrap()
    }

    /// Takes everything down and audits it: the rows fit each other, every counter is what it
    /// counts, no frame was launched while it ran, and what succeeded was launched exactly once.
    pub async fn close(self) {
        let Self { db, rqd, completer } = self;
        let log = LaunchLog::of(&rqd);
        within("the hosts to stop", rqd.shutdown()).await;
        let stats = within("the completer to finish", completer.finish()).await;
        assert_eq!(stats.lost, 0, "every report was applied");
        let options = AuditOptions {
            launches: Some(&log),
            exactly_once: true,
            ..AuditOptions::default()
        };
        let audit = audit_with(&db.pool, &options).await.unwrap();
        assert!(audit.is_ok(), "{audit}");
        db.close().await.unwrap();
    }

    /// Ends frames as they are launched until `n` have been, then everything.
    pub async fn finish(self, scheduler: Scheduler, n: usize) {
        self.finish_all(n).await;
        self.end(scheduler).await;
    }

    /// Drains the scheduler, then takes everything down and audits it.
    pub async fn end(self, scheduler: Scheduler) {
        scheduler.drain().await;
        self.close().await;
    }
}

/// A scheduler in this process.
pub struct Scheduler {
    pub running: Running,
    pub registry: Registry,
}

impl Scheduler {
    /// Starts on a world with settings that suit tests, overlaid by `more`.
    pub async fn start(world: &World, more: &[(&str, &str)]) -> Self {
        Self::start_at(&world.db.url, world.rqd.address(), more).await
    }

    /// Starts on any database and any hosts.
    pub async fn start_at(database: &str, rqd: SocketAddr, more: &[(&str, &str)]) -> Self {
        let settings = settings(database, rqd, more);
        let registry = Registry::new();
        let running = start::start(&settings, &registry).await.unwrap();
        Self { running, registry }
    }

    /// Stops as the service does at SIGTERM: what has begun is finished.
    pub async fn drain(self) {
        let Running { flow, finish, .. } = self.running;
        let report = flow.drain(PATIENCE).await;
        assert!(
            report.laggards.is_empty() && report.fatal.is_none(),
            "{report:?}"
        );
        within("what is left to do after a drain", finish).await;
    }

    /// The sum of a counter or a gauge over all its labels.
    pub fn sum(&self, name: &str) -> f64 {
        sum(&self.registry, name, &[])
    }

    /// The sum of a counter or a gauge over those of its labels that have this value.
    pub fn sum_of(&self, name: &str, value: &str) -> f64 {
        sum(&self.registry, name, &[value])
    }

    /// Waits until the hosts have been read `more` times. The feed looks again at least as
    /// often, so whatever it could have taken meanwhile, it has.
    pub async fn rounds(&self, more: u32) {
        let done = || self.sum("scheduler_host_refreshes_total");
        let wanted = done() + f64::from(more);
        until("more rounds of the side loops", async || done() >= wanted).await;
    }
}

/// Settings of a scheduler that is quick to look again.
pub fn settings(database: &str, rqd: SocketAddr, more: &[(&str, &str)]) -> Settings {
    let rqd = rqd.to_string();
    let mut all = BTreeMap::from([
        ("CUE_DATABASE_URL", database),
        ("CUE_RQD_ADDRESS", &rqd),
        ("CUE_ADMIN_ADDR", "off"),
        ("CUE_EMPTY_BACKOFF", "20ms"),
        ("CUE_SATURATED_BACKOFF", "20ms"),
    ]);
    all.extend(more.iter().copied());
    let all = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment: BTreeMap<String, String> = all.collect();
    config::load(None, &environment, &[]).settings.unwrap()
}
