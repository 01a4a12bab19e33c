//! The bound on every round trip.
//!
//! A server that dies without a word answers nothing, and no timeout of its own ends the wait. So each round
//! trip is given up on our side, somewhat later than the server would end it. The connection is then in the
//! middle of a statement; the pool finds that out when it gets the connection back, and closes it.

use std::io;
use std::time::Duration;

/// Time beyond the statement timeout in which the server's own answer may arrive.
const MARGIN: Duration = Duration::from_secs(1);

/// Longest wait for one answer of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimit(Duration);

impl TimeLimit {
    /// This bound.
    pub(crate) const fn exactly(limit: Duration) -> Self {
        Self(limit)
    }

    /// The bound that belongs to a statement timeout.
    pub(crate) const fn of(statement_timeout: Duration) -> Self {
        Self(statement_timeout.saturating_add(MARGIN))
    }

    /// The bound of a round trip that waits for a connection first.
    pub(crate) const fn beside(self, acquire_timeout: Duration) -> Self {
        Self(self.0.saturating_add(acquire_timeout))
    }

    /// Waits for the answer to one round trip.
    pub(crate) async fn round_trip<T>(
        self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        match tokio::time::timeout(self.0, answer).await {
            Ok(answer) => answer,
            Err(_late) => Err(sqlx::Error::Io(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the server did not answer within {:?}", self.0),
            ))),
        }
    }
}
