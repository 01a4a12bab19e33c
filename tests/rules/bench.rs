//! A farm with a subject, whose rule is tried, and a control, which that rule does not concern.
//!
//! Control and subject are of different shows, in allocations of their own, so that a rule about any
//! of them leaves the control alone. The same scheduler serves both.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{Fixture, HostSpec, JobSpec, Launched, LayerSpec};
use cue_simfarm::waiting::until;
use sqlx::PgPool;

use crate::world::{Scheduler, World, endless};

/// The subject's show, written beside the farm's own. Parameters: the show, the farm's facility and
/// department, and the subject's allocation.
const SHOW: [&str; 6] = [
    "INSERT INTO show (pk_show, str_name, b_scheduler_managed) VALUES ($1, 'beta', true)",
    "INSERT INTO show_stats (pk_show) VALUES ($1)",
    "INSERT INTO alloc (pk_alloc, str_name, str_tag, pk_facility) VALUES ($4, 'yard.tried', 'tried', $2)",
    "INSERT INTO subscription (pk_subscription, pk_show, pk_alloc, int_size, int_burst) VALUES ($4, $1, $4, 100, 10000)",
    "INSERT INTO folder (pk_folder, pk_show, str_name, pk_dept) VALUES ($1, $1, 'beta', $3)",
    "INSERT INTO point (pk_point, pk_dept, pk_show) VALUES ($1, $3, $1)",
];

/// The id of the subject's show, of its folder and of its point.
pub const BETA: &str = "beta";

/// The id of the subject's allocation and of its subscription.
pub const TRIED: &str = "tried";

/// A farm.
pub struct Bench {
    pub db: TestDb,
    pub farm: Fixture,
    pub host: String,
}

impl Bench {
    /// A farm with a host for each of the two. The closure changes the subject's.
    pub async fn new(host: impl FnOnce(&mut HostSpec)) -> Self {
        let db = TestDb::fresh().await;
        let farm = Fixture::new(&db.pool).await.unwrap();
        for statement in SHOW {
            // Parameters that a statement does not use must still have a type.
            let typed = "SELECT $1::text, $2::text, $3::text, $4::text";
            let text = format!("WITH unused AS ({typed}) {statement}");
            sqlx::query(sqlx::AssertSqlSafe(text))
                .bind(BETA)
                .bind(&farm.facility.id)
                .bind(&farm.dept)
                .bind(TRIED)
                .execute(&db.pool)
                .await
                .unwrap();
        }
        farm.host("control", |_| ()).await.unwrap();
        let subject = farm.host("subject", |spec| {
            spec.allocation = TRIED.to_owned();
            spec.tags = vec![
                (TRIED.to_owned(), "ALLOC"),
                ("subject".to_owned(), "HOSTNAME"),
            ];
            host(spec);
        });
        let host = subject.await.unwrap();
        Self { db, farm, host }
    }

    /// A job of the subject's show of one layer.
    pub async fn job(&self, change: impl FnOnce(&mut JobSpec, &mut LayerSpec)) -> Launched {
        self.named("subject", change).await
    }

    /// Another one of the same show.
    pub async fn named(
        &self,
        name: &str,
        change: impl FnOnce(&mut JobSpec, &mut LayerSpec),
    ) -> Launched {
        let job = self.farm.job(name, |job| {
            let mut layer = LayerSpec::new("render", TRIED);
            job.place.show = BETA.to_owned();
            job.place.show_name = BETA.to_owned();
            job.place.folder = BETA.to_owned();
            change(job, &mut layer);
            job.layers.push(layer);
        });
        job.await.unwrap()
    }

    /// Runs a statement about the row with this id.
    pub async fn set(&self, statement: &'static str, id: &str) {
        set(&self.db.pool, statement, id).await;
    }

    /// The subject is not booked as the farm is; once the statement has run, it is.
    pub async fn flips(self, subject: &Launched, statement: &'static str, id: &str) {
        let Self { db, farm, .. } = self;
        let world = World::open(db, endless()).await;
        let scheduler = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
        for control in ["control1", "control2", "control3"] {
            let control = farm.frames(control, 1, |_| ()).await.unwrap();
            booked(&world, &control).await;
        }
        let running = running(&world.db.pool, subject).await;
        assert_eq!(running, 0, "the rule keeps the subject from being booked");
        set(&world.db.pool, statement, id).await;
        booked(&world, subject).await;
        let errors = scheduler.sum_of("scheduler_db_statements_total", "error");
        assert_eq!(errors, 0.0);
        world.end(scheduler).await;
    }

    /// The subject is booked as the farm is.
    pub async fn books(self, subject: &Launched) {
        let world = World::open(self.db, endless()).await;
        let scheduler = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
        booked(&world, subject).await;
        world.end(scheduler).await;
    }
}

async fn set(pool: &PgPool, statement: &'static str, id: &str) {
    let done = sqlx::query(statement).bind(id).execute(pool).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
}

/// Waits until all frames of a job are booked.
pub async fn booked(world: &World, job: &Launched) {
    let frames: usize = job.layers.iter().map(|layer| layer.frames.len()).sum();
    until(&format!("{} to be booked", job.name), async || {
        running(&world.db.pool, job).await == frames as i64
    })
    .await;
}

async fn running(pool: &PgPool, job: &Launched) -> i64 {
    let query = "SELECT count(*) FROM frame f JOIN proc p ON p.pk_frame = f.pk_frame
                 WHERE f.pk_job = $1 AND f.str_state = 'RUNNING'";
    let count = sqlx::query_scalar(query).bind(&job.id);
    count.fetch_one(pool).await.unwrap()
}
