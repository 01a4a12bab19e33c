//! Takes completion reports from a queue and applies them in batches.
//!
//! Invariant: every report that was taken is counted exactly once, as completed, stale or lost;
//! it is counted after its proc is released, so who waits for the count sees the host free.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sqlx::PgPool;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::release::{Accounting, Guard, release, release_stopped};
use super::retry::with_retries;
use super::{Completion, stop, usage};

/// Settings of the completer.
#[derive(Clone, Copy, Debug)]
pub struct CompleterSettings {
    /// At most this many reports share a transaction.
    pub batch: usize,
    /// Number of batches that are applied at a time.
    pub workers: usize,
    /// Sets jobs with nothing left to run to FINISHED.
    pub finish_jobs: bool,
    /// The program that keeps the accounting tables.
    pub accounting: Accounting,
}

impl Default for CompleterSettings {
    fn default() -> Self {
        Self {
            batch: 50,
            workers: 3,
            finish_jobs: true,
            accounting: Accounting::Current,
        }
    }
}

/// Work of a completer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompletionStats {
    /// Runs ended, with any result.
    pub completed: u64,
    /// Those of them that did not end well.
    pub failed: u64,
    /// Reports that had no run to end.
    pub stale: u64,
    /// Reports given up because the database kept refusing them; their errors are in the log.
    pub lost: u64,
    /// Transactions that had to be tried again.
    pub retried: u64,
    /// Batches applied.
    pub batches: u64,
    /// Procs released that an earlier completer had left behind.
    pub swept: u64,
    /// Seconds since the start.
    pub seconds: f64,
}

/// Applies completions until its queue is closed or it is finished; dropping it stops it at once.
pub struct Completer {
    shared: Arc<Shared>,
    workers: JoinSet<()>,
}

struct Shared {
    pool: PgPool,
    settings: CompleterSettings,
    queue: Mutex<mpsc::Receiver<Completion>>,
    stop: CancellationToken,
    started: Instant,
    completed: watch::Sender<u64>,
    failed: AtomicU64,
    stale: AtomicU64,
    lost: AtomicU64,
    retried: AtomicU64,
    batches: AtomicU64,
    swept: AtomicU64,
}

impl CompletionStats {
    /// Reports that were taken and dealt with.
    #[must_use]
    pub const fn processed(&self) -> u64 {
        self.completed + self.stale + self.lost
    }
}

impl std::ops::Add for CompletionStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            completed: self.completed + other.completed,
            failed: self.failed + other.failed,
            stale: self.stale + other.stale,
            lost: self.lost + other.lost,
            retried: self.retried + other.retried,
            batches: self.batches + other.batches,
            swept: self.swept + other.swept,
            seconds: self.seconds + other.seconds,
        }
    }
}

impl Completer {
    /// Starts the workers; one of them first releases what an earlier completer left behind.
    #[must_use]
    pub fn start(
        pool: PgPool,
        completions: mpsc::Receiver<Completion>,
        settings: CompleterSettings,
    ) -> Self {
        let shared = Arc::new(Shared {
            pool,
            settings,
            queue: Mutex::new(completions),
            stop: CancellationToken::new(),
            started: Instant::now(),
            completed: watch::channel(0).0,
            failed: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            swept: AtomicU64::new(0),
        });
        let mut workers = JoinSet::new();
        for n in 0..settings.workers.max(1) {
            let shared = Arc::clone(&shared);
            workers.spawn(async move {
                if n == 0 {
                    shared.sweep().await;
                }
                shared.work().await;
            });
        }
        Self { shared, workers }
    }

    /// Runs ended so far.
    #[must_use]
    pub fn completed(&self) -> u64 {
        *self.shared.completed.borrow()
    }

    /// Everything counted so far.
    #[must_use]
    pub fn stats(&self) -> CompletionStats {
        self.shared.stats()
    }

    /// Waits until `n` runs have ended. It waits for ever when they never do: bound it in tests.
    pub async fn completed_at_least(&self, n: u64) {
        // The sender lives in `self`, so the wait cannot end by the channel closing.
        let _ = self
            .shared
            .completed
            .subscribe()
            .wait_for(|count| *count >= n)
            .await;
    }

    /// Stops at once, as a process does that crashes: reports under way may be applied in part or
    /// not at all. Says what was done up to then.
    pub async fn abort(mut self) -> CompletionStats {
        self.workers.shutdown().await;
        self.shared.stats()
    }

    /// Refuses further reports, applies those that are queued, releases what was left behind, and
    /// says what was done.
    pub async fn finish(mut self) -> CompletionStats {
        self.shared.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a completion worker died; what it held is swept up");
            }
        }
        self.shared.sweep().await;
        self.shared.stats()
    }
}

impl Shared {
    async fn work(&self) {
        while let Some(batch) = self.next_batch().await {
            let count = batch.len() as u64;
            match self.apply(batch).await {
                Ok((completed, failed)) => {
                    self.failed.fetch_add(failed, Ordering::Relaxed);
                    self.stale.fetch_add(count - completed, Ordering::Relaxed);
                    self.batches.fetch_add(1, Ordering::Relaxed);
                    self.completed.send_modify(|n| *n += completed);
                }
                Err(error) => {
                    self.lost.fetch_add(count, Ordering::Relaxed);
                    tracing::error!(%error, reports = count, "completion reports are lost; see to the database");
                }
            }
        }
    }

    /// Everything queued, up to a batch; a lone report does not wait. `None` when there is no more.
    async fn next_batch(&self) -> Option<Vec<Completion>> {
        let limit = self.settings.batch.max(1);
        let mut batch = Vec::new();
        let mut queue = self.queue.lock().await;
        tokio::select! {
            _ = queue.recv_many(&mut batch, limit) => {}
            () = self.stop.cancelled() => {
                queue.close();
                queue.recv_many(&mut batch, limit).await;
            }
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Stops, records and releases; says how many runs ended, and how many of them not well.
    async fn apply(&self, mut batch: Vec<Completion>) -> Result<(u64, u64), sqlx::Error> {
        // RQD repeats a report it is not sure of; one statement must not see a frame twice.
        batch.sort_by(|a, b| (&a.frame_id, &a.resource_id).cmp(&(&b.frame_id, &b.resource_id)));
        batch.dedup_by(|a, b| (&a.frame_id, &a.resource_id) == (&b.frame_id, &b.resource_id));
        let (pool, retried) = (&self.pool, &self.retried);
        let stopped = with_retries("stop frames", retried, || stop::stop(pool, &batch)).await?;
        // Capacity first: what follows is bookkeeping that nobody waits for.
        let procs: Vec<_> = batch.iter().map(|c| &*c.resource_id).collect();
        with_retries("release procs", retried, || {
            release(pool, &procs, Guard::Detached, self.settings.accounting)
        })
        .await?;
        usage::record(pool, &stopped, retried).await?;
        if self.settings.finish_jobs {
            usage::finish_jobs(pool, &stopped, retried).await?;
        }
        let failed = stopped.iter().filter(|s| !s.good).count() as u64;
        Ok((stopped.len() as u64, failed))
    }

    async fn sweep(&self) {
        let (batch, accounting) = (self.settings.batch, self.settings.accounting);
        let work = || release_stopped(&self.pool, batch, accounting);
        match with_retries("sweep procs", &self.retried, work).await {
            Ok(released) => {
                self.swept.fetch_add(released as u64, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::error!(%error, "procs that were left behind could not be released")
            }
        }
    }

    fn stats(&self) -> CompletionStats {
        CompletionStats {
            completed: *self.completed.borrow(),
            failed: self.failed.load(Ordering::Relaxed),
            stale: self.stale.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
            swept: self.swept.load(Ordering::Relaxed),
            seconds: self.started.elapsed().as_secs_f64(),
        }
    }
}
