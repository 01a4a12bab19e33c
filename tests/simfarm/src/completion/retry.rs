//! Tries a transaction again when the database says that this may help.
//!
//! Invariant: bounded. A fault that another try cannot cure is returned at once, one that could be
//! cured after the last try, and a database that is away after a minute, as RQD repeats a report
//! until Cuebot has it.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Attempts at a transaction before its error is believed.
const TRIES: u32 = 12;
/// Time for which a database may be away before that is believed.
const AWAY: Duration = Duration::from_secs(60);
/// The pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Runs `work` until it succeeds, fails for good, or has been tried often enough; `retried` counts
/// the tries after the first.
pub(crate) async fn with_retries<T, F>(
    what: &'static str,
    retried: &AtomicU64,
    mut work: impl FnMut() -> F,
) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut pause = FIRST_PAUSE;
    let (mut tries, began) = (1, Instant::now());
    loop {
        match work().await {
            Err(error)
                if is_away(&error) && began.elapsed() < AWAY
                    || is_contention(&error) && tries < TRIES =>
            {
                tries += u32::from(is_contention(&error));
                retried.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(what, %error, "the transaction is tried again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

/// Connections that broke or cannot be opened: the server ends, is away or is starting.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(fault) => fault.code().is_some_and(|code| {
            matches!(&*code, "57P01" | "57P02" | "57P03" | "53300") || code.starts_with("08")
        }),
        _ => false,
    }
}

/// Deadlocks, serialization failures, and row locks that cannot be acquired.
fn is_contention(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|fault| fault.code());
    code.is_some_and(|code| matches!(&*code, "40P01" | "40001" | "55P03"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_pipe() -> sqlx::Error {
        sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
    }

    #[tokio::test]
    async fn a_broken_connection_is_tried_again_and_counted() {
        let (retried, mut calls) = (AtomicU64::new(0), 0);
        let result = with_retries("test", &retried, || {
            calls += 1;
            std::future::ready(if calls < 3 {
                Err(broken_pipe())
            } else {
                Ok(calls)
            })
        });
        assert_eq!(result.await.unwrap(), 3);
        assert_eq!(retried.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_fault_of_the_statement_is_returned_at_once() {
        let (retried, mut calls) = (AtomicU64::new(0), 0);
        let result: Result<(), _> = with_retries("test", &retried, || {
            calls += 1;
            std::future::ready(Err(sqlx::Error::RowNotFound))
        })
        .await;
        assert!(matches!(result, Err(sqlx::Error::RowNotFound)));
        assert_eq!((calls, retried.load(Ordering::Relaxed)), (1, 0));
    }
}
