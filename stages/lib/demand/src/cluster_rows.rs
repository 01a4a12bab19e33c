//! The mirrored rows of one cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cue_domain::demand::{WaitingJob, WaitingLayer};
use cue_domain::{Cluster, JobId, LayerId};

use crate::asked::Asked;

/// Number of a shape.
pub(crate) type ShapeId = u32;

/// A layer that waits.
#[derive(Clone, Debug)]
pub(crate) struct LayerRows {
    pub(crate) shape: ShapeId,
    pub(crate) row: WaitingLayer,
}

/// A job that waits, and its layers in dispatch order.
#[derive(Clone, Debug)]
pub(crate) struct JobRows {
    pub(crate) job: WaitingJob,
    pub(crate) layers: Vec<LayerRows>,
}

/// The jobs of one cluster.
#[derive(Debug)]
pub(crate) struct ClusterRows {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) jobs: BTreeMap<JobId, JobRows>,
    pub(crate) asked: Asked,
    /// Bumped whenever its rows change.
    pub(crate) version: u64,
    /// True if the last pick found no use for idle cores, though some layers of the cluster fit the hosts.
    pub(crate) is_blocked: bool,
    /// True while booking for the cluster is paused: nothing is picked, entitled or reserved for it.
    pub(crate) is_paused: bool,
    /// Waiting frames by shape, as of a version.
    pub(crate) waiting_by_shape: (u64, Vec<(ShapeId, i64)>),
}

impl ClusterRows {
    pub(crate) fn changed(&mut self) {
        self.version = self.version.wrapping_add(1);
        self.is_blocked = false;
    }

    /// Returns true if both have the same rows.
    pub(crate) fn has_rows_of(&self, other: &Self) -> bool {
        let is_same = |(id, rows): (&JobId, &JobRows)| {
            other.jobs.get(id).is_some_and(|other| {
                let layers = rows.layers.iter().map(|layer| &layer.row);
                rows.job == other.job && layers.eq(other.layers.iter().map(|layer| &layer.row))
            })
        };
        self.jobs.len() == other.jobs.len() && self.jobs.iter().all(is_same)
    }

    /// Waiting frames of all its layers.
    pub(crate) fn waiting(&self) -> i64 {
        let by_shape = self.waiting_by_shape().iter();
        by_shape.fold(0, |sum, (_, frames)| sum.saturating_add(*frames))
    }

    /// Waiting frames by shape.
    pub(crate) fn waiting_by_shape(&self) -> &[(ShapeId, i64)] {
        &self.waiting_by_shape.1
    }

    /// Counts waiting frames by shape, if rows have changed since the last count or `anyway`.
    pub(crate) fn count(&mut self, anyway: bool) {
        if self.waiting_by_shape.0 == self.version && !anyway {
            return;
        }
        let mut waiting = BTreeMap::<ShapeId, i64>::new();
        for layer in self.jobs.values().flat_map(|job| &job.layers) {
            let sum = waiting.entry(layer.shape).or_default();
            *sum = sum.saturating_add(layer.row.layer.waiting);
        }
        self.waiting_by_shape = (self.version, waiting.into_iter().collect());
    }
}

impl LayerRows {
    /// Longest run of a frame of the layer so far.
    pub(crate) fn longest_run(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.row.longest_run_s).ok()?;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    fn place(&self) -> (i64, &LayerId) {
        (self.row.layer.dispatch_order, &self.row.layer.id)
    }
}

impl JobRows {
    pub(crate) fn remove(&mut self, layer: &LayerId) {
        self.layers.retain(|known| known.row.layer.id != *layer);
    }

    pub(crate) fn put(&mut self, layer: LayerRows) {
        let search =
            |rows: &[LayerRows]| rows.binary_search_by(|known| known.place().cmp(&layer.place()));
        if let Ok(found) = search(&self.layers) {
            self.layers[found] = layer;
            return;
        }
        self.remove(&layer.row.layer.id);
        let (Ok(place) | Err(place)) = search(&self.layers);
        self.layers.insert(place, layer);
    }
}
