//! Counters of waiting frames that make an answer untrue.

use super::contradictions::Contradiction;
use super::facts::{Facts, LayerFacts};
use super::reason::Why;

/// The contradiction that replaces the answer `why`, if a counter of waiting frames makes it untrue.
pub(super) fn contradiction(
    facts: &Facts,
    layer: Option<&LayerFacts>,
    why: &Why,
) -> Option<Contradiction> {
    let of = |layer: &LayerFacts| {
        let mut counts = facts.waiting_counts.iter();
        counts.find(|count| count.layer == layer.layer.id)
    };
    match why {
        Why::NothingWaits(_) => {
            let mut layers = facts
                .layers
                .iter()
                .filter_map(|layer| Some((layer, of(layer)?)));
            let (layer, count) =
                layers.find(|(_, count)| count.counted <= 0 && count.waiting > 0)?;
            Some(Contradiction::Counter {
                layer: Some(layer.layer.name.to_string()),
                counted: count.counted,
                waiting: count.waiting,
            })
        }
        Why::CanRun { .. } => {
            let layer = layer?;
            let count = of(layer)?;
            let (layer, counted) = match (count.waiting, count.counted_in_job) {
                (..=0, _) => (Some(layer.layer.name.to_string()), count.counted),
                (_, ..=0) => (None, count.counted_in_job),
                _ => return None,
            };
            Some(Contradiction::Counter {
                layer,
                counted,
                waiting: count.waiting,
            })
        }
        _ => None,
    }
}
