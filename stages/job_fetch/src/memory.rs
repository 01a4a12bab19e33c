//! A cache of memory samples, and the sizes of layers by them.
//!
//! Samples change slowly, so they are read again only after a while. A restart loses them, which costs one query.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use cue_domain::messages::WantedLayer;
use cue_domain::sizing::memory_of;
use cue_domain::{Kib, LayerId};
use cue_store::{Store, StoreError};
use parking_lot::Mutex;

/// Age of samples that are read again.
const FRESH: Duration = Duration::from_secs(5);

/// Layers whose samples are read in one turn, at most.
const MOST: usize = 64;

/// Memory samples of layers.
#[derive(Debug, Default)]
pub(crate) struct MemoryCache(Mutex<HashMap<LayerId, (Instant, Vec<Kib>)>>);

impl MemoryCache {
    /// Sizes the layers that are threadable and `measured`.
    ///
    /// # Errors
    /// The statement failed. The layers are unchanged.
    pub(crate) async fn apply(
        &self,
        store: &Store,
        layers: &mut [WantedLayer],
        measured: &HashSet<&LayerId>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let unknown = self.unknown(layers, measured, now);
        if !unknown.is_empty() {
            let mut read = store.layer_memory(&unknown).await?;
            let mut known = self.0.lock();
            known.retain(|_, (read_at, _)| now.saturating_duration_since(*read_at) < FRESH);
            for layer in unknown {
                let samples = read.remove(&layer).unwrap_or_default();
                known.insert(layer, (now, samples));
            }
        }
        let known = self.0.lock();
        for layer in layers {
            let Some((_, samples)) = known.get(&layer.layer.id) else {
                continue;
            };
            let asked = layer.layer.memory_min;
            layer.sized = Some(memory_of(asked, samples)).filter(|memory| *memory > asked);
        }
        Ok(())
    }

    fn unknown(
        &self,
        layers: &[WantedLayer],
        measured: &HashSet<&LayerId>,
        now: Instant,
    ) -> Vec<LayerId> {
        let known = self.0.lock();
        let is_fresh = |id: &LayerId| {
            let read_at = known.get(id).map(|(read_at, _)| *read_at);
            read_at.is_some_and(|read_at| now.saturating_duration_since(read_at) < FRESH)
        };
        layers
            .iter()
            .filter(|wanted| wanted.layer.threadable && measured.contains(&wanted.layer.id))
            .filter(|wanted| !is_fresh(&wanted.layer.id))
            .map(|wanted| wanted.layer.id.clone())
            .take(MOST)
            .collect()
    }
}
