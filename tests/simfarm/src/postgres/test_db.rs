//! A fresh database for every test, in one server for the whole test process.
//!
//! The server and the template outlive every test's own runtime, so nothing that belongs to a
//! runtime (a connection, a pool) is kept with them. They end with the process: the server's
//! pipe closes then. On a foreign server no template is kept, because nobody would drop it.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use super::database::{Database, fresh_name, run, sweep};
use super::error::PostgresError;
use super::server::Server;
use super::settings::ServerSettings;

/// The one server of this test process.
static SHARED: OnceCell<Shared> = OnceCell::const_new();

struct Shared {
    server: Server,
    template: Option<String>,
}

/// A database with the farm's schema and nothing in it. Dropping it drops the database.
#[derive(Debug)]
pub struct TestDb {
    /// The address of the database.
    pub url: String,
    /// A small pool of the calling test's runtime.
    pub pool: PgPool,
    database: Database,
}

impl TestDb {
    /// A fresh database; a test that cannot have one ends here, with the reason.
    #[expect(clippy::panic, reason = "a test without its database cannot go on")]
    pub async fn fresh() -> Self {
        match Self::try_fresh().await {
            Ok(fresh) => fresh,
            Err(error) => panic!("no test database: {:#}", anyhow::Error::from(error)),
        }
    }

    /// A fresh database, or why there is none.
    pub async fn try_fresh() -> Result<Self, PostgresError> {
        let shared = SHARED.get_or_try_init(Shared::prepare).await?;
        let name = fresh_name();
        let database = match &shared.template {
            Some(template) => Database::create_as(&shared.server, &name, template).await?,
            None => {
                let empty = Database::create(&shared.server, &name).await?;
                empty.install_schema().await?;
                empty
            }
        };
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
        })
    }

    /// Closes the pool and drops the database, and says whether that went well.
    pub async fn close(self) -> Result<(), PostgresError> {
        self.pool.close().await;
        self.database.remove().await
    }
}

impl Shared {
    async fn prepare() -> Result<Self, PostgresError> {
        let start = || Server::available(ServerSettings::from_env());
        let server = tokio::task::spawn_blocking(start)
            .await
            .map_err(PostgresError::Thread)??;
        if !server.is_own() {
            sweep(&server).await?;
            return Ok(Self {
                server,
                template: None,
            });
        }
        let template = Database::create(&server, "cue_simfarm_template").await?;
        template.install_schema().await?;
        let name = template.name().to_owned();
        let _url = template.keep();
        let mut admin = server.admin().await?;
        // Nobody may connect to it any more: a copy fails while somebody is.
        let statement = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false");
        run(&mut admin, statement, "close the template").await?;
        Ok(Self {
            server,
            template: Some(name),
        })
    }
}
