//! Room of the farm as people ask for it: the whole of it, the part that is kept for GPUs, idle cores by tag.

use cue_domain::{AllocId, Host, Layer, Resources};

use super::{Supply, Tagged, asks_gpus};

impl Supply {
    /// Supply of the hosts as if nothing ran on them and nothing were kept.
    pub fn of_idle_farm(hosts: &[Host]) -> Self {
        let mut supply = Self::default();
        for host in hosts {
            let host = Host {
                idle: host.total,
                ..host.clone()
            };
            supply.add(&host, &Resources::NONE);
        }
        supply
    }

    /// Returns true if a frame without GPUs would fit an idle host of the allocation that keeps its room for work with
    /// GPUs.
    pub(crate) fn is_kept_for_gpus(
        &self,
        layer: &Layer,
        os: Option<&str>,
        alloc: &AllocId,
    ) -> bool {
        let fits = |tagged: &Tagged| tagged.gpu.least(layer, os).is_some();
        !asks_gpus(layer) && self.tagged(layer, alloc).any(fits)
    }

    /// Idle cores of the allocation's hosts that carry a tag of the layer, each host counted once for each tag.
    pub(crate) fn tagged_cores(&self, layer: &Layer, alloc: &AllocId) -> i64 {
        let fronts = self.tagged(layer, alloc);
        let cores = fronts.map(|tagged| match asks_gpus(layer) {
            true => tagged.gpu.sum.cores.0,
            false => tagged.plain.sum.cores.0,
        });
        cores.fold(0, i64::saturating_add)
    }

    fn tagged(&self, layer: &Layer, alloc: &AllocId) -> impl Iterator<Item = &Tagged> {
        let place = self.places.get(alloc);
        let tags = layer.tags.iter();
        tags.filter_map(move |tag| place?.by_tag.get(tag))
    }
}
