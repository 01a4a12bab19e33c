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
    /// Starts to report at once, and again every `interval`.
    #[must_use]
    pub fn start(pool: PgPool, interval: Duration) -> Self {
        let stop = CancellationToken::new();
        let (told, rounds) = watch::channel(0);
        let mut task = JoinSet::new();
        let stopped = stop.clone();
        task.spawn(async move {
            loop {
                match report_once(&pool).await {
                    Ok(()) => told.send_modify(|n| *n += 1),
                    Err(error) => tracing::warn!(%error, "hosts could not be reported; the next round tries again"),
                }
                tokio::select! {
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(interval) => {}
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

/// One round of reports for every host that is up.
async fn report_once(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query(REPORT_HOSTS).execute(pool).await?;
    sqlx::query(REPORT_PROCS).execute(pool).await?;
    Ok(())
}
