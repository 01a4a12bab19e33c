//! Errors on the way to a database, and their remedies.
//!
//! Invariant: every variant that a person can cure says how in its message.

use std::io;
use std::path::{Path, PathBuf};

use crate::schema::SchemaError;

/// The reason why there is no server or no database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// No server binaries are installed and none can be fetched here.
    #[error(
        "PostgreSQL 13 or newer is not installed and cannot be fetched here; {hint}, \
         or set DATABASE_URL to a server where databases may be created"
    )]
    NotInstalled {
        /// The command that installs it on this platform.
        hint: &'static str,
    },
    /// Fetching the binaries failed.
    #[error(
        "PostgreSQL is not installed and fetching it failed at `{step}`; install it \
         (apt-get install postgresql) or set DATABASE_URL: {detail}"
    )]
    Fetch {
        /// The command that failed.
        step: String,
        /// The end of what it printed.
        detail: String,
    },
    /// The server is root's child but there is no other user it may run as.
    #[error(
        "PostgreSQL refuses to run as root and /etc/passwd has neither the user postgres nor \
         nobody; add one of them or start as an ordinary user"
    )]
    NoAccount,
    /// A file or a process failed.
    #[error("cannot {what}")]
    Io {
        /// The failed step, with its path.
        what: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The server did not come up.
    #[error("PostgreSQL from {} did not start: {log}", bin.display())]
    Start {
        /// The directory of the binaries.
        bin: PathBuf,
        /// The end of its log.
        log: String,
    },
    /// The server does not end.
    #[error("PostgreSQL does not stop: {log}")]
    Stop {
        /// The end of its log.
        log: String,
    },
    /// A server that somebody else runs.
    #[error(
        "the PostgreSQL of DATABASE_URL is not ours to stop; unset DATABASE_URL to have one that is"
    )]
    NotOurs,
    /// A database name that would have to be quoted or escaped.
    #[error("database name {name:?} is not allowed; use 1 to 63 of a-z, 0-9 and _")]
    Name {
        /// The name asked for.
        name: String,
    },
    /// `DATABASE_URL` is not the address of a server.
    #[error("DATABASE_URL is not a PostgreSQL address; use postgres://user@host:port/database")]
    Url,
    /// A statement or a connection failed.
    #[error("cannot {what}")]
    Sql {
        /// The failed step.
        what: &'static str,
        /// The error of the database.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be installed.
    #[error("cannot install the schema")]
    Schema(#[from] SchemaError),
    /// The thread that starts the server did not come back.
    #[error("the thread that starts PostgreSQL ended early")]
    Thread(#[source] tokio::task::JoinError),
}

/// Names the act and the path of a failed file operation.
pub(super) fn io_error(what: &str, path: &Path, source: io::Error) -> PostgresError {
    PostgresError::Io {
        what: format!("{what} {}", path.display()),
        source,
    }
}
