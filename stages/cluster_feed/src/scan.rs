//! The active scan: one query that says for which clusters there is work.
//!
//! Clusters without work cost nothing: no turn and no query of their own. The scan may say too
//! much, never too little (see [`crate::activity`]); a test holds it against the query of the turns.
//!
//! Invariant: at most a tenth of the time goes into scanning. A scan that cannot be made only costs
//! its savings: every cluster gets turns as if it had work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cue_flow::{BoxError, Chain, Tick};
use cue_store::{Store, StoreError, Trouble};
use tokio::time::Instant;

use crate::activity::Activity;
use crate::book::TurnBook;
use crate::feed::FeedHandle;
use crate::metrics::FeedMetrics;
use crate::watch::ClusterWatch;

/// The loop that scans the farm for work.
pub struct ActiveScan {
    store: Store,
    book: TurnBook,
    facility: Option<String>,
    every: Duration,
    metrics: FeedMetrics,
    watch: ClusterWatch,
    failing: AtomicBool,
}

impl ActiveScan {
    pub(crate) fn new(
        store: Store,
        book: TurnBook,
        facility: Option<String>,
        every: Duration,
        metrics: FeedMetrics,
        feed: FeedHandle,
    ) -> Self {
        Self {
            watch: ClusterWatch::new(store.clone(), facility.clone(), feed),
            store,
            book,
            facility,
            every,
            metrics,
            failing: AtomicBool::new(false),
        }
    }

    /// Scans once, and looks for changes of the clusters.
    ///
    /// # Errors
    /// The database did not answer. The book knows of it.
    pub async fn once(&self) -> Result<(), StoreError> {
        // First, so that a show that was handed over is in the scan when its clusters are read.
        let watched = self.watch.look().await;
        let began = Instant::now();
        let answer = self.store.active_tags(self.facility.as_deref()).await;
        self.metrics
            .scan_seconds
            .observe(began.elapsed().as_secs_f64());
        let noted = match answer {
            Ok(rows) => {
                let activity = Activity::found(rows);
                self.metrics.set_active_tags(activity.tags());
                self.book.wake(activity, Instant::now());
                Ok(())
            }
            Err(error) => {
                // While the database is away the turns are put off too; nothing is won by trying
                // every cluster.
                let blind = error.trouble() != Trouble::Unavailable;
                self.book.scan_failed(blind, Instant::now());
                Err(error)
            }
        };
        self.metrics.set_census(self.book.census(Instant::now()));
        noted.and(watched)
    }
}

impl Tick for ActiveScan {
    const NAME: &'static str = "active_scan";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        let answer = self.once().await;
        let failed_before = self.failing.swap(answer.is_err(), Ordering::Relaxed);
        if let Err(error) = answer
            && !failed_before
        {
            tracing::warn!(
                error = %Chain(&error),
                "the farm cannot be scanned for work; going on with what is known"
            );
        }
        // Also after a failure: a job that is launched meanwhile waits for the next scan.
        Ok(pause(self.every, began.elapsed()))
    }
}

/// How long to wait after a scan that took so long: at most a tenth of the time goes into scanning.
fn pause(every: Duration, took: Duration) -> Duration {
    every.max(took * 9)
}

#[cfg(test)]
mod pace {
    use super::*;

    #[test]
    fn a_farm_that_takes_long_to_scan_is_scanned_less_often() {
        let ms = Duration::from_millis;
        assert_eq!(pause(ms(250), ms(5)), ms(250));
        assert_eq!(pause(ms(250), ms(100)), ms(900));
    }
}

#[cfg(test)]
mod against_the_query;
