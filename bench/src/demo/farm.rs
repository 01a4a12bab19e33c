//! The farm in a box: a database, hosts that run frames, and what Cuebot would do with reports.

use std::time::Duration;

use anyhow::{Context, bail};
use cue_domain::Centicores;
use cue_simfarm::audit::{Audit, AuditOptions, LaunchLog, audit_with};
use cue_simfarm::completion::{Completer, CompleterSettings, HostReporter};
use cue_simfarm::postgres::{Database, Server, ServerSettings};
use cue_simfarm::rqd::{FrameDuration, SimHost, SimRqd, SimRqdSettings};
use cue_simfarm::seed::{FarmSpec, HostClass, Seeded, Span, seed};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};

use super::options::Options;

/// A farm that runs what it is given.
pub struct Farm {
    /// Its database, for looking at it.
    pub pool: PgPool,
    /// The seeded farm.
    pub seeded: Seeded,
    /// Its hosts.
    pub rqd: SimRqd,
    /// Applies the reports of its hosts.
    pub completer: Completer,
    reporter: HostReporter,
    database: Database,
    /// The last to go: it ends the server.
    pub server: Server,
}

/// A farm spec of about this size.
#[must_use]
pub fn sized(hosts: u64, frames: u64, shows: u64) -> FarmSpec {
    let count = |share: u64| usize::try_from((hosts * share).div_ceil(100)).unwrap_or(usize::MAX);
    let (big, middle, gpu) = (count(16), count(20), count(10));
    let small = usize::try_from(hosts)
        .unwrap_or(usize::MAX)
        .saturating_sub(big + middle + gpu);
    let class = |count, cores, memory_gib| HostClass {
        count,
        cores,
        memory_gib,
        ..HostClass::default()
    };
    let with_gpus = HostClass {
        gpus: 4,
        gpu_memory_gib: 96,
        ..class(gpu, 32, 128)
    };
    let classes = vec![
        class(big, 128, 512),
        class(middle, 32, 128),
        with_gpus,
        class(small, 16, 64),
    ];
    let mut spec = FarmSpec {
        hosts: classes,
        ..FarmSpec::default()
    };
    // 3 layers a job of 20 to 60 frames each: 120 frames a job.
    let jobs = i64::try_from(frames.div_ceil(120 * shows)).unwrap_or(i64::MAX);
    spec.shows = usize::try_from(shows).unwrap_or(1);
    spec.jobs.per_show = Span::exactly(jobs);
    spec.layers.per_job = Span::exactly(3);
    spec.layers.frames = Span::new(20, 60);
    spec
}

impl Farm {
    /// Makes and fills a farm.
    ///
    /// # Errors
    /// PostgreSQL cannot be started, or the farm cannot be seeded.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let spec = match &options.spec {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the farm spec {}", path.display()))?;
                FarmSpec::from_toml(&text)?
            }
            None => sized(options.hosts, options.frames, options.shows),
        };
        let (server, database) = database("cue_demo", ServerSettings::from_env()).await?;
        if options.database_outage.is_some() && !server.is_own() {
            bail!(
                "--database-outage stops PostgreSQL, and that of DATABASE_URL is not ours to stop; unset DATABASE_URL to have one that is"
            );
        }
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect(database.url())
            .await?;
        let seeded = seed(&pool, &spec, options.seed).await?;
        let hosts = SimHost::all(&pool).await?;
        let mut rqd = SimRqd::start(SimRqdSettings {
            duration: FrameDuration::Exponential {
                mean: options.render,
                max: options.render * 5,
            },
            seed: options.seed,
            hosts,
            keep_frames: false,
            ..SimRqdSettings::default()
        })?;
        let Some(ends) = rqd.completions() else {
            bail!("the reports of the hosts are already taken")
        };
        let completer = Completer::start(pool.clone(), ends, CompleterSettings::default());
        let reporter = HostReporter::start(pool.clone(), Duration::from_secs(5));
        Ok(Self {
            pool,
            seeded,
            rqd,
            completer,
            reporter,
            database,
            server,
        })
    }

    /// URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        self.database.url()
    }

    /// Booked and total centicores, as the database has them now.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn cores(&self) -> anyhow::Result<(Centicores, Centicores)> {
        let row = sqlx::query("SELECT coalesce(sum(int_cores - int_cores_idle), 0)::bigint AS used, coalesce(sum(int_cores), 0)::bigint AS total FROM host")
            .fetch_one(&self.pool)
            .await?;
        Ok((
            Centicores(row.try_get("used")?),
            Centicores(row.try_get("total")?),
        ))
    }

    /// Audits the farm: database and launches.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn audit(&self) -> anyhow::Result<Audit> {
        let log = LaunchLog::of(&self.rqd);
        let options = AuditOptions {
            launches: Some(&log),
            exactly_once: true,
            ..AuditOptions::default()
        };
        audit_with(&self.pool, &options).await
    }

    /// Takes everything down.
    pub async fn close(self) {
        let Self {
            pool,
            rqd,
            completer,
            reporter,
            database,
            server,
            ..
        } = self;
        rqd.shutdown().await;
        completer.finish().await;
        reporter.finish().await;
        pool.close().await;
        if let Err(error) = database.remove().await {
            eprintln!("the demo's database could not be dropped: {error}");
        }
        drop(server);
    }
}

/// A server and a fresh database on it with the schema; the settings are those of a server of our own.
///
/// # Errors
/// PostgreSQL cannot be started.
pub async fn database(name: &str, settings: ServerSettings) -> anyhow::Result<(Server, Database)> {
    let server = tokio::task::spawn_blocking(|| Server::available(settings)).await??;
    let name = format!("{name}_{}", uuid::Uuid::new_v4().simple());
    let database = Database::create(&server, &name).await?;
    database.install_schema().await?;
    Ok((server, database))
}
