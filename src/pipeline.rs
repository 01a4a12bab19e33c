//! The picture: five edges, six stages, and the side loops.
//!
//! ```text
//!              Turn            JobWork           LockedBatch         BookingPlan          Outcome
//!  cluster_feed ──▶ job_fetch ──────▶ layer_lock ─────────▶ host_match ─────────▶ dispatch ──────▶ check_in
//!       ▲                                                                                            │
//!       └───────────────────────── the turn's ticket: last copy dropped = turn over ─────────────────┘
//! ```
//!
//! There is no logic here: stages are made from settings and joined. Beside the line run
//! `active_scan`, which finds out for which clusters there is work; `host_refresh`, which reads the farm's
//! hosts into the index; `settle`, which looks after launches whose outcome is not known yet; `replicas`,
//! which asks who else is connected; `reconcile`, which finds bookings whose scheduler died before
//! it launched them; and `accounts`, which keeps the accounting tables right, for one replica of all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cue_check_in::{CheckIn, CheckInMetrics, Refresh};
use cue_cluster_feed::{ClusterFeed, FeedHandle, FeedMetrics, TurnBook};
use cue_dispatch::{
    Accounts, AccountsMetrics, AccountsState, Dispatch, DispatchMetrics, Reconcile, Refusals,
    Settle,
};
use cue_domain::missing_room::MissingRoom;
use cue_domain::resting::Resting;
use cue_domain::{HostId, LayerId};
use cue_flow::{BatchStage, Capacity, CpuStage, Flow, Meters, Reserved, Stage};
use cue_host_match::{HostMatch, MatchMetrics};
use cue_hosts::HostIndex;
use cue_job_fetch::{FetchMetrics, JobFetch};
use cue_layer_lock::{LayerLock, LockMetrics};
use cue_rqd::RqdClient;
use cue_store::{OpenBooking, Store, StoreError};
use prometheus::Registry;

use crate::config::{self, Settings};
use crate::replicas::{Replicas, Roll};
use crate::timings::{self, OtherTimings};
use crate::wiring;

/// The first and the longest rest of a layer that a host refuses to run for good.
const LAYER_REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// The first and the longest rest of a host that fails launches.
const HOST_REST: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// First and longest time for which room is left alone that a host promises and does not have.
const MISSING_ROOM: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// Keeps the rows of a batch locked, and room for its launches.
type Held = (OpenBooking, Reserved);

/// The running pipeline and what its shell looks at.
pub struct Pipeline {
    /// Its parts.
    pub flow: Flow,
    /// When each cluster's turn is.
    pub book: TurnBook,
    /// To have the clusters read again.
    pub feed: FeedHandle,
    /// The hosts it may try.
    pub hosts: HostIndex,
    /// The database.
    pub store: Store,
    /// Looks after launches whose outcome is unknown.
    pub settle: Settle,
    /// Layers that rest because a host or the database refused them.
    pub resting_layers: Arc<Resting<LayerId>>,
    /// Who else is connected.
    pub replicas: Roll,
    /// What each cap refused last.
    pub refusals: Refusals,
    /// State of the accounts.
    pub accounts: AccountsState,
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
    /// Another replica has other times.
    #[error("the settings of the replicas differ")]
    Timings(#[from] OtherTimings),
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
        let store = Store::connect(&wiring::replica_store(settings), registry).await?;
        if !settings.booking.dry_run {
            let connected = store.connected().await?;
            timings::agree(&connected.replicas, &wiring::timings(settings))?;
        }
        check_facility(&store, settings.feed.facility.as_deref()).await?;
        let hosts = HostIndex::new(wiring::index(settings));
        let matching = MatchMetrics::new(registry)?;
        let returns = CheckInMetrics::new(registry, matching.wasted(), matching.checkouts())?;
        let how = wiring::refresh(settings);
        let (first, longest) = MISSING_ROOM;
        let missing = Arc::new(MissingRoom::new(first, longest));
        let (from, to) = (store.clone(), hosts.clone());
        let refresh = Refresh::new(from, to, how, returns.clone(), Arc::clone(&missing));
        refresh.once().await?;

        let returns = (returns, missing);
        let stages = Stages::new(&store, &hosts, (matching, returns), settings, registry)?;
        let (book, settle) = (stages.feed.book(), stages.dispatch.settle());
        let (feed, scan) = (stages.feed.handle(), stages.feed.scan());
        let resting_layers = Arc::clone(&stages.resting_layers);
        let refusals = stages.dispatch.refusals();
        // Before the first turn, so that clusters without work get none.
        scan.once().await?;
        let mut flow = Flow::new(Meters::new(registry)?);
        stages.join(&mut flow, &settings.stages);
        flow.tick(scan);
        flow.tick(refresh);
        flow.tick(settle.clone());
        let connected = Replicas::new(store.clone(), registry)?;
        let replicas = connected.roll();
        flow.tick(connected);
        if !settings.booking.dry_run {
            let age = wiring::forgotten_after(settings);
            flow.tick(Reconcile::new(settle.clone(), age));
        }
        let (keeper, counted) = (crate::telemetry::replica(), AccountsMetrics::new(registry)?);
        let accounts = Accounts::new(store.clone(), keeper, counted);
        let accounts_state = accounts.state();
        flow.tick(accounts);
        Ok(Self {
            flow,
            book,
            feed,
            hosts,
            store,
            settle,
            resting_layers,
            replicas,
            refusals,
            accounts: accounts_state,
        })
    }
}

/// The six stages, ready to be joined.
struct Stages {
    feed: ClusterFeed,
    fetch: JobFetch,
    lock: LayerLock,
    matching: HostMatch<Held>,
    dispatch: Dispatch,
    check_in: CheckIn,
    resting_layers: Arc<Resting<LayerId>>,
}

impl Stages {
    fn new(
        store: &Store,
        hosts: &HostIndex,
        (matching, (returns, missing)): (MatchMetrics, (CheckInMetrics, Arc<MissingRoom<HostId>>)),
        settings: &Settings,
        registry: &Registry,
    ) -> Result<Self, StartError> {
        let (store, hosts) = (|| store.clone(), || hosts.clone());
        let rules = Arc::new(wiring::fit_rules(settings));
        let rqd = RqdClient::new(wiring::rqd(settings));
        let resting_layers = resting(LAYER_REST);
        let feeding = FeedMetrics::new(registry)?;
        let fetching = FetchMetrics::new(registry)?;
        let locking = LockMetrics::new(registry, matching.without_host())?;
        let dispatching = DispatchMetrics::new(registry)?;
        let skip = resting_layers.clone();
        let how = wiring::dispatch(settings);
        let launches = Capacity::new(wiring::launch_capacity(settings));
        let lock = wiring::lock(settings);
        Ok(Self {
            feed: ClusterFeed::new(store(), wiring::feed(settings), feeding),
            fetch: JobFetch::new(store(), hosts(), wiring::fetch(settings), fetching),
            lock: LayerLock::new(store(), hosts(), skip, lock, locking, launches),
            matching: HostMatch::new(hosts(), rules, matching),
            dispatch: Dispatch::new(store(), rqd, how, dispatching, resting_layers.clone()),
            check_in: CheckIn::new(hosts(), returns, resting(HOST_REST), missing),
            resting_layers,
        })
    }

    /// Opens the five edges and runs the stages, the last one first.
    fn join(self, flow: &mut Flow, width: &config::Stages) {
        let (to_fetch, turns) = flow.edge(JobFetch::NAME, width.job_fetch.queue);
        let (to_lock, works) = flow.edge(LayerLock::NAME, width.layer_lock.queue);
        let (to_match, batches) = flow.edge(HostMatch::<Held>::NAME, width.host_match.queue);
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
