//! The farm under the storm: a database, hosts, a Cuebot and replicas, and what must be true of it in the end.

use std::time::{Duration, Instant};

use cue_simfarm::audit::{LaunchLog, audit};
use cue_simfarm::cuebot::{Cuebot, CuebotSettings};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{FrameDuration, SimHost, SimRqd, SimRqdSettings};
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::within;
use sqlx::PgPool;

use crate::replica::Replica;

/// Hosts, of 32 cores each.
pub const HOSTS: usize = 10;

/// Replicas of the scheduler.
const REPLICAS: usize = 3;

/// Frames of a job.
const FRAMES: i64 = 30;

/// The farm.
pub struct Farm {
    pub db: TestDb,
    pub fixture: Fixture,
    pub rqd: SimRqd,
    pub cuebot: Cuebot,
    pub replicas: Vec<Replica>,
    /// A folder whose cap operators change.
    pub folder: String,
    /// A limit on frames.
    limit: String,
    jobs: usize,
}

impl Farm {
    /// A farm without work, whose replicas have not been started.
    pub async fn new(name: &str, duration: FrameDuration, seed: u64) -> Self {
        let db = TestDb::fresh().await;
        let fixture = Fixture::new(&db.pool).await.unwrap();
        for n in 1..=HOSTS {
            fixture.host(&format!("node{n}"), |_| ()).await.unwrap();
        }
        let folder = fixture.folder("capped", 4_000, -1).await.unwrap();
        let limit = fixture.limit("licence", 25).await.unwrap();
        let mut rqd = SimRqd::start(SimRqdSettings {
            duration,
            seed,
            hosts: SimHost::all(&db.pool).await.unwrap(),
            // Long enough that a kill finds launches on their way.
            latency: Duration::from_millis(3),
            ..SimRqdSettings::default()
        })
        .unwrap();
        let settings = CuebotSettings::default();
        let cuebot = Cuebot::start(db.pool.clone(), &mut rqd, settings).unwrap();
        let replica = |n| Replica::new(&format!("{name}-{n}"), &db.url, rqd.address().to_string());
        let replicas = (0..REPLICAS).map(replica).collect();
        Self {
            db,
            fixture,
            rqd,
            cuebot,
            replicas,
            folder,
            limit,
            jobs: 0,
        }
    }

    pub fn pool(&self) -> &PgPool {
        &self.db.pool
    }

    /// Launches another job: in the capped folder, under the limit, or free.
    pub async fn another_job(&mut self) {
        self.jobs += 1;
        let (folder, limit) = (self.folder.clone(), self.limit.clone());
        let tags = self.fixture.allocation.name.clone();
        let (kind, name) = (self.jobs % 4, format!("job{}", self.jobs));
        let priority = i32::try_from(self.jobs % 7).unwrap();
        let job = self.fixture.job(&name, |job| {
            job.priority = priority;
            // A kill by an operator is a failure, and here they kill a lot.
            job.max_retries = 1_000;
            if kind == 1 {
                job.place.folder = folder;
            }
            job.layer("render", &tags, |layer| {
                layer.frames = FRAMES;
                if kind == 2 {
                    layer.limits = vec![limit];
                }
            });
        });
        job.await.unwrap();
    }

    /// Keeps work waiting.
    pub async fn top_up(&mut self) {
        let waiting = "SELECT count(*) FROM frame WHERE str_state = 'WAITING'";
        while self.db.count(waiting).await < 400 {
            self.another_job().await;
        }
    }

    /// Waits until every frame is done, for as long as some frame ends now and then.
    pub async fn drained(&self) {
        const LEFT: &str =
            "SELECT count(*) FROM frame WHERE str_state NOT IN ('SUCCEEDED', 'EATEN')";
        let (mut left, mut since) = (self.db.count(LEFT).await, Instant::now());
        while left > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.db.count(LEFT).await;
            if now != left {
                (left, since) = (now, Instant::now());
            }
            if since.elapsed() > Duration::from_secs(40) {
                let held = "SELECT string_agg(concat_ws(' ', pk_frame, str_state, int_exit_status, str_host,
                    (SELECT pk_proc FROM proc WHERE proc.pk_frame = frame.pk_frame)), '; ')
                    FROM (SELECT * FROM frame WHERE str_state NOT IN ('SUCCEEDED', 'EATEN') LIMIT 10) frame";
                let held: String = sqlx::query_scalar(held)
                    .fetch_one(self.pool())
                    .await
                    .unwrap();
                panic!(
                    "{left} frames are not done: {held}\n{}",
                    self.replicas[0].tail()
                );
            }
        }
    }

    /// As [`Farm::close`], and no frame was launched more than once.
    pub async fn close_once(self, seed: u64) {
        let launches = self.rqd.launch_count();
        let frames = self.db.count("SELECT count(*) FROM frame").await;
        assert_eq!(
            i64::try_from(launches).unwrap(),
            frames,
            "each was launched once"
        );
        self.close(seed).await;
    }

    /// Ends everything, and holds it against what must be true.
    pub async fn close(mut self, seed: u64) {
        for replica in &mut self.replicas {
            let status = replica.terminate().await;
            let tail = replica.tail();
            assert!(
                status.is_some_and(|status| status.success()),
                "{status:?}\n{tail}"
            );
            replica.assert_calm();
        }
        let log = LaunchLog::of(&self.rqd);
        let ends = self.rqd.good_ends();
        let relaunches = self.rqd.relaunches_refused();
        within("the hosts to stop", self.rqd.shutdown()).await;
        let stats = within("Cuebot to finish", self.cuebot.finish()).await;
        assert_eq!(stats.lost, 0, "every report was applied");
        let twice: Vec<_> = ends.iter().filter(|(_, times)| **times > 1).collect();
        assert!(
            twice.is_empty(),
            "seed {seed}: ran twice to a good end: {twice:?}"
        );
        assert_eq!(relaunches, 0, "seed {seed}: launched where they ran");
        let succeeded = "SELECT pk_frame FROM frame WHERE str_state = 'SUCCEEDED'";
        let succeeded: Vec<String> = self.db.values(succeeded).await;
        let unproven = succeeded
            .iter()
            .filter(|frame| !ends.contains_key(frame.as_str()));
        assert_eq!(unproven.count(), 0, "seed {seed}: succeeded without a run");
        let audit = audit(&self.db.pool, Some(&log)).await.unwrap();
        assert!(audit.is_ok(), "seed {seed}: {audit}");
        let procs: i64 = self.db.value("SELECT count(*) FROM proc").await;
        assert_eq!(procs, 0, "seed {seed}: procs are left");
        let kills: u32 = self.replicas.iter().map(|replica| replica.kills).sum();
        println!(
            "seed {seed}: {} frames, {} launches, {kills} kills, {} stale reports",
            succeeded.len(),
            log.launches.len(),
            stats.stale
        );
        self.db.close().await.unwrap();
    }
}
