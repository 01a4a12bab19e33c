//! Keeps hosts and procs alive in the database, as the status reports of RQD do.
//!
//! Invariant: it waits for no row lock and holds its own for one statement, so it can neither
//! deadlock with anybody nor slow a booking down by more than one update.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const REPORT_HOSTS: &str = include_str!("../../sql/completion/report_hosts.sql");
const REPORT_PROCS: &str = include_str!("../../sql/completion/report_procs.sql");

/// Reports for all hosts that are up, until it is finished or dropped.
pub struct HostReporter {
    stop: CancellationToken,
    rounds: watch::Receiver<u64>,
    task: JoinSet<()>,
}

impl HostReporter {
    /// Starts to report at once, all hosts together, and again every `interval`.
    #[must_use]
    pub fn start(pool: PgPool, interval: Duration) -> Self {
        Self::start_in_parts(pool, interval, 1)
    }

    /// Starts to report at once; every host reports once in `interval`, in parts one after
    /// the other. On a large farm one report for all would hold every proc's row for a second.
    #[must_use]
    pub fn start_in_parts(pool: PgPool, interval: Duration, parts: u16) -> Self {
        let stop = CancellationToken::new();
        let (counter, rounds) = watch::channel(0);
        let mut task = JoinSet::new();
        let stopped = stop.clone();
        let parts = parts.max(1);
        task.spawn(async move {
            for part in (0..parts).cycle() {
                match report(&pool, part, parts).await {
                    Ok(()) if part + 1 == parts => counter.send_modify(|n| *n += 1),
                    Ok(()) => {}
                    Err(error) => tracing::warn!(%error, "hosts could not be reported; the next round tries again"),
                }
                tokio::select! {
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(interval / u32::from(parts)) => {}
                }
            }
        });
        Self { stop, rounds, task }
    }

    /// Waits until `n` rounds have been reported; false when the reporter ended before.
    pub async fn reported_at_least(&self, n: u64) -> bool {
        self.rounds
            .clone()
            .wait_for(|rounds| *rounds >= n)
            .await
            .is_ok()
    }

    /// Stops after the round under way, and says how many were reported.
    pub async fn finish(mut self) -> u64 {
        self.stop.cancel();
        while self.task.join_next().await.is_some() {}
        *self.rounds.borrow()
    }
}

/// The reports of one part of the hosts that are up.
async fn report(pool: &PgPool, part: u16, parts: u16) -> Result<(), sqlx::Error> {
    for statement in [REPORT_HOSTS, REPORT_PROCS] {
        sqlx::query(statement)
            .bind(i32::from(part))
            .bind(i32::from(parts))
            .execute(pool)
            .await?;
    }
    Ok(())
}
