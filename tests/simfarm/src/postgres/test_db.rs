//! A fresh database for every test, in one server for the whole test process.
//!
//! The server and the templates outlive every test's own runtime, so nothing that belongs to a
//! runtime (a connection, a pool) is kept with them. They end with the process: the server's
//! pipe closes then. On a foreign server no template is kept, because nobody would drop it.
//!
//! Invariant: a template is made once per version, by the first test that asks for the version.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{Mutex, OnceCell};

use super::database::{Database, fresh_name, run, sweep};
use super::error::PostgresError;
use super::server::Server;
use super::settings::{ServerSettings, schema_source};
use crate::schema::{SchemaSource, SchemaVersion};

/// The one server of this test process.
static SHARED: OnceCell<Shared> = OnceCell::const_new();

struct Shared {
    server: Server,
    source: SchemaSource,
    /// Names of the templates on a server of our own.
    templates: Mutex<BTreeMap<SchemaVersion, String>>,
}

/// A database with the farm's schema and nothing in it. Dropping it drops the database.
#[derive(Debug)]
pub struct TestDb {
    /// The address of the database.
    pub url: String,
    /// A small pool of the calling test's runtime.
    pub pool: PgPool,
    database: Database,
    /// Held during a migration.
    version: Mutex<SchemaVersion>,
}

impl TestDb {
    /// A fresh database of the oldest version, or of the newest one of the folder that
    /// `OPENCUE_MIGRATIONS` names; a test that cannot have one ends here, with the reason.
    pub async fn fresh() -> Self {
        Self::must_open(None).await
    }

    /// A fresh database of a version; a test that cannot have one ends here, with the reason.
    pub async fn at(version: SchemaVersion) -> Self {
        Self::must_open(Some(version)).await
    }

    /// A fresh database of the newest version in this encoding; a test that cannot have one ends here, with
    /// the reason.
    pub async fn encoded(encoding: &'static str) -> Self {
        must(Self::open_encoded(encoding).await)
    }

    async fn must_open(version: Option<SchemaVersion>) -> Self {
        must(Self::open(version).await)
    }

    async fn open_encoded(encoding: &'static str) -> Result<Self, PostgresError> {
        let shared = SHARED.get_or_try_init(Shared::prepare).await?;
        let version = SchemaVersion::V51;
        let database = Database::create_encoded(&shared.server, &fresh_name(), encoding).await?;
        database.install_version(&shared.source, version).await?;
        Self::of(database, version).await
    }

    async fn open(version: Option<SchemaVersion>) -> Result<Self, PostgresError> {
        let shared = SHARED.get_or_try_init(Shared::prepare).await?;
        let version = version.unwrap_or_else(|| shared.source.usual());
        Self::of(shared.database(version).await?, version).await
    }

    /// A fresh database on a server that the test may stop. It must be dropped before its server.
    ///
    /// # Errors
    /// The database or its schema could not be made.
    pub async fn on(server: &Server) -> Result<Self, PostgresError> {
        let source = schema_source()?;
        let database = Database::create(server, &fresh_name()).await?;
        database.install_version(&source, source.usual()).await?;
        Self::of(database, source.usual()).await
    }

    async fn of(database: Database, version: SchemaVersion) -> Result<Self, PostgresError> {
        let pool = PgPoolOptions::new()
            .max_connections(12)
            .acquire_timeout(Duration::from_secs(20))
            .connect(database.url())
            .await
            .map_err(|source| PostgresError::Sql {
                what: "open a pool",
                source,
            })?;
        Ok(Self {
            url: database.url().to_owned(),
            pool,
            database,
            version: Mutex::new(version),
        })
    }

    /// Migrates the database to a later version, as an upgrade of Cuebot does: over a connection of
    /// its own, one transaction a version, beside other sessions at work. An older version changes nothing.
    ///
    /// # Errors
    /// A step failed; the database has the version before it.
    pub async fn migrate_to(&self, target: SchemaVersion) -> Result<(), PostgresError> {
        let source = schema_source()?;
        let mut version = self.version.lock().await;
        for next in version.until(target) {
            self.database.migrate(&source, *version, next).await?;
            *version = next;
        }
        Ok(())
    }

    /// Closes the pool and drops the database, and says whether that went well.
    pub async fn close(self) -> Result<(), PostgresError> {
        self.pool.close().await;
        self.database.remove().await
    }
}

#[expect(clippy::panic, reason = "a test without its database cannot go on")]
fn must(opened: Result<TestDb, PostgresError>) -> TestDb {
    match opened {
        Ok(fresh) => fresh,
        Err(error) => panic!("no test database: {:#}", anyhow::Error::from(error)),
    }
}

impl Shared {
    async fn prepare() -> Result<Self, PostgresError> {
        let start = || Server::available(ServerSettings::from_env());
        let server = tokio::task::spawn_blocking(start)
            .await
            .map_err(PostgresError::Thread)??;
        let source = schema_source()?;
        if let Some(summary) = source.summary() {
            eprintln!("{summary}");
        }
        if !server.is_own() {
            sweep(&server).await?;
        }
        Ok(Self {
            server,
            source,
            templates: Mutex::default(),
        })
    }

    /// A new database with the schema of `version`.
    async fn database(&self, version: SchemaVersion) -> Result<Database, PostgresError> {
        let name = fresh_name();
        if self.server.is_own() {
            let template = self.template(version).await?;
            return Database::create_as(&self.server, &name, &template).await;
        }
        let empty = Database::create(&self.server, &name).await?;
        empty.install_version(&self.source, version).await?;
        Ok(empty)
    }

    /// The name of the template of `version`.
    async fn template(&self, version: SchemaVersion) -> Result<String, PostgresError> {
        let mut templates = self.templates.lock().await;
        if let Some(name) = templates.get(&version) {
            return Ok(name.clone());
        }
        let name = format!("cue_simfarm_template_v{}", version.number());
        let template = Database::create(&self.server, &name).await?;
        template.install_version(&self.source, version).await?;
        let _url = template.keep();
        let mut admin = self.server.admin().await?;
        // Nobody may connect to it any more: a copy fails while somebody is.
        let statement = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false");
        run(&mut admin, statement, "close the template").await?;
        templates.insert(version, name.clone());
        Ok(name)
    }
}
