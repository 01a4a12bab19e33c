//! A farm with a deep backlog, and one connection to it that is set up as the scheduler's are.
//!
//! Invariant: statistics are those that the benchmark has asked for. The server's own upkeep is kept
//! away from the tables.

use anyhow::{Context, bail};
use cue_simfarm::seed::{FarmSpec, HostClass, JobSpec, Launched, Place, Span, launch_job};
use cue_store::{INDEXES, statements};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row};

use super::IndexesOptions;
use super::readers::{Ask, Case};
use crate::ground::Ground;

/// Cores of a host.
pub(super) const CORES: usize = 64;

/// Layers of a job.
const LAYERS: i64 = 4;

/// Frames of a layer that is not the deep one.
const FRAMES: i64 = 50;

/// Layers in one batch; `CUE_BATCH_LAYERS` admits twice as many.
const BATCH_LAYERS: i64 = 32;

/// Frames of a layer in one batch, as `CUE_FRAMES_PER_LAYER` has it.
pub(super) const BATCH_FRAMES: i64 = 100;

/// Indexes that looked as if they might help, and that are not on offer: name, DDL, statement.
pub(super) const TRIED: &[(&str, &str, &str)] = &[
    (
        SILENT,
        "CREATE INDEX i_try_proc_silent ON proc (ts_booked) WHERE ts_ping <= ts_booked",
        "unlaunched_procs",
    ),
    (
        "i_try_layer_stat_waiting",
        "CREATE INDEX i_try_layer_stat_waiting ON layer_stat (pk_job) INCLUDE (pk_layer, int_waiting_count) WHERE int_waiting_count > 0",
        "active_tags",
    ),
    (
        "i_try_host_tag",
        "CREATE INDEX i_try_host_tag ON host_tag (pk_host) INCLUDE (str_tag)",
        "host_tags",
    ),
];

/// The one of [`TRIED`] that reports of running frames would have to keep.
pub(super) const SILENT: &str = "i_try_proc_silent";

/// The farm.
pub(super) struct Backlog {
    pub pool: PgPool,
    pub deep: Launched,
    pub hosts: Vec<String>,
    conn: PgConnection,
    place: Place,
    tag: String,
    layers: Vec<String>,
    length: i64,
}

/// Hosts and jobs; the deep layer comes later.
pub(super) fn spec(options: &IndexesOptions) -> FarmSpec {
    let mut spec = FarmSpec {
        shows: 5,
        allocations: 1,
        hosts: vec![HostClass {
            count: options.hosts,
            cores: i64::try_from(CORES).unwrap_or(i64::MAX),
            memory_gib: 256,
            ..HostClass::default()
        }],
        limits: Vec::new(),
        ..FarmSpec::default()
    };
    let frames = i64::try_from(options.frames).unwrap_or(i64::MAX);
    let jobs = (frames / (FRAMES * LAYERS * 5)).max(1);
    spec.subscription.burst = 1_000_000;
    spec.jobs.per_show = Span::exactly(jobs);
    spec.jobs.max_cores = 1_000_000;
    spec.jobs.os_share = 0.0;
    spec.layers.per_job = Span::exactly(LAYERS);
    spec.layers.frames = Span::exactly(FRAMES);
    spec.layers.gpu_share = 0.0;
    spec.layers.two_tags_share = 0.0;
    spec.layers.special_tag_share = 0.0;
    spec.host_tags.manual_share = 0.0;
    spec.host_tags.hardware_share = 0.0;
    spec
}

/// Keeps the server from analyzing tables by itself, which it does some time after they are filled.
pub(super) async fn keep_without_statistics(ground: &Ground) -> anyhow::Result<()> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'",
    )
    .fetch_all(&ground.pool)
    .await?;
    for table in tables {
        let keep = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        sqlx::raw_sql(AssertSqlSafe(keep))
            .execute(&ground.pool)
            .await?;
    }
    let analyzed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_stats WHERE tablename = 'frame'")
            .fetch_one(&ground.pool)
            .await?;
    if analyzed > 0 {
        bail!(
            "the server has analyzed the frames before they could be measured without, try again"
        );
    }
    Ok(())
}

impl Backlog {
    /// Adds the deep layer to a seeded farm.
    pub async fn new(ground: &Ground, options: &IndexesOptions) -> anyhow::Result<Self> {
        let pool = ground.pool.clone();
        let mut conn = PgConnection::connect(ground.url()).await?;
        sqlx::raw_sql("SET jit = off; SET TimeZone = 'UTC'")
            .execute(&mut conn)
            .await?;
        let row = sqlx::query(
            "SELECT j.pk_facility, j.pk_show, j.str_show, j.pk_dept, j.pk_folder, l.str_tags
             FROM job j JOIN layer l ON l.pk_job = j.pk_job ORDER BY j.str_name LIMIT 1",
        )
        .fetch_one(&mut conn)
        .await?;
        let place = Place {
            facility: row.try_get("pk_facility")?,
            show: row.try_get("pk_show")?,
            show_name: row.try_get("str_show")?,
            dept: row.try_get("pk_dept")?,
            folder: row.try_get("pk_folder")?,
        };
        let tag: String = row.try_get("str_tags")?;
        let layers =
            sqlx::query_scalar("SELECT pk_layer::text FROM layer ORDER BY pk_layer LIMIT $1")
                .bind(BATCH_LAYERS)
                .fetch_all(&mut conn)
                .await?;
        let hosts = sqlx::query_scalar("SELECT pk_host::text FROM host ORDER BY pk_host")
            .fetch_all(&mut conn)
            .await?;
        let length = i64::from(options.deep);
        let deep = launch_job(&pool, &deep_job(&place, &tag, "deep", length)).await?;
        Ok(Self {
            pool,
            deep,
            hosts,
            conn,
            place,
            tag,
            layers,
            length,
        })
    }

    pub const fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    /// Submits another deep layer, as long as the first.
    pub async fn launch(&self, name: &str) -> anyhow::Result<Launched> {
        launch_job(
            &self.pool,
            &deep_job(&self.place, &self.tag, name, self.length),
        )
        .await
    }

    /// Frames of a deep layer.
    pub const fn length(&self) -> i64 {
        self.length
    }

    pub async fn waiting(&mut self) -> anyhow::Result<i64> {
        let count = sqlx::query_scalar("SELECT count(*) FROM frame WHERE str_state = 'WAITING'");
        Ok(count.fetch_one(&mut self.conn).await?)
    }

    pub async fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.conn)
            .await
            .with_context(|| format!("cannot run {sql}"))?;
        Ok(())
    }

    pub async fn drop_index(&mut self, name: &str) -> anyhow::Result<()> {
        self.run(&format!("DROP INDEX {name}")).await
    }

    pub async fn create_offered(&mut self) -> anyhow::Result<()> {
        for index in INDEXES {
            self.run(&index.ddl().replace("CONCURRENTLY ", "")).await?;
        }
        Ok(())
    }

    /// The offered indexes with their sizes in MiB. They are there only while they are measured.
    pub async fn sizes(&mut self) -> anyhow::Result<Vec<(String, f64)>> {
        self.create_offered().await?;
        let mut sizes = Vec::new();
        for index in INDEXES {
            let size =
                sqlx::query_scalar("SELECT pg_relation_size(to_regclass($1))::float8 / 1048576");
            let mib: f64 = size.bind(index.name).fetch_one(&mut self.conn).await?;
            sizes.push((index.name.to_owned(), mib));
            self.drop_index(index.name).await?;
        }
        Ok(sizes)
    }

    /// What a statement is asked when its index is measured.
    pub fn cases_of(&self, name: &str) -> anyhow::Result<Vec<Case>> {
        let statement = statements::ALL
            .iter()
            .find(|statement| statement.name == name)
            .with_context(|| format!("there is no statement {name}"))?;
        let case = |label: String, ask: Ask| Case {
            label,
            sql: statement.sql,
            ask,
        };
        Ok(match name {
            "lock_frames" => vec![
                case(
                    format!(
                        "{name}, {BATCH_FRAMES} frames of a layer of {}",
                        self.length
                    ),
                    Ask::Frames(vec![self.deep.layers[0].id.clone()]),
                ),
                case(
                    format!("{name}, {BATCH_LAYERS} layers of {FRAMES}"),
                    Ask::Frames(self.layers.clone()),
                ),
            ],
            "unlaunched_procs" => vec![case(name.to_owned(), Ask::Silent)],
            "active_tags" => vec![case(name.to_owned(), Ask::Everywhere)],
            "host_tags" => vec![case(name.to_owned(), Ask::Nothing)],
            other => bail!("nobody has said what to ask {other}"),
        })
    }
}

fn deep_job(place: &Place, tag: &str, name: &str, frames: i64) -> JobSpec {
    let mut job = JobSpec::new(place.clone(), name);
    job.max_cores = 100_000_000;
    job.layer("render", tag, |layer| layer.frames = frames);
    job
}
