//! Details of an error that decide who is at fault for it.

use sqlx::Error as Sql;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::error::{ErrorClass, StoreError};

impl StoreError {
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
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.answer().map(PgDatabaseError::code)
    }

    /// The server's message, or the error in our words.
    #[must_use]
    pub fn message(&self) -> String {
        let answered = self.answer().map(|answer| answer.message().to_owned());
        let unread = || self.source_of().map(Sql::to_string);
        answered.or_else(unread).unwrap_or_else(|| self.to_string())
    }

    /// Returns true if the server answered with an error and is well: the transaction is certainly rolled back.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.answer()
            .is_some_and(|answer| answer.severity() == PgSeverity::Error)
    }

    /// Returns true if the session could not go on and the same work may succeed in another one: it was ended,
    /// it became read-only, or the plan of a statement is stale in it.
    #[must_use]
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
    #[must_use]
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
