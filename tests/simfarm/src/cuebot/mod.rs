//! A stand-in for Cuebot: takes what hosts report, obeys operators, clears what is lost, redirects,
//! and goes away and comes back.
//!
//! Messages and effects are those of a real one (OPENCUE.md, Release). Reports of ended frames
//! wait in their hosts while Cuebot is away: the Rust RQD delivers them at least once, the Python RQD
//! gives up after four tries.
//!
//! Invariant: a Cuebot that is away neither reads nor writes; what it was in the middle of is left
//! half done, as by a crash.

mod operator;
mod orphans;
mod post;
mod redirect;
mod reports;
mod server;

use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::completion::{Accounting, CompletionStats};
use crate::rqd::{Hosts, SimRqd};
use post::{Post, Progress};

pub use orphans::Orphans;
pub use server::ReportServer;

/// Version of the Cuebot, and the load of its hosts.
#[derive(Clone, Copy, Debug)]
pub struct CuebotSettings {
    /// Effect of a release on the five accounting tables, which differs between versions of Cuebot
    /// (OPENCUE.md, Counters).
    pub accounting: Accounting,
    /// Time between two status reports of a host.
    pub report_every: Duration,
}

impl Default for CuebotSettings {
    fn default() -> Self {
        Self {
            accounting: Accounting::Current,
            report_every: Duration::from_millis(250),
        }
    }
}

/// A Cuebot beside the schedulers. Dropping it is a crash for good.
#[derive(Debug)]
pub struct Cuebot {
    pool: PgPool,
    hosts: Hosts,
    accounting: Accounting,
    is_present: watch::Sender<bool>,
    progress: watch::Receiver<Progress>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Cuebot {
    /// Starts on a database and the hosts of a farm, whose ends of frames it takes.
    ///
    /// # Errors
    /// Somebody else has taken the ends of frames.
    pub fn start(pool: PgPool, rqd: &mut SimRqd, settings: CuebotSettings) -> anyhow::Result<Self> {
        let ends = rqd
            .completions()
            .context("the ends of frames are taken already")?;
        let hosts = rqd.hosts();
        let (is_present, arrivals) = watch::channel(true);
        let (sender, progress) = watch::channel(Progress::default());
        let stop = CancellationToken::new();
        let post = Post::new(
            pool.clone(),
            hosts.clone(),
            settings.accounting,
            ends,
            arrivals.clone(),
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(post.run(sender, stop.clone()));
        tasks.spawn({
            let (pool, hosts, stop) = (pool.clone(), hosts.clone(), stop.clone());
            let work = reports::repeat(pool, hosts, arrivals, settings.report_every);
            async move {
                stop.run_until_cancelled(work).await;
            }
        });
        Ok(Self {
            pool,
            hosts,
            accounting: settings.accounting,
            is_present,
            progress,
            stop,
            tasks,
        })
    }

    /// Goes away as by a crash, until [`Cuebot::come_back`].
    pub fn go_away(&self) {
        self.is_present.send_replace(false);
    }

    /// Comes back: sweeps up what the crash left behind, and takes reports again.
    pub fn come_back(&self) {
        self.is_present.send_replace(true);
    }

    /// Outcomes of all reports of ended frames so far.
    #[must_use]
    pub fn stats(&self) -> CompletionStats {
        self.progress.borrow().stats
    }

    /// Reports of ended frames that Python RQDs gave up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.progress.borrow().dropped
    }

    /// Reports of ended frames that wait in their hosts.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.progress.borrow().waiting
    }

    /// Waits until the progress is as wanted. It waits for ever when it never is: bound it in tests.
    pub async fn completed_at_least(&self, n: u64) {
        let mut progress = self.progress.clone();
        // An error means that the post has ended, and then nothing more will come.
        let _ = progress.wait_for(|seen| seen.stats.completed >= n).await;
    }

    /// Waits until `n` reports of ended frames wait in their hosts.
    pub async fn waiting_at_least(&self, n: usize) {
        let mut progress = self.progress.clone();
        let _ = progress.wait_for(|seen| seen.waiting >= n).await;
    }

    /// Takes every report that is left, finishes what was begun, and says what was done.
    pub async fn finish(mut self) -> CompletionStats {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of Cuebot died");
            }
        }
        self.stats()
    }
}
