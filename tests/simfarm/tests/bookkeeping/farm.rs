//! A small farm for these tests: one show, two hosts, two jobs of two layers of ten frames.
//!
//! Invariant: after `Farm::new` nothing runs and the audit has no finding.

use std::time::Duration;

use cue_domain::ids::{FrameId, HostId, ProcId};
use cue_domain::units::{Centicores, Kib, Resources};
use cue_simfarm::completion::{Completer, CompleterSettings, Completion, CompletionStats};
use cue_simfarm::foreign::{Booking, book_one_frame_like_cuebot};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::{
    FarmSpec, FolderShape, HostClass, JobShape, LayerShape, LimitSpec, Span, seed,
};
use sqlx::PgPool;
use tokio::sync::mpsc;

/// One core, one GiB, one GPU and one GiB of its memory.
pub const ONE: Resources = Resources {
    cores: Centicores(100),
    memory: Kib::GIB,
    gpus: 1,
    gpu_memory: Kib::GIB,
};

/// The seeded farm.
pub struct Farm {
    /// Its database.
    pub db: TestDb,
    /// Its hosts, sorted by id.
    pub hosts: Vec<HostId>,
}

/// A booked frame.
#[derive(Clone, Debug)]
pub struct Run {
    pub frame: FrameId,
    pub proc: ProcId,
    pub job: String,
    pub layer: String,
}

impl Farm {
    pub async fn new() -> Self {
        Self::with_managed_show(false).await
    }

    pub async fn with_managed_show(managed: bool) -> Self {
        Self::build(TestDb::fresh().await, managed).await
    }

    pub async fn at(version: SchemaVersion) -> Self {
        Self::build(TestDb::at(version).await, false).await
    }

    async fn build(db: TestDb, managed: bool) -> Self {
        let host = HostClass {
            count: 2,
            cores: 64,
            memory_gib: 256,
            gpus: 64,
            gpu_memory_gib: 256,
            ..HostClass::default()
        };
        let spec = FarmSpec {
            shows: 1,
            scheduler_managed: managed,
            allocations: 1,
            users: 1,
            hosts: vec![host],
            folders: FolderShape {
                per_show: 1,
                max_cores: 1_000,
                max_gpus: 1_000,
            },
            jobs: JobShape {
                per_show: Span::exactly(2),
                ..JobShape::default()
            },
            layers: LayerShape {
                per_job: Span::exactly(2),
                frames: Span::exactly(10),
                cores_min: vec![100],
                mem_min_mib: vec![1_024],
                gpu_share: 0.0,
                two_tags_share: 0.0,
                special_tag_share: 0.0,
                ..LayerShape::default()
            },
            limits: vec![LimitSpec {
                name: "licence".to_owned(),
                max: 1_000,
                share: 1.0,
            }],
            ..FarmSpec::default()
        };
        seed(&db.pool, &spec, 7).await.unwrap();
        let ids: Vec<String> = db.values("SELECT pk_host FROM host ORDER BY pk_host").await;
        Self {
            db,
            hosts: ids.into_iter().map(HostId::from).collect(),
        }
    }

    pub fn pool(&self) -> &PgPool {
        &self.db.pool
    }

    /// Books the first `n` waiting frames, layer by layer, on one of the hosts.
    pub async fn book(&self, n: i64, host: usize) -> Vec<Run> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT pk_frame, pk_job, pk_layer FROM frame WHERE str_state = 'WAITING'
             ORDER BY pk_job, pk_layer, int_dispatch_order LIMIT $1",
        )
        .bind(n)
        .fetch_all(self.pool())
        .await
        .unwrap();
        assert_eq!(rows.len() as i64, n, "so many frames wait");
        let mut runs = Vec::new();
        for (frame, job, layer) in rows {
            let frame = FrameId::from(frame);
            match book_one_frame_like_cuebot(self.pool(), &frame, &self.hosts[host], ONE)
                .await
                .unwrap()
            {
                Booking::Booked(proc) => runs.push(Run {
                    frame,
                    proc,
                    job,
                    layer,
                }),
                other => panic!("frame {frame} was not booked: {other:?}"),
            }
        }
        runs
    }

    /// Applies reports with a completer of one worker.
    pub async fn complete(
        &self,
        reports: Vec<Completion>,
        settings: CompleterSettings,
    ) -> CompletionStats {
        let (send, receive) = mpsc::channel(reports.len().max(1));
        for report in reports {
            send.send(report).await.unwrap();
        }
        Completer::start(self.pool().clone(), receive, settings)
            .finish()
            .await
    }

    /// The one number or text that a query gives.
    pub async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query)
            .fetch_one(self.pool())
            .await
            .unwrap()
    }

    /// Runs statements that are a test's own.
    pub async fn run(&self, statements: &'static str) {
        sqlx::raw_sql(statements)
            .execute(self.pool())
            .await
            .unwrap();
    }

    /// The state of a frame and its exit status.
    pub async fn frame(&self, frame: &FrameId) -> (String, i64) {
        sqlx::query_as("SELECT str_state, int_exit_status FROM frame WHERE pk_frame = $1")
            .bind(frame.as_str())
            .fetch_one(self.pool())
            .await
            .unwrap()
    }

    /// Fails the test unless the audit finds nothing.
    pub async fn is_sound(&self) {
        let audit = cue_simfarm::audit::audit(self.pool(), None).await.unwrap();
        assert!(audit.is_ok(), "{audit}");
    }
}

impl Run {
    /// A report of this run.
    pub fn report(&self, exit_status: i32, exit_signal: i32) -> Completion {
        Completion {
            host: "host".into(),
            resource_id: self.proc.to_string(),
            frame_id: self.frame.as_str().into(),
            frame_name: "0001-layer".to_owned(),
            job_id: self.job.clone(),
            layer_id: self.layer.clone(),
            num_cores: 100,
            exit_status,
            exit_signal,
            run_time: Duration::from_secs(90),
            max_rss: Kib(4_321),
        }
    }
}
