//! Frames that turns cannot find, by show, as of the last complete reading.

use std::collections::HashMap;

use cue_domain::ClusterKey;
use cue_domain::demand::KeptFrames;

/// Frames by cluster.
#[derive(Debug, Default)]
pub(crate) struct Kept(HashMap<ClusterKey, Vec<KeptFrames>>);

impl Kept {
    pub(crate) fn new(frames: Vec<KeptFrames>) -> Self {
        let mut by_cluster: HashMap<ClusterKey, Vec<KeptFrames>> = HashMap::new();
        for kept in frames {
            let key = ClusterKey {
                facility: kept.facility.clone(),
                show: kept.show.clone(),
            };
            by_cluster.entry(key).or_default().push(kept);
        }
        Self(by_cluster)
    }

    pub(crate) fn clusters(&self) -> impl Iterator<Item = &ClusterKey> {
        self.0.keys()
    }

    pub(crate) fn of(&self, key: &ClusterKey) -> &[KeptFrames] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}
