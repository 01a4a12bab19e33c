//! One PostgreSQL server: our own, or the one that `DATABASE_URL` names.
//!
//! Invariant: our own listens on 127.0.0.1 only, at a port that was free a moment ago, and lives
//! as long as this value; `supervisor` sees to it that this holds however the process ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use sqlx::{Connection, PgConnection};

use super::account::Account;
use super::binaries::Binaries;
use super::error::{PostgresError, io_error};
use super::fetch;
use super::settings::{ServerSettings, config_text, database_url};
use super::standby;
use super::supervisor::Supervisor;

/// Number of free ports that are tried: between our look and the server's bind another process may
/// take the port, which is rare and never happens this often in a row.
const PORT_TRIES: usize = 8;

/// A server in which databases can be made.
#[derive(Debug)]
pub struct Server {
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Own {
        supervisor: Supervisor,
        port: u16,
        binaries: Binaries,
    },
    Foreign {
        url: String,
    },
}

impl Server {
    /// The server of `DATABASE_URL` if that is set, else one of our own.
    pub fn available(settings: ServerSettings) -> Result<Self, PostgresError> {
        match database_url() {
            Some(url) => Self::at(&url),
            None => Self::start(settings),
        }
    }

    /// A server that somebody else runs; `url` names a database we may connect to.
    pub fn at(url: &str) -> Result<Self, PostgresError> {
        let known = url.starts_with("postgres://") || url.starts_with("postgresql://");
        if known && with_database(url, "postgres").is_some() {
            return Ok(Self {
                origin: Origin::Foreign {
                    url: url.to_owned(),
                },
            });
        }
        Err(PostgresError::Url)
    }

    /// Starts a server of our own; blocks for about a second, for minutes if it must be fetched.
    pub fn start(settings: ServerSettings) -> Result<Self, PostgresError> {
        let account = Account::detect()?;
        let binaries = fetch::found(&settings, &account)?;
        let dir = scratch_dir(&account)?;
        let config = config_text(
            &dir.to_string_lossy(),
            binaries.has_statement_statistics(),
            &settings.extra,
        );
        // From here on the supervisor owns the directory.
        let supervisor = Supervisor::spawn(&binaries, &dir, &account)?;
        let config_file = dir.join("simfarm.conf");
        fs::write(&config_file, config).map_err(|e| io_error("write", &config_file, e))?;
        account.own(&config_file)?;
        Self::bring_up(supervisor, binaries)
    }

    fn bring_up(mut supervisor: Supervisor, binaries: Binaries) -> Result<Self, PostgresError> {
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            if supervisor.start_on(port)? {
                return Ok(Self {
                    origin: Origin::Own {
                        supervisor,
                        port,
                        binaries,
                    },
                });
            }
            if !log_tail(supervisor.dir()).contains("could not bind") {
                break;
            }
        }
        Err(PostgresError::Start {
            log: log_tail(supervisor.dir()),
            bin: binaries.bin,
        })
    }

    /// Ends the server as an operator would and keeps its data; connections are cut. Blocks until it
    /// is down.
    ///
    /// # Errors
    /// It is not our own, or it does not end.
    pub fn stop(&mut self) -> Result<(), PostgresError> {
        match &mut self.origin {
            Origin::Own { supervisor, .. } => {
                if supervisor.stop()? {
                    return Err(PostgresError::Stop {
                        log: log_tail(supervisor.dir()),
                    });
                }
                Ok(())
            }
            Origin::Foreign { .. } => Err(PostgresError::NotOurs),
        }
    }

    /// Starts a server that was stopped, at the port it had. Blocks until it takes connections.
    ///
    /// # Errors
    /// It is not our own, or it does not start.
    pub fn start_again(&mut self) -> Result<(), PostgresError> {
        match &mut self.origin {
            Origin::Own {
                supervisor,
                port,
                binaries,
            } => {
                if supervisor.start_on(*port)? {
                    return Ok(());
                }
                Err(PostgresError::Start {
                    log: log_tail(supervisor.dir()),
                    bin: binaries.bin.clone(),
                })
            }
            Origin::Foreign { .. } => Err(PostgresError::NotOurs),
        }
    }

    /// Starts a server of our own and a standby that follows it; blocks for some seconds.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn start_pair(settings: ServerSettings) -> Result<(Self, Self), PostgresError> {
        let settings = standby::settings(settings);
        let account = Account::detect()?;
        let mut first = Self::start(settings)?;
        first.stop()?;
        let Origin::Own {
            supervisor,
            port,
            binaries,
        } = &first.origin
        else {
            return Err(PostgresError::NotOurs);
        };
        let dir = scratch_dir(&account)?;
        let follower = Supervisor::spawn(binaries, &dir, &account)?;
        standby::copy(&account, (supervisor.dir(), *port), &dir)?;
        let binaries = binaries.clone();
        first.start_again()?;
        let second = Self::bring_up(follower, binaries)?;
        Ok((first, second))
    }

    /// Makes it take a place that another server had.
    ///
    /// # Errors
    /// It is no standby, or does not answer.
    pub async fn promote(&self) -> Result<(), PostgresError> {
        let sql = |source| PostgresError::Sql {
            what: "promote a standby",
            source,
        };
        let mut admin = self.admin().await?;
        sqlx::query("SELECT pg_promote()")
            .execute(&mut admin)
            .await
            .map_err(sql)?;
        Ok(())
    }

    /// The address of database `db` on this server.
    #[must_use]
    pub fn url(&self, db: &str) -> String {
        match &self.origin {
            Origin::Own { port, .. } => format!("postgres://postgres@127.0.0.1:{port}/{db}"),
            Origin::Foreign { url } => with_database(url, db).unwrap_or_else(|| url.clone()),
        }
    }

    /// The address of a database that is always there, to create others from.
    #[must_use]
    pub fn admin_url(&self) -> String {
        match &self.origin {
            Origin::Own { .. } => self.url("postgres"),
            Origin::Foreign { url } => url.clone(),
        }
    }

    /// Returns true if this server is our own and ends with this value.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self.origin, Origin::Own { .. })
    }

    /// The scratch directory of a server of our own; it holds the data, the socket and the log.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Own { supervisor, .. } => Some(supervisor.dir()),
            Origin::Foreign { .. } => None,
        }
    }

    /// The binaries of a server of our own.
    #[must_use]
    pub fn binaries(&self) -> Option<&Binaries> {
        match &self.origin {
            Origin::Own { binaries, .. } => Some(binaries),
            Origin::Foreign { .. } => None,
        }
    }

    /// A connection that may create and drop databases.
    pub(super) async fn admin(&self) -> Result<PgConnection, PostgresError> {
        connect(&self.admin_url()).await
    }
}

/// Connects to `url`.
pub(super) async fn connect(url: &str) -> Result<PgConnection, PostgresError> {
    PgConnection::connect(url)
        .await
        .map_err(|source| PostgresError::Sql {
            what: "connect to PostgreSQL",
            source,
        })
}

/// A new directory that the server's user owns and can remove.
fn scratch_dir(account: &Account) -> Result<PathBuf, PostgresError> {
    let parent = account.temp_dir();
    let dir = tempfile::Builder::new()
        .prefix("cue-pg-")
        .tempdir_in(&parent)
        .map_err(|e| io_error("create a directory in", &parent, e))?;
    account.own(dir.path())?;
    Ok(dir.keep())
}

fn free_port() -> Result<u16, PostgresError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| PostgresError::Io {
            what: "find a free port".to_owned(),
            source,
        })
}

/// The last lines of the log, enough to see why a start failed.
fn log_tail(dir: &Path) -> String {
    let log = fs::read(dir.join("log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// `url` with its database replaced: the path between the authority and the parameters.
fn with_database(url: &str, db: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (address, parameters) = match rest.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (rest, String::new()),
    };
    let authority = address.split('/').next().unwrap_or(address);
    Some(format!("{scheme}://{authority}/{db}{parameters}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_foreign_address_is_replaced() {
        let server =
            Server::at("postgres://me:secret@db.example:5433/farm?sslmode=require").unwrap();
        assert_eq!(
            server.url("t1"),
            "postgres://me:secret@db.example:5433/t1?sslmode=require"
        );
        assert_eq!(
            Server::at("postgresql://db").unwrap().url("t1"),
            "postgresql://db/t1"
        );
        assert!(matches!(
            Server::at("mysql://db/x"),
            Err(PostgresError::Url)
        ));
    }
}
