//! The parts of the pipeline, each made of its settings and of the shared values that it needs.

use std::sync::Arc;

use cue_check_in::{CheckIn, CheckInMetrics};
use cue_cluster_feed::ClusterFeed;
use cue_dispatch::{Dispatch, DispatchMetrics};
use cue_flow::{Capacity, Reserved};
use cue_host_match::{HostMatch, MatchMetrics};
use cue_job_fetch::JobFetch;
use cue_layer_lock::LayerLock;
use cue_loops::{
    Accounts, AccountsMetrics, ClosedHostsWatch, DemandMetrics, DemandRefresh, FarmWatch,
    HealthWatch, HostMetrics, HostRefresh, Indexes, Pauses, Reconcile, Replicas, Reserving, Settle,
    SettleMetrics, Snapshots, UnservedWatch,
};
use cue_store::OpenBooking;

use super::settings;
use super::shared::Shared;
use crate::config::wiring;
use crate::telemetry;

/// Keeps the rows of a batch locked, and reserves capacity for its launches.
type Held = (OpenBooking, Reserved);

/// A part, unless a metric of it is registered already.
type Made<T> = Result<T, prometheus::Error>;

/// The stages.
impl Shared<'_> {
    pub(super) fn cluster_feed(&self) -> Made<ClusterFeed> {
        let shared = cue_cluster_feed::Connections {
            store: self.store.clone(),
            demand: self.demand.clone(),
            supply: Arc::clone(&self.supply),
        };
        ClusterFeed::new(shared, settings::feed(self.settings), self.registry)
    }

    pub(super) fn job_fetch(&self, replicas: &Replicas) -> Made<JobFetch> {
        let shared = cue_job_fetch::Connections {
            store: self.store.clone(),
            demand: self.demand.clone(),
            hosts: self.hosts.clone(),
            backoffs: Arc::clone(&self.layer_backoffs),
            replica: replicas.place(),
            health: self.health.clone(),
        };
        JobFetch::new(shared, settings::fetch(self.settings), self.registry)
    }

    pub(super) fn layer_lock(&self) -> Made<LayerLock> {
        let shared = cue_layer_lock::Connections {
            store: self.store.clone(),
            backoffs: Arc::clone(&self.layer_backoffs),
            launches: Capacity::new(settings::launch_capacity(self.settings)),
            health: self.health.clone(),
        };
        LayerLock::new(shared, settings::WORKER_BACKOFF, self.registry)
    }

    pub(super) fn host_match(&self) -> Made<HostMatch<Held>> {
        let shared = cue_host_match::Connections {
            hosts: self.hosts.clone(),
            demand: self.demand.clone(),
            backoffs: Arc::clone(&self.layer_backoffs),
        };
        HostMatch::new(shared, wiring::fit_rules(self.settings), self.registry)
    }

    pub(super) fn dispatch(&self) -> Made<Dispatch> {
        let dispatch = Dispatch::new(
            self.store.clone(),
            self.rqd.clone(),
            settings::dispatch(self.settings),
            DispatchMetrics::new(self.registry)?,
            Arc::clone(&self.layer_backoffs),
        );
        let trace_url = self.settings.telemetry.trace_url.clone();
        dispatch.refusals().traces().set_template(trace_url);
        Ok(dispatch.with_health(self.health.clone()))
    }

    pub(super) fn check_in(&self, matching: &MatchMetrics) -> CheckIn {
        let to = (self.hosts.clone(), Arc::clone(&self.supply));
        let backoffs = Arc::clone(&self.host_backoffs);
        CheckIn::new(to, returns(matching), backoffs, Arc::clone(&self.missing))
    }
}

/// The side loops.
impl Shared<'_> {
    pub(super) fn demand_refresh(&self, feed: &ClusterFeed) -> Made<DemandRefresh> {
        let to = (self.demand.clone(), feed.updates());
        let every = settings::demand_refresh(self.settings);
        let metrics = DemandMetrics::new(self.registry)?;
        let refresh = DemandRefresh::new(self.store.clone(), to, every, metrics);
        Ok(refresh.with_health(self.health.clone()))
    }

    pub(super) fn host_refresh(&self, matching: &MatchMetrics) -> Made<HostRefresh> {
        let (supply, missing) = (Arc::clone(&self.supply), Arc::clone(&self.missing));
        let to = (self.hosts.clone(), supply, missing);
        let every = settings::host_refresh(self.settings);
        let metrics = HostMetrics::new(self.registry, returns(matching))?;
        let refresh = HostRefresh::new(self.store.clone(), to, every, metrics);
        Ok(refresh.with_health(self.health.clone()))
    }

    pub(super) fn settle(&self, dispatch: &Dispatch) -> Made<Settle> {
        let metrics = SettleMetrics::new(self.registry, dispatch.undone())?;
        let (store, rqd) = (self.store.clone(), self.rqd.clone());
        Ok(Settle::new(store, rqd, dispatch.recorder(), metrics))
    }

    /// `None` in a dry run, which launches nothing.
    pub(super) fn reconcile(&self, dispatch: &Dispatch) -> Option<Reconcile> {
        let age = settings::forgotten_after(self.settings);
        let reconcile = Reconcile::new(self.store.clone(), dispatch.recorder().pending(), age);
        (!self.settings.booking.dry_run).then_some(reconcile)
    }

    /// `None` if the settings disable reservations.
    pub(super) fn reservations(&self) -> Made<Option<Reserving>> {
        let indexes = (self.demand.clone(), self.hosts.clone());
        let made = |after| Reserving::new(self.store.clone(), indexes, after, self.registry);
        self.settings.policy.reserve_after.map(made).transpose()
    }

    pub(super) fn accounts(&self) -> Made<Accounts> {
        let metrics = AccountsMetrics::new(self.registry)?;
        let replica = telemetry::replica();
        Ok(Accounts::new(self.store.clone(), replica, metrics))
    }

    pub(super) fn replicas(&self) -> Made<Replicas> {
        Replicas::new(self.store.clone(), self.registry)
    }

    pub(super) fn pauses(&self) -> Made<Pauses> {
        Pauses::new(self.store.clone(), self.demand.clone(), self.registry)
    }

    pub(super) fn closed_hosts(&self) -> ClosedHostsWatch {
        ClosedHostsWatch::new(self.store.clone(), settings::host_refresh(self.settings))
    }

    pub(super) fn snapshots(&self) -> Made<Snapshots> {
        Snapshots::new(self.store.clone(), self.registry)
    }

    pub(super) fn health_watch(&self) -> Made<HealthWatch> {
        HealthWatch::new(self.store.clone(), self.health.clone(), self.registry)
    }

    pub(super) fn farm_watch(&self) -> Made<FarmWatch> {
        let indexes = Indexes {
            demand: self.demand.clone(),
            hosts: self.hosts.clone(),
            backoffs: Arc::clone(&self.layer_backoffs),
        };
        FarmWatch::new(indexes, wiring::pick_rules(self.settings), self.registry)
    }

    pub(super) fn unserved_watch(&self) -> Made<UnservedWatch> {
        UnservedWatch::new(self.store.clone(), self.demand.clone(), self.registry)
    }
}

/// Metrics of hosts that return to the index, in the families of host match.
fn returns(matching: &MatchMetrics) -> CheckInMetrics {
    CheckInMetrics::new(matching.wasted(), matching.checkouts())
}
