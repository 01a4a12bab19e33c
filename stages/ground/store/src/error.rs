//! What can go wrong with the database, and what follows from it.

use sqlx::Error as Sql;

/// An error of a named statement.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The statement failed.
    #[error("statement {statement} failed")]
    Failed {
        /// Its name.
        statement: &'static str,
        /// Why.
        #[source]
        source: Sql,
    },
    /// A row holds a value that no rule allows; it is refused by name.
    #[error("{table}.{column} of {id} is {value}, which is not allowed")]
    BadRow {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        id: String,
        /// The value.
        value: String,
    },
    /// No connection could be had.
    #[error(
        "cannot connect to the database at {place}; check CUE_DATABASE_URL and that the server accepts connections"
    )]
    Connect {
        /// Host and database, without the password.
        place: String,
        /// Why.
        #[source]
        source: Sql,
    },
    /// The breaker is open: the database did not answer a moment ago, and was not asked now.
    #[error("the database does not answer; it is asked again in {:.1} s", retry_in.as_secs_f64())]
    Outage {
        /// When somebody asks again.
        retry_in: std::time::Duration,
    },
    /// The database URL cannot be read.
    #[error(
        "the database URL cannot be read; it must look like postgres://user:password@host:5432/database"
    )]
    BadUrl(#[source] Sql),
    /// A commit was sent and its answer was lost, and the question whether it took place could not
    /// be answered either.
    #[error("a commit's outcome is unknown")]
    CommitUnknown(#[source] Box<StoreError>),
}

/// What kind of trouble an error is, which decides what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another transaction was in the way (deadlock 40P01, serialization failure 40001): the same
    /// work may succeed at once.
    Conflict,
    /// A lock was not to be had in time (55P03), or a statement took too long (57014): somebody
    /// holds what is needed, and the work is tried again later.
    TimedOut,
    /// The server cannot be reached or is going down: later.
    Unavailable,
    /// A rule of the schema refused the write (P0001 of a trigger, a constraint).
    Refused,
    /// Anything else: a fault.
    Fault,
}

impl Trouble {
    /// The word for it in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::TimedOut => "timed_out",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Fault => "fault",
        }
    }
}

impl StoreError {
    /// What kind of trouble this is.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Failed { source, .. } | Self::Connect { source, .. } => trouble(source),
            Self::CommitUnknown(_) | Self::Outage { .. } => Trouble::Unavailable,
            Self::BadRow { .. } | Self::BadUrl(_) => Trouble::Fault,
        }
    }
}

/// SQLSTATEs, by their beginnings, with which a server says that it does not serve us now: broken
/// connections (08), sessions that are not let in (28, 3D, 55000) or have been idle for too long (25P03),
/// no room (53), going down (57P).
const AWAY: [&str; 7] = ["08", "25P03", "28", "3D", "53", "55000", "57P"];

pub(crate) fn trouble(error: &Sql) -> Trouble {
    match error {
        Sql::Io(_)
        | Sql::Protocol(_)
        | Sql::PoolTimedOut
        | Sql::PoolClosed
        | Sql::WorkerCrashed
        | Sql::Tls(_) => Trouble::Unavailable,
        Sql::Database(db) => match db.code().as_deref().unwrap_or_default() {
            "40P01" | "40001" => Trouble::Conflict,
            "55P03" | "57014" => Trouble::TimedOut,
            code if AWAY.iter().any(|class| code.starts_with(class)) => Trouble::Unavailable,
            code if code == "P0001" || code.starts_with("23") => Trouble::Refused,
            _ => Trouble::Fault,
        },
        _ => Trouble::Fault,
    }
}
