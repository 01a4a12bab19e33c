//! One database on a server, gone when its value is.
//!
//! Invariant: a `Database` drops only what it created itself. Its names start with a common
//! prefix and the second they were made, so that what a killed process left on a foreign server
//! is found again and swept.

use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::error::PostgresError;
use super::server::{Server, connect};
use super::settings::schema_source;
use crate::schema::{SchemaSource, SchemaVersion};

/// Every generated name starts with this.
const PREFIX: &str = "cue_simfarm_";

/// Databases of killed processes are swept after this many seconds; no test runs that long.
const LEFT_BEHIND_SECS: u64 = 24 * 3600;

/// A database of our own. Dropping the value drops it, and ends the sessions that are still connected.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    admin_url: String,
    /// False once it is dropped, or if it stays.
    owned: bool,
}

impl Database {
    /// Creates an empty database; see [`Database::install_schema`].
    pub async fn create(server: &Server, name: &str) -> Result<Self, PostgresError> {
        Self::create_as(server, name, "template0").await
    }

    /// Creates a database that is a copy of `template`.
    pub(super) async fn create_as(
        server: &Server,
        name: &str,
        template: &str,
    ) -> Result<Self, PostgresError> {
        Self::create_by(server, name, &format!("TEMPLATE \"{template}\"")).await
    }

    /// Creates an empty database of this encoding, which sorts by bytes.
    pub(super) async fn create_encoded(
        server: &Server,
        name: &str,
        encoding: &'static str,
    ) -> Result<Self, PostgresError> {
        let options =
            format!("TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        Self::create_by(server, name, &options).await
    }

    async fn create_by(server: &Server, name: &str, options: &str) -> Result<Self, PostgresError> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        if name.is_empty() || name.len() > 63 || !name.bytes().all(allowed) {
            return Err(PostgresError::Name {
                name: name.to_owned(),
            });
        }
        let mut admin = server.admin().await?;
        let statement = format!("CREATE DATABASE \"{name}\" {options}");
        run(&mut admin, statement, "create a database").await?;
        let made = Self {
            name: name.to_owned(),
            url: server.url(name),
            admin_url: server.admin_url(),
            owned: true,
        };
        close(admin).await?;
        Ok(made)
    }

    /// Installs the farm's schema in this database: the oldest version of our own, or the newest of
    /// the folder that `OPENCUE_MIGRATIONS` names.
    pub async fn install_schema(&self) -> Result<(), PostgresError> {
        let source = schema_source()?;
        self.install_version(&source, source.usual()).await
    }

    /// Installs a version of the farm's schema in this database.
    pub(super) async fn install_version(
        &self,
        source: &SchemaSource,
        version: SchemaVersion,
    ) -> Result<(), PostgresError> {
        let mut conn = connect(&self.url).await?;
        source.install(&mut conn, version).await?;
        close(conn).await
    }

    /// Takes the schema from one version to a later one.
    pub(super) async fn migrate(
        &self,
        source: &SchemaSource,
        from: SchemaVersion,
        to: SchemaVersion,
    ) -> Result<(), PostgresError> {
        let mut conn = connect(&self.url).await?;
        source.migrate(&mut conn, from, to).await?;
        close(conn).await
    }

    /// The name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets the database stay when this value is dropped, and returns its address.
    #[must_use]
    pub fn keep(mut self) -> String {
        self.owned = false;
        self.url.clone()
    }

    /// Drops the database now and says whether that went well.
    pub async fn remove(mut self) -> Result<(), PostgresError> {
        self.owned = false;
        drop_database(&self.admin_url, &self.name).await
    }
}

impl Drop for Database {
    /// Best effort: a drop cannot await, and the runtime that made this value may be ending, so
    /// a short-lived thread does it.
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        let (admin_url, name) = (self.admin_url.clone(), self.name.clone());
        let worker = thread::Builder::new().spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(|runtime| runtime.block_on(drop_database(&admin_url, &name)))
        });
        let outcome = worker.map(thread::JoinHandle::join);
        if !matches!(outcome, Ok(Ok(Ok(Ok(()))))) {
            tracing::debug!(database = self.name, "database not dropped");
        }
    }
}

/// A name that no other process uses.
pub(super) fn fresh_name() -> String {
    format!("{PREFIX}{}_{}", now_secs(), Uuid::new_v4().simple())
}

/// Drops what processes that were killed long ago left behind on a foreign server.
pub(super) async fn sweep(server: &Server) -> Result<(), PostgresError> {
    let mut admin = server.admin().await?;
    let names: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)")
            .bind(PREFIX)
            .fetch_all(&mut admin)
            .await
            .map_err(|source| PostgresError::Sql {
                what: "list databases",
                source,
            })?;
    let oldest = now_secs().saturating_sub(LEFT_BEHIND_SECS);
    for name in names
        .iter()
        .filter(|name| made_at(name).is_some_and(|at| at < oldest))
    {
        let statement = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        run(&mut admin, statement, "drop a database left behind").await?;
    }
    close(admin).await
}

/// Runs one statement whose identifiers were checked.
pub(super) async fn run(
    conn: &mut PgConnection,
    statement: String,
    what: &'static str,
) -> Result<(), PostgresError> {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(conn)
        .await
        .map(|_| ())
        .map_err(|source| PostgresError::Sql { what, source })
}

async fn drop_database(admin_url: &str, name: &str) -> Result<(), PostgresError> {
    let mut admin = connect(admin_url).await?;
    let statement = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
    run(&mut admin, statement, "drop a database").await?;
    close(admin).await
}

async fn close(conn: PgConnection) -> Result<(), PostgresError> {
    conn.close().await.map_err(|source| PostgresError::Sql {
        what: "close a connection",
        source,
    })
}

/// The second in which a database of this name was made, if the name is one of ours.
fn made_at(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.split('_').next()?.parse().ok()
}

fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_name_is_allowed_and_tells_when_it_was_made() {
        let name = fresh_name();
        assert!(name.len() <= 63, "{name}");
        assert!(made_at(&name).unwrap() > 1_600_000_000);
        assert_eq!(made_at("cue_simfarm_demo"), None);
        assert_eq!(made_at("production"), None);
    }
}
