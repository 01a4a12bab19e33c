//! The session that keeps the accounts: comparing counters with procs, healing, and messages.
//!
//! The session has a connection of its own, outside of the pool, because it listens, and because
//! its limits are tighter than those of a booking: a process that hangs in the middle of a healing
//! loses its row locks within seconds. Between two statements it holds nothing at all: the lock that
//! keeps two replicas from comparing at once lives as long as that statement.
//!
//! Invariant: a healing writes what is exact under its row locks. Two sessions at once, or one that
//! hung and goes on, therefore cost time and nothing else.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Acquire, Postgres, Transaction};

use super::drift::{Corrected, Drift, read_recount};
use super::keys::CounterKeys;
use super::messages::{Heard, LOOKS, Look, RELEASES};
use crate::error::{ErrorClass, StoreError};
use crate::generation::Generation;
use crate::meters::Meters;
use crate::pool::Store;
use crate::sessions;
use crate::statements::{COMPARE_ACCOUNTS, LOCK_COUNTERS, RECOUNT, RESTORE_CAPS, query};
use crate::time_limit::TimeLimit;

/// Key of the advisory lock: the letters `cue_acct` as one number.
const LOCK: i64 = i64::from_be_bytes(*b"cue_acct");

/// Longest time that the server may take to answer here.
const PATIENCE: TimeLimit = TimeLimit::exactly(Duration::from_secs(8));

/// Time without a statement after which the server ends a transaction of this session, and with it
/// the row locks of a process that hangs.
const LONGEST_IDLE: Duration = Duration::from_secs(3);

/// Longest wait for a counter that somebody holds; the counters locked before it wait as well.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest run of one statement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Counters of one healing transaction. Bookings wait for these rows, so it is kept short.
const COUNTERS_AT_ONCE: usize = 250;

/// Tries of a healing that meets a deadlock: somebody moves a job at that moment.
const TRIES: u32 = 5;

/// Result of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Compared {
    /// Another replica compares at this moment.
    Busy,
    /// The counters that differ from their procs.
    Done(Drift),
}

/// Result of a healing.
#[derive(Debug, Default)]
pub struct Healed {
    /// Counters that were set.
    pub corrected: Corrected,
    /// The last error of counters that could not be set, because somebody holds their row or a
    /// trigger refuses the value. The next comparison finds them again.
    pub skipped: Option<StoreError>,
}

/// The session of a replica that keeps the accounts, or would. Dropping it closes its connection.
#[derive(Debug)]
pub struct AccountsSession {
    listener: PgListener,
    meters: Meters,
    /// Process id of this session on the server, known after the first comparison.
    backend: Option<i32>,
}

impl Store {
    /// Opens the session, which listens from then on.
    ///
    /// # Errors
    /// The server cannot be reached, or the breaker is open.
    pub async fn accounts_session(&self) -> Result<AccountsSession, StoreError> {
        self.admitted().await?;
        let millis = |time: Duration| time.as_millis().to_string();
        let options = (*self.pool.connect_options()).clone();
        let settings = self.session.with([
            ("idle_in_transaction_session_timeout", millis(LONGEST_IDLE)),
            ("lock_timeout", millis(LOCK_TIMEOUT)),
            ("statement_timeout", millis(STATEMENT_TIMEOUT)),
            // Sums over all procs: sorting their texts takes several times as long as hashing them,
            // and workers would only spread the cost over more cores.
            ("work_mem", "32MB".to_owned()),
            ("enable_sort", "off".to_owned()),
            ("enable_mergejoin", "off".to_owned()),
            ("max_parallel_workers_per_gather", "0".to_owned()),
        ]);
        let opening = async {
            let own = PgPoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None);
            let own = sessions::prepare(own, settings, &Generation::default());
            let own = own.connect_with(options).await?;
            let mut listener = PgListener::connect_with(&own).await?;
            // A new connection must never replace a lost one without notice.
            listener.eager_reconnect(false);
            listener.ignore_pool_close_event(true);
            listener.listen_all([RELEASES, LOOKS]).await?;
            Ok(listener)
        };
        Ok(AccountsSession {
            listener: Box::pin(PATIENCE.round_trip(opening))
                .await
                .map_err(failed)?,
            meters: self.meters.clone(),
            backend: None,
        })
    }
}

impl AccountsSession {
    /// Compares all counters of managed shows with their procs, and announces it to all replicas.
    /// Returns at most `most` differences.
    ///
    /// # Errors
    /// The statement failed; drop the session.
    pub async fn compare(&mut self, look: &Look, most: usize) -> Result<Compared, StoreError> {
        let announcement = serde_json::to_string(look).unwrap_or_default();
        let query = query(&COMPARE_ACCOUNTS)
            .bind(Some(LOCK))
            .bind(Some(announcement))
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let (listener, meters) = (&mut self.listener, &self.meters);
        let comparing = async {
            let conn = listener.acquire().await.map_err(failed)?;
            meters.rows(&COMPARE_ACCOUNTS, query, conn).await
        };
        let rows = bounded(COMPARE_ACCOUNTS.name, comparing).await?;
        if let Some(row) = rows.first() {
            self.backend = Some(row.get("session")?);
            if !row.get::<bool>("mine")? {
                return Ok(Compared::Busy);
            }
        }
        Drift::read(&rows).map(Compared::Done)
    }

    /// Sets counters to the sums of their procs, each table in transactions of its own, so that a
    /// row that somebody holds never makes the rows of another table wait. Counters that cannot be
    /// set are isolated by halving, and skipped.
    ///
    /// # Errors
    /// The session is of no use any more; drop it.
    pub async fn heal(&mut self, mut keys: CounterKeys) -> Result<Healed, StoreError> {
        let mut healed = Healed::default();
        let mut work = Vec::new();
        loop {
            let part = match work.pop() {
                Some(part) => part,
                None if keys.is_empty() => return Ok(healed),
                None => keys.take(COUNTERS_AT_ONCE),
            };
            match bounded(RECOUNT.name, self.recount(&part)).await {
                Ok(corrected) => healed.corrected.add(&corrected),
                Err(error) if error.class().is_outage() => return Err(error),
                Err(error) if part.len() < 2 => healed.skipped = Some(error),
                Err(_) => work.extend(part.halves()),
            }
        }
    }

    /// Takes up to `most` messages that have arrived. Does not wait.
    ///
    /// # Errors
    /// The connection is lost, and messages may be, too; drop the session.
    pub async fn heard(&mut self, most: usize) -> Result<Heard, StoreError> {
        let mut heard = Heard::default();
        for _ in 0..most {
            match tokio::time::timeout(Duration::ZERO, self.listener.try_recv()).await {
                Err(_nothing_left) => break,
                Ok(Ok(Some(message))) => heard.take(&message, self.backend),
                Ok(Ok(None)) => return Err(lost()),
                Ok(Err(error)) => return Err(failed(error)),
            }
        }
        Ok(heard)
    }

    /// Waits up to `patience` for a comparison.
    ///
    /// # Errors
    /// The connection is lost; drop the session.
    pub async fn next_look(&mut self, patience: Duration) -> Result<Option<Look>, StoreError> {
        let waiting = async {
            loop {
                let message = self.listener.try_recv().await.map_err(failed)?;
                let mut heard = Heard::default();
                heard.take(&message.ok_or_else(lost)?, self.backend);
                if let Some(heard) = heard.look {
                    return Ok(heard.look);
                }
            }
        };
        let waited = tokio::time::timeout(patience, waiting).await;
        waited.map_or(Ok(None), |look| look.map(Some))
    }

    async fn recount(&mut self, keys: &CounterKeys) -> Result<Corrected, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_recount(keys).await {
                Err(error) if error.class() == ErrorClass::Conflict && tries < TRIES => {
                    tracing::debug!(error = %error, tries, "a healing met a conflict, retrying");
                }
                answer => return answer,
            }
        }
    }

    async fn try_recount(&mut self, keys: &CounterKeys) -> Result<Corrected, StoreError> {
        let meters = self.meters.clone();
        let asked = Instant::now();
        let answer = self.listener.begin().await;
        meters.record("begin", asked, answer.is_ok());
        let mut tx: Transaction<'_, Postgres> = answer.map_err(|source| StoreError::Failed {
            statement: "begin",
            source,
        })?;
        let lock = keys.bind(query(&LOCK_COUNTERS));
        meters.rows(&LOCK_COUNTERS, lock, &mut *tx).await?;
        let count = keys.bind(query(&RECOUNT));
        let rows = meters.rows(&RECOUNT, count, &mut *tx).await?;
        let (corrected, raised) = read_recount(&rows)?;
        if let Some(raised) = raised {
            let restore = raised.bind(query(&RESTORE_CAPS));
            meters.rows(&RESTORE_CAPS, restore, &mut *tx).await?;
        }
        let asked = Instant::now();
        let answer = tx.commit().await;
        meters.record("commit", asked, answer.is_ok());
        answer
            .map(|()| corrected)
            .map_err(|source| StoreError::Failed {
                statement: "commit",
                source,
            })
    }
}

async fn bounded<T>(
    statement: &'static str,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let round_trip = PATIENCE.round_trip(async { Ok(answer.await) });
    let answer = round_trip.await;
    answer.map_err(|source| StoreError::Failed { statement, source })?
}

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::Failed {
        statement: "listen",
        source,
    }
}

fn lost() -> StoreError {
    let lost = io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the connection of the accounts was lost",
    );
    failed(lost.into())
}
