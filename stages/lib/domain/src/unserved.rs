//! Waiting layers that no host could ever serve.
//!
//! No turn ever picks them, so nothing else would show them: layers whose tags no host of the show's
//! allocations carries, shows without a subscription, facilities without an allocation.
//!
//! Invariant: a layer counts here, or some host of the show's allocations carries one of its tags, or it names
//! ignored tags only.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::demand::{Subscription, WaitingJob, WaitingLayer};
use crate::ids::{AllocId, FacilityId, ShowId};
use crate::tags::Tag;
use crate::text::printable;

/// Examples kept at most.
const EXAMPLES: usize = 5;

/// Waiting layers that no host could ever serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unserved {
    /// Layers.
    pub layers: u64,
    /// Waiting frames in them.
    pub frames: u64,
    /// Some of them, each of other tags or another show, as `JOB/LAYER (tags)`.
    pub examples: Vec<String>,
}

/// Tags of the hosts of each allocation.
pub type CarriedTags = HashMap<AllocId, HashSet<Tag>>;

/// Finds the layers that wait and that no host could serve, given the tags that hosts carry. Layers that name
/// `ignored` tags only are left out on purpose.
pub fn unserved<'a>(
    waiting: impl IntoIterator<Item = (&'a WaitingJob, &'a WaitingLayer)>,
    subscriptions: &[Subscription],
    carried: &CarriedTags,
    ignored: &[Tag],
) -> Unserved {
    let mut served: HashMap<(&FacilityId, &ShowId), HashSet<&Tag>> = HashMap::new();
    for subscription in subscriptions {
        let cluster = (&subscription.facility, &subscription.show);
        let tags = carried.get(&subscription.alloc).into_iter().flatten();
        let tags = tags.filter(|tag| !ignored.contains(tag));
        served.entry(cluster).or_default().extend(tags);
    }
    let mut found = Unserved::default();
    let mut examples: BTreeMap<(&ShowId, &[Tag]), String> = BTreeMap::new();
    for (job, waiting) in waiting {
        let layer = &waiting.layer;
        let tags = served.get(&(&job.facility, &job.show));
        let is_served = |tag: &Tag| tags.is_some_and(|tags| tags.contains(tag));
        let is_left_out =
            !layer.tags.is_empty() && layer.tags.iter().all(|tag| ignored.contains(tag));
        if is_left_out || layer.waiting <= 0 || layer.tags.iter().any(is_served) {
            continue;
        }
        found.layers += 1;
        found.frames = found.frames.saturating_add(layer.waiting.unsigned_abs());
        let name = format!("{}/{}", job.name, layer.name);
        let example = examples
            .entry((&job.show, &layer.tags))
            .or_insert_with(|| name.clone());
        if name < *example {
            *example = name;
        }
    }
    let mut named: Vec<String> = examples
        .into_iter()
        .map(|((_, tags), name)| example(&name, tags))
        .collect();
    named.sort_unstable();
    named.truncate(EXAMPLES);
    found.examples = named;
    found
}

fn example(name: &str, tags: &[Tag]) -> String {
    let tags: Vec<String> = tags.iter().map(Tag::to_string).collect();
    let tags = match tags.len() {
        0 => "no tags".to_owned(),
        1 => format!("tag {}", tags.join("")),
        _ => format!("tags {}", tags.join(" | ")),
    };
    printable(&format!("{name} ({tags})"))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::layer::Layer;
    use crate::units::{Centicores, Kib};

    fn job(show: &str) -> WaitingJob {
        WaitingJob {
            id: show.into(),
            name: format!("{show}-job").into(),
            facility: "f".into(),
            facility_name: "yard".into(),
            show: show.into(),
            show_name: show.into(),
            folder: "o".into(),
            priority: 1,
            ..WaitingJob::default()
        }
    }

    fn layer(name: &str, tags: &[&str]) -> WaitingLayer {
        WaitingLayer {
            job: "j".into(),
            layer: Layer {
                id: name.into(),
                name: name.into(),
                dispatch_order: 1,
                cores_min: Centicores::CORE,
                memory_min: Kib::GIB,
                tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
                waiting: 10,
                ..Layer::default()
            },
            ..WaitingLayer::default()
        }
    }

    fn subscription(show: &str, alloc: &str) -> Subscription {
        Subscription {
            show: show.into(),
            show_name: show.into(),
            facility: "f".into(),
            facility_name: "yard".into(),
            alloc: alloc.into(),
            size: Centicores::CORE,
            burst: Centicores::CORE,
            cores: Centicores(0),
        }
    }

    #[test]
    fn layers_of_tags_that_no_host_of_the_show_carries_are_found() {
        let (a, b, c) = (job("a"), job("b"), job("c"));
        let layers = [
            (&a, layer("1", &["gpu", "nowhere"])),
            (&a, layer("2", &["nowhere", "else"])),
            (&a, layer("3", &["nowhere", "else"])),
            (&b, layer("4", &["gpu"])),
            (&c, layer("5", &["general"])),
            (&a, layer("6", &["desktop"])),
            (&a, layer("7", &["desktop", "nowhere"])),
            (&a, layer("8", &[])),
        ];
        let tags = |tags: &[&str]| tags.iter().map(|tag| Tag::from(*tag)).collect();
        let carried = CarriedTags::from([
            ("farm".into(), tags(&["general", "desktop"])),
            ("cards".into(), tags(&["gpu"])),
        ]);
        let subscriptions = [
            subscription("a", "farm"),
            subscription("a", "cards"),
            subscription("b", "farm"),
        ];
        let waiting = layers.iter().map(|(job, layer)| (*job, layer));
        let ignored = [Tag::from("desktop")];
        let found = unserved(waiting, &subscriptions, &carried, &ignored);
        assert_eq!((found.layers, found.frames), (6, 60));
        assert_eq!(
            found.examples,
            [
                "a-job/2 (tags nowhere | else)",
                "a-job/7 (tags desktop | nowhere)",
                "a-job/8 (no tags)",
                "b-job/4 (tag gpu)",
                "c-job/5 (tag general)",
            ]
        );
    }
}
