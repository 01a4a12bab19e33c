//! The ground of a benchmark: a fresh database, seeded, that nobody has analyzed.
//!
//! Invariant: [`Ground::ensure_sound`] is the last thing that is asked of it. A benchmark whose
//! audit finds something has no figures.

use anyhow::ensure;
use cue_simfarm::audit::{AuditOptions, LaunchLog, audit_with};
use cue_simfarm::postgres::{Database, Server, ServerSettings};
use cue_simfarm::seed::{FarmSpec, Seeded, seed};
use cue_store::INDEXES;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::dbtime::{self, DbTime};
use crate::demo::database;

/// The same farm for every run.
const SEED: u64 = 1;

/// A seeded database on a server of its own.
pub struct Ground {
    /// For looking at it; a few connections.
    pub pool: PgPool,
    /// What it began with.
    pub seeded: Seeded,
    /// Whether the server keeps statistics of statements.
    timed: bool,
    database: Database,
    // The last to go: it ends the server.
    server: Server,
}

/// What the database did, all of it.
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
    /// What came since `earlier`.
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
    /// PostgreSQL cannot be had, or the farm cannot be seeded.
    pub async fn seeded(spec: &FarmSpec) -> anyhow::Result<Self> {
        Self::seeded_on(spec, ServerSettings::from_env()).await
    }

    /// The same on a server without autovacuum, and with what was seeded written to disk: what the
    /// seeding of a large farm leaves to be done must not fall into what is measured.
    ///
    /// # Errors
    /// PostgreSQL cannot be had, or the farm cannot be seeded.
    pub async fn settled(spec: &FarmSpec) -> anyhow::Result<Self> {
        let settings = ServerSettings::from_env().set("autovacuum", "off");
        let ground = Self::seeded_on(spec, settings).await?;
        // With `DATABASE_URL` it is not ours to order.
        if ground.server.is_own() {
            sqlx::query("CHECKPOINT").execute(&ground.pool).await?;
        }
        Ok(ground)
    }

    async fn seeded_on(spec: &FarmSpec, settings: ServerSettings) -> anyhow::Result<Self> {
        let (server, database) = database("cue_bench", settings).await?;
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect(database.url())
            .await?;
        let seeded = seed(&pool, spec, SEED).await?;
        let timed = dbtime::enable(&pool).await?;
        Ok(Self {
            pool,
            seeded,
            timed,
            database,
            server,
        })
    }

    /// Where the database is.
    #[must_use]
    pub fn url(&self) -> &str {
        self.database.url()
    }

    /// What the database did so far.
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

    /// Creates the indexes that `cue-scheduler check --indexes` offers.
    ///
    /// # Errors
    /// The database refused one.
    pub async fn create_offered_indexes(&self) -> anyhow::Result<()> {
        for index in INDEXES {
            // Nobody else is there yet, so it need not be built beside them.
            let ddl = index.ddl().replace("CONCURRENTLY ", "");
            sqlx::raw_sql(sqlx::AssertSqlSafe(ddl))
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// How many frames are in this state.
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
