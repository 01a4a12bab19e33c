//! The picture: five edges, six stages, two side loops.
//!
//! ```text
//!              Turn            JobWork           LockedBatch         BookingPlan          Outcome
//!  cluster_feed ──▶ job_fetch ──────▶ layer_lock ─────────▶ host_match ─────────▶ dispatch ──────▶ check_in
//!       ▲                                                                                            │
//!       └───────────────────────── the turn's ticket: last copy dropped = turn over ─────────────────┘
//! ```
//!
//! There is no logic here: stages are made from settings and joined. Beside the line run
//! `host_refresh`, which reads the farm's hosts into the index, and `settle`, which looks after
//! launches whose outcome is not known yet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cue_check_in::{CheckIn, CheckInMetrics, Refresh};
use cue_cluster_feed::{ClusterFeed, FeedMetrics, TurnBook};
use cue_dispatch::{Dispatch, DispatchMetrics, Settle};
use cue_domain::resting::Resting;
use cue_flow::{BatchStage, CpuStage, Flow, Meters, Stage};
use cue_host_match::{HostMatch, MatchMetrics};
use cue_hosts::HostIndex;
use cue_job_fetch::{FetchMetrics, JobFetch};
use cue_layer_lock::{LayerLock, LockMetrics};
use cue_rqd::RqdClient;
use cue_store::{OpenBooking, Store, StoreError};
use prometheus::Registry;

use crate::config::{self, Settings};
use crate::wiring;

/// The first and the longest rest of a layer that a host refuses to run for good.
const LAYER_REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// The first and the longest rest of a host that fails launches.
const HOST_REST: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// The running pipeline and what its shell looks at.
pub struct Pipeline {
    /// Its parts.
    pub flow: Flow,
    /// When each cluster's turn is.
    pub book: TurnBook,
    /// The hosts it may try.
    pub hosts: HostIndex,
    /// The database.
    pub store: Store,
    /// Looks after launches whose outcome is unknown.
    pub settle: Settle,
}

/// Why the pipeline could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database did not answer as it should.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// A facility that is not there.
    #[error("facility `{name}` does not exist; the database has {}", known.join(", "))]
    Facility {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Two metrics of one name.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

impl Pipeline {
    /// Connects, reads the hosts once, and starts every stage.
    ///
    /// # Errors
    /// The database or the settings cannot be used. Nothing runs then.
    pub async fn build(settings: &Settings, registry: &Registry) -> Result<Self, StartError> {
        let store = Store::connect(&wiring::store(settings), registry).await?;
        check_facility(&store, settings.feed.facility.as_deref()).await?;
        let hosts = HostIndex::new(wiring::index(settings));
        let resting_layers = resting(LAYER_REST);
        let returns = CheckInMetrics::new(registry)?;
        let refresh = Refresh::new(
            store.clone(),
            hosts.clone(),
            wiring::refresh(settings),
            returns.clone(),
        );
        refresh.once().await?;

        let feed = ClusterFeed::new(
            store.clone(),
            wiring::feed(settings),
            FeedMetrics::new(registry)?,
        );
        let fetch = JobFetch::new(
            store.clone(),
            wiring::fetch(settings),
            FetchMetrics::new(registry)?,
        );
        let lock = LayerLock::new(
            store.clone(),
            hosts.clone(),
            resting_layers.clone(),
            wiring::lock(settings),
            LockMetrics::new(registry)?,
        );
        let rules = Arc::new(wiring::fit_rules(settings));
        let matching = HostMatch::new(hosts.clone(), rules, MatchMetrics::new(registry)?);
        let dispatch = Dispatch::new(
            store.clone(),
            RqdClient::new(wiring::rqd(settings)),
            wiring::dispatch(settings),
            DispatchMetrics::new(registry)?,
            resting_layers,
        );
        let check_in = CheckIn::new(hosts.clone(), returns, resting(HOST_REST));

        let (book, settle) = (feed.book(), dispatch.settle());
        let mut flow = Flow::new(Meters::new(registry)?);
        let stages = Stages {
            feed,
            fetch,
            lock,
            matching,
            dispatch,
            check_in,
        };
        stages.join(&mut flow, &settings.stages);
        flow.tick(refresh);
        flow.tick(settle.clone());
        Ok(Self {
            flow,
            book,
            hosts,
            store,
            settle,
        })
    }
}

/// The six stages, ready to be joined.
struct Stages {
    feed: ClusterFeed,
    fetch: JobFetch,
    lock: LayerLock,
    matching: HostMatch<OpenBooking>,
    dispatch: Dispatch,
    check_in: CheckIn,
}

impl Stages {
    /// Opens the five edges and runs the stages, the last one first.
    fn join(self, flow: &mut Flow, width: &config::Stages) {
        let (to_fetch, turns) = flow.edge(JobFetch::NAME, width.job_fetch.queue);
        let (to_lock, works) = flow.edge(LayerLock::NAME, width.layer_lock.queue);
        let (to_match, batches) = flow.edge(HostMatch::<OpenBooking>::NAME, width.host_match.queue);
        let (to_dispatch, plans) = flow.edge(Dispatch::NAME, width.dispatch.queue);
        let (to_check_in, outcomes) = flow.edge(CheckIn::NAME, width.check_in.queue);
        flow.stage(
            self.check_in,
            width.check_in.workers,
            outcomes,
            Flow::last_outlet(),
        );
        flow.stage(self.dispatch, width.dispatch.workers, plans, to_check_in);
        flow.cpu_stage(
            self.matching,
            width.host_match.workers,
            batches,
            to_dispatch,
        );
        flow.batch_stage(self.lock, width.layer_lock.workers, works, to_match);
        flow.stage(self.fetch, width.job_fetch.workers, turns, to_lock);
        flow.source(self.feed, to_fetch);
    }
}

fn resting<K: Eq + std::hash::Hash + Clone>(
    (first, longest): (Duration, Duration),
) -> Arc<Resting<K>> {
    Arc::new(Resting::new(first, longest))
}

async fn check_facility(store: &Store, wanted: Option<&str>) -> Result<(), StartError> {
    let Some(name) = wanted else { return Ok(()) };
    let known: BTreeSet<String> = store.known_facilities().await?.into_iter().collect();
    if known.contains(name) {
        return Ok(());
    }
    Err(StartError::Facility {
        name: name.to_owned(),
        known: known.into_iter().collect(),
    })
}
