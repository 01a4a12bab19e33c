//! The ground of a benchmark: a fresh database, seeded, that nobody has analyzed.
//!
//! Invariant: [`Ground::ensure_sound`] is the last thing that is asked of it. A benchmark whose
//! audit finds something has no figures.

use anyhow::ensure;
use cue_simfarm::audit::{AuditOptions, LaunchLog, audit_with};
use cue_simfarm::postgres::{Database, Server, ServerSettings};
use cue_simfarm::seed::{FarmSpec, Seeded, seed, seed_recording};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::cputime;
use crate::dbtime::{self, DbTime};
use crate::demo::database;

/// The same farm for every run.
const SEED: u64 = 1;

/// A seeded database on a server of its own.
pub struct Ground {
    /// For looking at it; a few connections.
    pub pool: PgPool,
    /// The seeded farm.
    pub seeded: Seeded,
    /// True if the server keeps statistics of statements.
    timed: bool,
    database: Database,
    // The last to go: it ends the server.
    server: Server,
}

/// All work of the database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Statements of everybody; `None` where the server cannot say.
    pub all: Option<DbTime>,
    /// Those of the scheduler, without `BEGIN` and `COMMIT`.
    pub ours: Option<DbTime>,
    /// Rows read, by scans and by look-ups in indexes.
    pub rows_read: i64,
}

impl Work {
    /// Difference to `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let between = |now: Option<DbTime>, then: Option<DbTime>| {
            now.zip(then).map(|(now, then)| now.since(&then))
        };
        Self {
            all: between(self.all, earlier.all),
            ours: between(self.ours, earlier.ours),
            rows_read: self.rows_read - earlier.rows_read,
        }
    }
}

/// The names of the scheduler's statements.
#[must_use]
pub fn statement_names() -> Vec<String> {
    cue_store::statements::ALL
        .iter()
        .map(|statement| statement.name.to_owned())
        .collect()
}

impl Ground {
    /// Makes a database and fills it.
    ///
    /// # Errors
    /// PostgreSQL cannot be started, or the farm cannot be seeded.
    pub async fn seeded(spec: &FarmSpec) -> anyhow::Result<Self> {
        Self::seeded_on(spec, ServerSettings::from_env()).await
    }

    /// The same on a server without autovacuum, and with what was seeded written to disk: what the
    /// seeding of a large farm leaves to be done must not fall into what is measured.
    ///
    /// # Errors
    /// PostgreSQL cannot be started, or the farm cannot be seeded.
    pub async fn settled(spec: &FarmSpec) -> anyhow::Result<Self> {
        let settings = ServerSettings::from_env().set("autovacuum", "off");
        let ground = Self::seeded_on(spec, settings).await?;
        // With `DATABASE_URL` it is not ours to order.
        if ground.server.is_own() {
            sqlx::query("CHECKPOINT").execute(&ground.pool).await?;
        }
        Ok(ground)
    }

    /// Makes a database and fills it with a recorded farm.
    ///
    /// # Errors
    /// PostgreSQL cannot be started, or this is no recording.
    pub async fn recorded(text: &str) -> anyhow::Result<Self> {
        let fill = async |pool: &PgPool| seed_recording(pool, text).await;
        Self::filled(ServerSettings::from_env(), fill).await
    }

    async fn seeded_on(spec: &FarmSpec, settings: ServerSettings) -> anyhow::Result<Self> {
        Self::filled(settings, async |pool: &PgPool| seed(pool, spec, SEED).await).await
    }

    async fn filled(
        settings: ServerSettings,
        fill: impl AsyncFnOnce(&PgPool) -> anyhow::Result<Seeded>,
    ) -> anyhow::Result<Self> {
        let (server, database) = database("cue_bench", settings).await?;
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect(database.url())
            .await?;
        let seeded = fill(&pool).await?;
        let timed = dbtime::enable(&pool).await?;
        Ok(Self {
            pool,
            seeded,
            timed,
            database,
            server,
        })
    }

    /// URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        self.database.url()
    }

    /// Processor seconds of the server so far; `None` if the server is not ours.
    #[must_use]
    pub fn cpu_seconds(&self) -> Option<f64> {
        cputime::seconds(self.server.dir()?)
    }

    /// Work of the database so far.
    ///
    /// # Errors
    /// It did not answer.
    pub async fn work(&self) -> anyhow::Result<Work> {
        let (mut all, mut ours) = (None, None);
        if self.timed {
            all = Some(dbtime::read(&self.pool, None).await?);
            ours = Some(dbtime::read(&self.pool, Some(&statement_names())).await?);
        }
        let rows_read = sqlx::query_scalar(
            "SELECT tup_returned + tup_fetched FROM pg_stat_database WHERE datname = current_database()",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Work {
            all,
            ours,
            rows_read,
        })
    }

    /// The scheduler's statement with the highest mean time; `None` where the server cannot say.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn slowest(&self) -> anyhow::Result<Option<dbtime::Slowest>> {
        if self.timed {
            dbtime::slowest(&self.pool, &statement_names()).await
        } else {
            Ok(None)
        }
    }

    /// Creates OpenCue's index on the waiting frames of a layer (V51).
    ///
    /// # Errors
    /// The database refused it.
    pub async fn create_waiting_index(&self) -> anyhow::Result<()> {
        let ddl = "CREATE INDEX IF NOT EXISTS i_frame_layer_dispatch_waiting \
            ON frame (pk_layer, int_dispatch_order, int_layer_order) WHERE str_state = 'WAITING'";
        sqlx::raw_sql(ddl).execute(&self.pool).await?;
        Ok(())
    }

    /// Number of frames in this state.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn frames_in(&self, state: &str) -> anyhow::Result<u64> {
        let frames: i64 = sqlx::query_scalar("SELECT count(*) FROM frame WHERE str_state = $1")
            .bind(state)
            .fetch_one(&self.pool)
            .await?;
        Ok(u64::try_from(frames)?)
    }

    /// Audits the database, and the launches if there is a log of them; every frame that succeeded
    /// must then have been launched once.
    ///
    /// # Errors
    /// The audit found something.
    pub async fn ensure_sound(&self, launches: Option<&LaunchLog>) -> anyhow::Result<()> {
        let options = AuditOptions {
            launches,
            exactly_once: launches.is_some(),
            ..AuditOptions::default()
        };
        let audit = audit_with(&self.pool, &options).await?;
        ensure!(audit.is_ok(), "{audit}");
        eprintln!("{audit}");
        Ok(())
    }

    /// Takes everything down.
    ///
    /// # Errors
    /// The database could not be dropped.
    pub async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        self.database.remove().await?;
        drop(self.server);
        Ok(())
    }
}
