//! Jobs that wait for a frame in a pick.

use cue_domain::order::Standing;
use cue_domain::sizing::trial;

use crate::asked::Amounts;
use crate::cluster_rows::{JobRows, LayerRows};
use crate::picked::PickRules;

/// A job in the queue of the pick.
pub(super) struct Turn<'a> {
    pub(super) rows: &'a JobRows,
    pub(super) standing: Standing,
    /// Centicores in use and asked for.
    pub(super) cores: i64,
    /// Its layers that were not passed over yet, with the frames that are left of the first.
    pub(super) layers: std::slice::Iter<'a, LayerRows>,
    pub(super) current: Option<(&'a LayerRows, i64)>,
    /// Frames of the first that were picked.
    pub(super) taken: u32,
}

impl<'a> Turn<'a> {
    pub(super) fn next_layer(&mut self, asked: &Amounts, rules: &PickRules) {
        self.taken = 0;
        let next = self.layers.next();
        self.current = next.map(|layer| (layer, left_of(layer, asked, rules)));
    }
}

/// Frames of the layer that wait and that no turn asked for; while it tries a few frames, no more than these.
pub(super) fn left_of(layer: &LayerRows, asked: &Amounts, rules: &PickRules) -> i64 {
    let row = &layer.row;
    let asked = asked.frames.get(&row.layer.id).copied().unwrap_or_default();
    let left = row.layer.waiting.saturating_sub(asked);
    let trial = trial(&row.layer, row.is_measured).filter(|_| rules.cores_follow_memory);
    trial.map_or(left, |most| {
        let busy = row.running.max(0).saturating_add(asked);
        left.min(most.saturating_sub(busy))
    })
}
