//! Questions about the waiting work that no turn asks: for people, metrics and answers of `why`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use cue_domain::why::{Queued, ReservationFacts};
use cue_domain::{CarriedTags, ClusterKey, Host, LayerId, Unserved, unserved};

use super::{DemandIndex, DemandStats};
use crate::farm::{self, FarmInput, FarmView, HostWork};
use crate::picked::PickInput;
use crate::queued::{place, queued};

impl DemandIndex {
    /// The policy that keeps a layer from idle hosts that could run it; `None` if the layer is next.
    #[must_use]
    pub fn queued(&self, layer: &LayerId, input: &PickInput<'_>) -> Option<Queued> {
        let state = self.0.lock();
        queued(&state.rows, &state.warm, layer, input)
    }

    /// Place of the layer in the order of its show, and the number of layers that were ordered, if the layer would be
    /// served on the idle farm that is the supply of `input`.
    #[must_use]
    pub fn place(&self, layer: &LayerId, input: &PickInput<'_>) -> Option<(usize, usize)> {
        let state = self.0.lock();
        place(&state.rows, &state.warm, layer, input)
    }

    /// Name of a waiting layer, as `JOB/LAYER`.
    #[must_use]
    pub fn name_of(&self, layer: &LayerId) -> Option<String> {
        let state = self.0.lock();
        let (_, job, layer) = state.rows.find(layer)?;
        Some(format!("{}/{}", job.job.name, layer.row.layer.name))
    }

    /// Waiting work that the host could run.
    #[must_use]
    pub fn work_for(&self, host: &Host) -> HostWork {
        farm::work_for(&self.0.lock().rows, host)
    }

    /// Waiting layers that no host could ever serve, given the tags that hosts carry.
    #[must_use]
    pub fn unserved(&self, carried: &CarriedTags) -> Unserved {
        let state = self.0.lock();
        let rows = &state.rows;
        let layers = rows.layers().map(|(_, job, layer)| (&job.job, &layer.row));
        let subscriptions: Vec<_> = rows.subscriptions.values().flatten().cloned().collect();
        unserved(layers, &subscriptions, carried, &[])
    }

    /// Names of these layers as `JOB/LAYER`, as far as they wait. Visits every layer, so it is for questions of people.
    #[must_use]
    pub fn names_of(&self, layers: &[LayerId]) -> HashMap<LayerId, String> {
        self.0.lock().rows.names_of(layers)
    }

    /// The farm by show: waiting frames by reason, shares, and stranded cores.
    #[must_use]
    pub fn farm(&self, input: &FarmInput<'_>) -> FarmView {
        let (keys, work, reservations) = {
            let state = self.0.lock();
            let rows = &state.rows;
            let keys = rows.clusters.keys().chain(rows.subscriptions.keys());
            let keys = keys.chain(rows.kept.clusters());
            let keys: BTreeSet<ClusterKey> = keys.cloned().collect();
            let keys: Vec<ClusterKey> = keys.into_iter().collect();
            let (work, reservations) = (&state.gpu_work, &state.reservations);
            (keys, Arc::clone(work), reservations.clone())
        };
        farm::view(
            (&keys, &work, &reservations),
            input,
            |key, supplies, pick| {
                let state = self.0.lock();
                let (rows, warm) = (&state.rows, &state.warm);
                farm::look(rows, warm, key, supplies, (pick, input.layer_backoffs))
            },
        )
    }

    /// Reserved hosts as they concern a layer at `now`.
    #[must_use]
    pub fn reservations_of(&self, layer: &LayerId, now: Instant) -> ReservationFacts {
        let state = self.0.lock();
        if state.reservations.is_empty() {
            return ReservationFacts::default();
        }
        let found = state.rows.find(layer);
        let longest_run = found.and_then(|(.., layer)| layer.longest_run());
        state.reservations.facts(layer, longest_run, now)
    }

    /// The index in numbers.
    #[must_use]
    pub fn stats(&self) -> DemandStats {
        let state = self.0.lock();
        let mut stats = DemandStats {
            layers: state.rows.layers().count(),
            ..DemandStats::default()
        };
        for cluster in state.rows.clusters.values() {
            stats.jobs += cluster.jobs.len();
            stats.frames = stats.frames.saturating_add(cluster.waiting());
        }
        stats
    }
}
