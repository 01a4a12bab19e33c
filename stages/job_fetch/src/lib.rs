//! Job fetch: one query a turn for the jobs of a cluster that could run.
//!
//! What it finds is only what to try; nothing here is locked. While no host of the cluster has a core
//! to give, or none has gained anything since nothing fitted, nothing is asked: a full farm would
//! otherwise keep the database busy with finding out that it is full. A turn whose query fails ends as failed, and the worker rests, which the feed feels as
//! backpressure.

mod metrics;
mod share;

use std::time::{Duration, Instant};

use cue_domain::messages::{Ask, JobWork, Turn};
use cue_flow::{Outlet, Stage, Verdict};
use cue_hosts::HostIndex;
use cue_store::Store;

pub use metrics::FetchMetrics;

/// How much one turn looks at.
#[derive(Clone, Copy, Debug)]
pub struct FetchSettings {
    /// Jobs a turn at most.
    pub jobs: u32,
    /// Layers a turn at most.
    pub layers: u32,
    /// Frames a turn is meant for: jobs are handed on until so many wait in them. It bounds how long
    /// a new job of higher priority has to wait for the turn before it.
    pub frames: u64,
    /// How long a worker rests after a failed query.
    pub rest: Duration,
}

/// The stage.
pub struct JobFetch {
    store: Store,
    hosts: HostIndex,
    settings: FetchSettings,
    metrics: FetchMetrics,
}

impl JobFetch {
    /// A job fetch over `store`, for turns for which `hosts` has a host.
    #[must_use]
    pub const fn new(
        store: Store,
        hosts: HostIndex,
        settings: FetchSettings,
        metrics: FetchMetrics,
    ) -> Self {
        Self {
            store,
            hosts,
            settings,
            metrics,
        }
    }

    /// Whether there is no host for whatever jobs the turn would find, when hosts have gained so often.
    fn is_in_vain(&self, turn: &Turn, gains: u64) -> bool {
        let key = &turn.cluster.key;
        match turn.ask {
            Ask::Always => false,
            Ask::AfterGains(vain) if vain == gains => true,
            Ask::WithHosts | Ask::AfterGains(_) => !self.hosts.has_room(&key.facility, &key.tags),
        }
    }
}

impl Stage for JobFetch {
    const NAME: &'static str = "job_fetch";
    type In = Turn;
    type Out = JobWork;

    async fn handle(&self, turn: Turn, out: &Outlet<JobWork>) -> Verdict {
        let gains = self.hosts.gains();
        if self.is_in_vain(&turn, gains) {
            turn.ticket.unasked();
            return Verdict::Skip("no_host");
        }
        turn.ticket.asked_at(gains);
        let asked = Instant::now();
        let answer = self
            .store
            .pending_layers(
                &turn.cluster,
                turn.skip,
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
        if found.jobs.is_empty() {
            // Those seen are for other clusters after all; there may be some behind them.
            if let Some(seen) = found.cut_after {
                turn.ticket.saw_only(seen);
            }
            return Verdict::Skip("no_jobs");
        }
        // A turn that looks behind jobs of which nothing fits must find whatever does fit.
        let budget = if turn.skip.is_front() {
            self.settings.frames
        } else {
            u64::MAX
        };
        let (jobs, cut_after) = share::within(found, budget);
        if let Some(seen) = cut_after {
            turn.ticket.saw_only(seen);
        }
        for pending in jobs {
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
