//! The place of a snapshot in the history of a database.
//!
//! Every row of PostgreSQL carries the number of the transaction that wrote its version. A look for changes reads those
//! versions that are not older than the oldest transaction that the snapshot of the last look saw running. So a version
//! that was committed since is never missed, and one by a neighbour of a long transaction is read again.

use crate::error::StoreError;
use crate::rows::Row;

/// Transactions after which a horizon is too old. Ages of row versions are right up to two thousand million.
const OLDEST: i64 = 1_000_000_000;

/// The transactions that a snapshot knows, counted since the database was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Horizon {
    /// The oldest that it sees running.
    pub(crate) oldest: i64,
    /// The first that it does not know.
    pub(crate) next: i64,
    /// Start of the server.
    pub(crate) server: String,
}

impl Horizon {
    /// The horizon in the columns `oldest`, `next` and `server` of a row.
    pub(crate) fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            oldest: row.get("oldest")?,
            next: row.get("next")?,
            server: row.get("server")?,
        })
    }

    /// Returns true if a snapshot with this horizon can show what changed since the one with `then`: they are of one
    /// server that did not restart, and not a thousand million transactions apart.
    pub(crate) fn continues(&self, then: &Self) -> bool {
        then.server == self.server
            && then.oldest <= self.oldest
            && then.next <= self.next
            && self.next.saturating_sub(then.oldest) < OLDEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn horizon(oldest: i64, next: i64, server: &str) -> Horizon {
        Horizon {
            oldest,
            next,
            server: server.to_owned(),
        }
    }

    #[test]
    fn looks_go_on_in_the_same_history_only() {
        let then = horizon(100, 120, "monday");
        assert!(horizon(100, 120, "monday").continues(&then));
        assert!(horizon(100, 100 + OLDEST - 1, "monday").continues(&then));
        assert!(!horizon(100, 100 + OLDEST, "monday").continues(&then));
        assert!(!horizon(99, 130, "monday").continues(&then));
        assert!(!horizon(110, 119, "monday").continues(&then));
        assert!(!horizon(130, 140, "tuesday").continues(&then));
    }
}
