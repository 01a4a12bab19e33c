//! Layers that hosts ran lately.
//!
//! They only decide what to try: such a layer may run on the host no longer, and layers that another replica
//! booked are missing. They are lost with the process, which costs some warm hosts.

use std::collections::HashMap;

use cue_domain::{HostId, JobId, LayerId};

/// Layers that are kept for each host.
const LAYERS: usize = 8;

/// Hosts that are kept. Beyond that all are forgotten, because hosts also leave farms.
const HOSTS: usize = 50_000;

/// Layers with their jobs, by host, the one that was placed last first.
#[derive(Clone, Debug, Default)]
pub(crate) struct WarmLayers(HashMap<HostId, Vec<(JobId, LayerId)>>);

impl WarmLayers {
    /// Records a frame of the layer on the host.
    pub(crate) fn record(&mut self, host: &HostId, job: &JobId, layer: &LayerId) {
        if !self.0.contains_key(host) {
            if self.0.len() >= HOSTS {
                self.0.clear();
            }
            self.0.insert(host.clone(), Vec::with_capacity(LAYERS));
        }
        let Some(layers) = self.0.get_mut(host) else {
            return;
        };
        if let Some(place) = layers.iter().position(|(_, known)| known == layer) {
            layers[..=place].rotate_right(1);
            return;
        }
        layers.truncate(LAYERS - 1);
        layers.insert(0, (job.clone(), layer.clone()));
    }

    /// Layers of each of these hosts, the last first.
    pub(crate) fn on(&self, hosts: &[HostId]) -> Vec<&[(JobId, LayerId)]> {
        let of_hosts = hosts.iter().filter_map(|host| self.0.get(host));
        of_hosts.map(Vec::as_slice).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_host_has_its_last_eight_layers(placed in proptest::collection::vec((0..3u8, 0..20u8), 0..80)) {
            let mut warm = WarmLayers::default();
            let host = |n: u8| HostId::from(format!("h{n}"));
            let layer = |n: u8| (JobId::from(format!("j{}", n % 4)), LayerId::from(format!("l{n:02}")));
            for (on, of) in &placed {
                let (job, id) = layer(*of);
                warm.record(&host(*on), &job, &id);
            }
            for on in 0..3 {
                let mut last = Vec::new();
                for (_, of) in placed.iter().rev().filter(|(host, _)| *host == on) {
                    if last.len() < 8 && !last.contains(&layer(*of)) {
                        last.push(layer(*of));
                    }
                }
                prop_assert_eq!(warm.on(&[host(on)]).concat(), last);
            }
        }
    }
}
