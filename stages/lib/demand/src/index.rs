//! Handle of the index, which can be cloned.
//!
//! Invariant: one lock, held for one reading, one pick or one question, and never while anything waits.

mod questions;

use std::sync::Arc;
use std::time::Duration;

use cue_domain::demand::DemandRows;
use cue_domain::{
    BookedLayer, Centicores, Cluster, ClusterKey, Host, HostId, JobId, LayerId, PauseScope, Tag,
};
use parking_lot::Mutex;

use crate::asked::Amounts;
use crate::blocked::{self, BlockedLayer};
use crate::gpus::{GpuWork, kept_for_gpus};
use crate::pick;
use crate::picked::{Pick, PickInput};
use crate::reservations::Reservations;
use crate::rows::Rows;
use crate::supply::Supply;
use crate::warm::WarmLayers;

/// Number of a reading, taken before its query runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// Waiting work of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterDemand {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// Changes whenever its rows do.
    pub version: u64,
    /// Its lowest tier over the allocations that it may use: cores in use as a part of its size. `None`
    /// without a subscription that admits a core.
    pub tier: Option<f64>,
    /// True while booking for it is paused.
    pub is_paused: bool,
}

/// The index in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemandStats {
    /// Jobs that wait.
    pub jobs: usize,
    /// Layers that wait.
    pub layers: usize,
    /// Frames that wait.
    pub frames: i64,
}

struct State {
    rows: Rows,
    /// Number of the newest reading that began.
    reading: u64,
    gpu_work: Arc<[GpuWork]>,
    reservations: Reservations,
    warm: WarmLayers,
    paused: Vec<PauseScope>,
}

impl State {
    /// Marks the clusters that are paused. Work of these keeps no GPUs and reserves no hosts.
    fn mark_paused(&mut self) {
        for cluster in self.rows.clusters.values_mut() {
            let mut scopes = self.paused.iter();
            cluster.is_paused = scopes.any(|scope| scope.covers(&cluster.cluster));
        }
        self.gpu_work = self.rows.gpu_work().into();
    }
}

/// Every waiting layer. Clones are handles to the same index.
#[derive(Clone)]
pub struct DemandIndex(Arc<Mutex<State>>);

impl DemandIndex {
    /// An empty index that leaves out these tags of layers.
    pub fn new(ignored: Vec<Tag>) -> Self {
        Self(Arc::new(Mutex::new(State {
            rows: Rows::new(ignored),
            reading: 0,
            gpu_work: Arc::from([]),
            reservations: Reservations::default(),
            warm: WarmLayers::default(),
            paused: Vec::new(),
        })))
    }

    /// Begins a reading. Call it before the query runs.
    pub fn begin_reading(&self) -> Generation {
        let mut state = self.0.lock();
        state.reading += 1;
        Generation(state.reading)
    }

    /// Applies the rows of a reading. Returns true if a complete reading is needed soon: a job appeared whose
    /// layers did not change and so were not read.
    pub fn apply(&self, reading: Generation, rows: DemandRows) -> bool {
        let mut state = self.0.lock();
        let state = &mut *state;
        let incomplete = state.rows.apply(rows);
        for cluster in state.rows.clusters.values_mut() {
            cluster.asked.read(reading.0);
        }
        state.mark_paused();
        incomplete
    }

    /// Pauses booking for these scopes, and for nothing else.
    pub fn pause(&self, scopes: Vec<PauseScope>) {
        let mut state = self.0.lock();
        state.paused = scopes;
        state.mark_paused();
    }

    /// Every cluster with waiting work.
    pub fn clusters(&self) -> Vec<ClusterDemand> {
        let state = self.0.lock();
        let rows = &state.rows;
        let clusters = rows
            .clusters
            .iter()
            .filter(|(_, rows)| !rows.jobs.is_empty());
        clusters
            .map(|(key, of_cluster)| ClusterDemand {
                cluster: Arc::clone(&of_cluster.cluster),
                version: of_cluster.version,
                tier: tier(rows, key),
                is_paused: of_cluster.is_paused,
            })
            .collect()
    }

    /// Resources of these idle hosts that picks may use: those for work with GPUs and reserved hosts count apart.
    pub fn supply(&self, idle: &[Host]) -> Supply {
        let (gpu_work, reservations) = {
            let state = self.0.lock();
            (Arc::clone(&state.gpu_work), state.reservations.clone())
        };
        Supply::of(idle, |host| kept_for_gpus(host, &gpu_work), &reservations)
    }

    /// Picks layers for a turn of the cluster.
    pub fn pick(&self, key: &ClusterKey, input: &PickInput<'_>) -> Pick {
        let mut state = self.0.lock();
        let State { rows, warm, .. } = &mut *state;
        pick::pick(rows, warm, key, input)
    }

    /// Records frames of layers that were put on hosts, so that later picks find what these hosts run.
    pub fn placed<'a>(
        &self,
        placed: impl IntoIterator<Item = (&'a HostId, &'a JobId, &'a LayerId)>,
    ) {
        let mut state = self.0.lock();
        for (host, job, layer) in placed {
            state.warm.record(host, job, layer);
        }
    }

    /// Records that the turn of the cluster has ended, and the frames that it booked.
    pub fn turn_ended(&self, key: &ClusterKey, booked: &[BookedLayer]) {
        let mut state = self.0.lock();
        let reading = state.reading;
        if let Some(cluster) = state.rows.clusters.get_mut(key) {
            cluster.asked.end(Amounts::of(booked), reading);
        }
    }

    /// Waiting work that asks for GPUs, one layer of each shape and show.
    pub fn gpu_work(&self) -> Arc<[GpuWork]> {
        Arc::clone(&self.0.lock().gpu_work)
    }

    /// Layers that fit no idle host of the supply, that have had no frame running or stopping for `after`, and
    /// that all known caps admit; the one that waits longest first.
    pub fn blocked(&self, supply: &Supply, after: Duration, now_us: i64) -> Vec<BlockedLayer> {
        blocked::find(&self.0.lock().rows, supply, after, now_us)
    }

    /// Reserved hosts.
    pub fn reservations(&self) -> Reservations {
        self.0.lock().reservations.clone()
    }

    /// Publishes the reserved hosts, in place of those before.
    pub fn reserve(&self, reservations: Reservations) {
        self.0.lock().reservations = reservations;
    }
}

fn tier(rows: &Rows, key: &ClusterKey) -> Option<f64> {
    let cluster = rows.clusters.get(key)?;
    let subscriptions = rows.subscriptions.get(key)?.iter();
    let tiers = subscriptions.filter_map(|subscription| {
        let asked = cluster.asked.of_alloc(&subscription.alloc);
        let held = Centicores(subscription.cores.0.saturating_add(asked));
        let has_room =
            subscription.burst.0 > 0 && held.0.saturating_add(100) <= subscription.burst.0;
        has_room.then(|| cue_domain::entitlement::tier(subscription.size, held))
    });
    tiers.min_by(f64::total_cmp)
}
