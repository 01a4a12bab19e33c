//! The rows of a batch, joined with the jobs that they were locked for.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::LayerId;
use cue_domain::messages::{LockedLayer, WantedLayer};
use cue_store::LockedRow;

/// Joins each locked row with the layer that was wanted.
pub(crate) fn join(part: &[&WantedLayer], rows: Vec<LockedRow>) -> Vec<LockedLayer> {
    let of_layer: HashMap<&LayerId, &WantedLayer> = part
        .iter()
        .map(|wanted| (&wanted.layer.id, *wanted))
        .collect();
    rows.into_iter()
        .filter_map(|row| {
            let wanted = of_layer.get(&row.layer.id)?;
            Some(LockedLayer {
                job: wanted.job.clone(),
                layer: row.layer,
                frames: row.frames,
                running_on: Arc::clone(&wanted.running_on),
                longest_run: wanted.longest_run,
                sized: wanted.sized,
                is_spare: wanted.is_spare,
                is_equal: wanted.is_equal,
                has_more: wanted.has_more,
                limits: row.limits,
            })
        })
        .collect()
}
