//! Errors of the database as failures of a booking step.

use cue_domain::health::{Failure, Retest, Scope};

use crate::error::{ErrorClass, StoreError};

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        let code = error.code().map(str::to_owned);
        let message = error.message();
        let statement = statement(error);
        let class = error.class();
        Self {
            statement,
            retest: retest(class, code.as_deref()),
            code,
            message,
            scope: match class {
                // Another session may hold a single row.
                ErrorClass::Row
                | ErrorClass::Held
                | ErrorClass::TimedOut
                | ErrorClass::Conflict => Scope::Row,
                ErrorClass::Connection | ErrorClass::Server | ErrorClass::Statement => {
                    Scope::Everything
                }
            },
        }
    }
}

const fn statement(error: &StoreError) -> &'static str {
    match error {
        StoreError::Failed { statement, .. } => statement,
        StoreError::Connect { .. } | StoreError::BadUrl(_) => "connect",
        StoreError::CommitUnknown(_) => "commit",
        StoreError::Outage { .. } => "acquire",
        StoreError::BadRow { table, .. } => table,
    }
}

/// Test for the cause of an error. A trigger raises whatever code its author chose, so a code that only a
/// statement can meet is tested by no connection.
fn retest(class: ErrorClass, code: Option<&str>) -> Retest {
    match (class, code) {
        (ErrorClass::Statement, _) => Retest::Statement,
        (ErrorClass::Connection | ErrorClass::Server, None) => Retest::Connection,
        (ErrorClass::Connection | ErrorClass::Server, Some(code)) => {
            let of_sessions = ["08", "28", "3D", "57P"];
            match of_sessions.iter().any(|prefix| code.starts_with(prefix)) {
                true => Retest::Connection,
                false => Retest::None,
            }
        }
        (ErrorClass::Row | ErrorClass::Held | ErrorClass::TimedOut | ErrorClass::Conflict, _) => {
            Retest::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_of_a_cause_fits_the_code() {
        let of = |class, code| retest(class, code);
        assert_eq!(of(ErrorClass::Statement, Some("42501")), Retest::Statement);
        assert_eq!(of(ErrorClass::Server, Some("57P01")), Retest::Connection);
        assert_eq!(of(ErrorClass::Server, None), Retest::Connection);
        for code in ["53100", "XX000", "58030"] {
            assert_eq!(of(ErrorClass::Server, Some(code)), Retest::None, "{code}");
        }
        assert_eq!(of(ErrorClass::Row, Some("P0001")), Retest::None);
    }

    #[test]
    fn an_outage_is_a_failure_of_everything_with_its_words() {
        let failure = Failure::from(&StoreError::Outage {
            retry_in: std::time::Duration::from_secs(1),
        });
        assert_eq!(failure.scope, Scope::Everything);
        assert_eq!(failure.retest, Retest::Connection);
        assert!(failure.message.starts_with("the database does not answer"));
    }
}
