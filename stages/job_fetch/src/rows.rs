//! The rows that a pick reads, in the order of the pick.

use std::collections::HashMap;
use std::sync::Arc;

use cue_demand::Picked;
use cue_domain::messages::WantedLayer;
use cue_domain::{HostId, LayerId};
use cue_store::PendingJob;

/// Rows of picked layers, and the hosts that run them.
pub(crate) struct Rows {
    pub(crate) jobs: Vec<PendingJob>,
    pub(crate) hosts: HashMap<LayerId, HashMap<HostId, u32>>,
}

impl Rows {
    /// The layers in the order of the pick, and those that were not found.
    pub(crate) fn in_order(self, picked: &[Picked]) -> (Vec<WantedLayer>, Vec<LayerId>) {
        let mut found = HashMap::new();
        for pending in self.jobs {
            for layer in pending.layers {
                let job = Arc::clone(&pending.job);
                found.insert(layer.id.clone(), (job, layer));
            }
        }
        let mut hosts = self.hosts;
        let (mut layers, mut missing) = (Vec::new(), Vec::new());
        for picked in picked {
            let Some((job, layer)) = found.remove(&picked.layer) else {
                missing.push(picked.layer.clone());
                continue;
            };
            let running_on = hosts.remove(&layer.id).unwrap_or_default();
            layers.push(WantedLayer {
                job,
                layer,
                frames: picked.frames,
                running_on: Arc::new(running_on),
                longest_run: picked.longest_run,
                sized: None,
                is_spare: picked.is_spare,
                is_equal: picked.is_equal,
                has_more: picked.has_more,
            });
        }
        (layers, missing)
    }
}
