//! Errors of the database, their classes, and who is at fault for them.

use sqlx::Error as Sql;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// An error of a named statement.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The statement failed.
    #[error("statement {statement} failed")]
    Failed {
        /// Its name.
        statement: &'static str,
        /// The driver's error.
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
    /// No connection was opened.
    #[error(
        "cannot connect to the database at {place}; check CUE_DATABASE_URL and that the server accepts connections"
    )]
    Connect {
        /// Host and database, without the password.
        place: String,
        /// The driver's error.
        #[source]
        source: Sql,
    },
    /// The breaker is open: the database did not answer a moment ago, and was not asked now.
    #[error("the database does not answer; it is asked again in {:.1} s", retry_in.as_secs_f64())]
    Outage {
        /// Time until the next probe.
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

/// Class of an error: the one thing that decides what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Another transaction was in the way (deadlock, serialization failure): the same work may succeed at once.
    Conflict,
    /// A lock could not be acquired within the timeout: another session holds a row or a table.
    Held,
    /// The statement ran out of time: the server is too slow, or a row stays locked for too long.
    TimedOut,
    /// The connection is lost or cannot serve any more; it is closed, and a fresh one may serve.
    Connection,
    /// The server cannot serve, or not in time: an outage.
    Server,
    /// The statement fails whatever the rows are: a bug, a missing right, or another schema.
    Statement,
    /// A row, or a rule about it, made the statement fail: a trigger, a constraint, a value.
    Row,
}

impl ErrorClass {
    /// The word for it in traces and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Held => "held",
            Self::TimedOut => "timed_out",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Statement => "statement",
            Self::Row => "row",
        }
    }

    /// Returns true if the database did not serve: the breaker counts the error.
    pub const fn is_outage(self) -> bool {
        matches!(self, Self::TimedOut | Self::Connection | Self::Server)
    }
}

impl StoreError {
    /// Class of the error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Failed { source, .. } | Self::Connect { source, .. } => class(source),
            Self::CommitUnknown(_) | Self::Outage { .. } => ErrorClass::Server,
            Self::BadRow { .. } => ErrorClass::Row,
            Self::BadUrl(_) => ErrorClass::Statement,
        }
    }

    /// Returns true if the statement succeeded, and a value of a row cannot be used.
    pub(crate) fn is_of_a_value(&self) -> bool {
        match self {
            Self::BadRow { .. } => true,
            Self::Failed {
                source: Sql::ColumnDecode { source, .. },
                ..
            } => is_of_a_value(&**source),
            _ => false,
        }
    }

    const fn source_of(&self) -> Option<&Sql> {
        match self {
            Self::Failed { source, .. } => Some(source),
            _ => None,
        }
    }

    fn answer(&self) -> Option<&PgDatabaseError> {
        self.source_of()?.as_database_error()?.try_downcast_ref()
    }

    /// SQLSTATE of the server's answer, if it answered.
    pub fn code(&self) -> Option<&str> {
        self.answer().map(PgDatabaseError::code)
    }

    /// The server's message, or the error in our words.
    pub fn message(&self) -> String {
        let answered = self.answer().map(|answer| answer.message().to_owned());
        let unread = || self.source_of().map(Sql::to_string);
        answered.or_else(unread).unwrap_or_else(|| self.to_string())
    }

    /// Returns true if the server answered with an error and is well: the transaction is certainly rolled back.
    pub fn is_answered(&self) -> bool {
        self.answer()
            .is_some_and(|answer| answer.severity() == PgSeverity::Error)
    }

    /// Returns true if the session could not go on and the same work may succeed in another one: it was ended,
    /// it became read-only, or the plan of a statement is stale in it.
    pub fn is_of_session(&self) -> bool {
        match self.source_of() {
            Some(Sql::Database(_)) => {
                self.class() == ErrorClass::Connection
                    || (self.class() == ErrorClass::Server && !self.is_answered())
            }
            Some(Sql::Io(_) | Sql::Protocol(_)) => true,
            _ => false,
        }
    }

    /// Returns true if a single row may have caused the error, so that the same work may succeed without that
    /// row. Triggers raise whatever code their authors chose, so any error that the server answered with may
    /// be a row's, except those that say by themselves that another session was in the way.
    pub fn may_be_of_a_row(&self) -> bool {
        if matches!(self.class(), ErrorClass::Conflict | ErrorClass::Held) {
            return false;
        }
        let unreadable = matches!(
            self.source_of(),
            Some(Sql::ColumnDecode { .. } | Sql::Decode(_))
        );
        self.is_answered() || unreadable || matches!(self, Self::BadRow { .. })
    }
}

/// Classes of SQLSTATEs. The first entry that a code begins with decides; a code without an entry is the
/// row's, because triggers raise whatever their authors chose.
const CLASSES: [(&str, ErrorClass); 25] = [
    ("40P01", ErrorClass::Conflict),
    ("40001", ErrorClass::Conflict),
    ("55P03", ErrorClass::Held),
    // A plan that a migration made stale: sqlx keeps it as long as the connection.
    ("0A000", ErrorClass::Connection),
    // A session that became read-only, as after a failover.
    ("25", ErrorClass::Connection),
    // A prepared statement that the session does not know: a pooler gave us another.
    ("26000", ErrorClass::Connection),
    ("42P05", ErrorClass::Connection),
    ("08", ErrorClass::Connection),
    ("57P05", ErrorClass::Connection),
    ("57014", ErrorClass::TimedOut),
    ("57", ErrorClass::Server),
    ("28", ErrorClass::Server),
    ("3D", ErrorClass::Server),
    ("53", ErrorClass::Server),
    ("54", ErrorClass::Statement),
    ("55000", ErrorClass::Server),
    ("55006", ErrorClass::Server),
    ("58", ErrorClass::Server),
    ("72", ErrorClass::Server),
    ("F0", ErrorClass::Server),
    ("XX", ErrorClass::Server),
    ("42", ErrorClass::Statement),
    ("3F", ErrorClass::Statement),
    ("0L", ErrorClass::Statement),
    ("0P", ErrorClass::Statement),
];

/// Returns true if a column has the right type, and the value in it cannot be read: it is no UTF-8, or NULL.
fn is_of_a_value(fault: &(dyn std::error::Error + 'static)) -> bool {
    fault.is::<std::str::Utf8Error>() || fault.is::<sqlx::error::UnexpectedNullError>()
}

pub(crate) fn class(error: &Sql) -> ErrorClass {
    match error {
        Sql::Io(_) | Sql::Protocol(_) | Sql::PoolClosed | Sql::WorkerCrashed | Sql::Tls(_) => {
            ErrorClass::Connection
        }
        Sql::PoolTimedOut => ErrorClass::Server,
        Sql::ColumnDecode { source, .. } if is_of_a_value(&**source) => ErrorClass::Row,
        Sql::Database(db) => {
            let code = db.code().unwrap_or_default();
            let entry = CLASSES.iter().find(|(prefix, _)| code.starts_with(prefix));
            entry.map_or(ErrorClass::Row, |(_, class)| *class)
        }
        _ => ErrorClass::Statement,
    }
}
