//! Job fetch: one query a turn for the jobs of a cluster that could run.
//!
//! What it finds is only what to try; nothing here is locked. A turn whose query fails ends as
//! failed, and the worker rests, which the feed feels as backpressure.

mod metrics;

use std::time::{Duration, Instant};

use cue_domain::messages::{JobWork, Turn};
use cue_flow::{Outlet, Stage, Verdict};
use cue_store::Store;

pub use metrics::FetchMetrics;

/// How much one turn looks at.
#[derive(Clone, Copy, Debug)]
pub struct FetchSettings {
    /// Jobs a turn at most.
    pub jobs: u32,
    /// Layers a turn at most.
    pub layers: u32,
    /// How long a worker rests after a failed query.
    pub rest: Duration,
}

/// The stage.
pub struct JobFetch {
    store: Store,
    settings: FetchSettings,
    metrics: FetchMetrics,
}

impl JobFetch {
    /// A job fetch over `store`.
    #[must_use]
    pub const fn new(store: Store, settings: FetchSettings, metrics: FetchMetrics) -> Self {
        Self {
            store,
            settings,
            metrics,
        }
    }
}

impl Stage for JobFetch {
    const NAME: &'static str = "job_fetch";
    type In = Turn;
    type Out = JobWork;

    async fn handle(&self, turn: Turn, out: &Outlet<JobWork>) -> Verdict {
        let skip = turn.page.saturating_mul(self.settings.jobs);
        let asked = Instant::now();
        let answer = self
            .store
            .pending_layers(
                &turn.cluster,
                skip,
                self.settings.jobs,
                self.settings.layers,
            )
            .await;
        self.metrics
            .query_seconds
            .observe(asked.elapsed().as_secs_f64());
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                turn.ticket.fail();
                return Verdict::RetryAfter(self.settings.rest, error.into());
            }
        };
        self.metrics.jobs.inc_by(found.jobs.len() as u64);
        turn.ticket.found(
            found.jobs.len() as u64,
            found.jobs.iter().map(|job| job.layers.len() as u64).sum(),
        );
        if found.more {
            turn.ticket.saw_a_full_page();
        }
        if found.jobs.is_empty() {
            return Verdict::Skip("no_jobs");
        }
        for pending in found.jobs {
            let work = JobWork {
                cluster: turn.cluster.clone(),
                ticket: turn.ticket.clone(),
                job: pending.job,
                layers: pending.layers,
            };
            if let Err(closed) = out.send(work).await {
                return closed.into();
            }
        }
        Verdict::Done
    }
}
