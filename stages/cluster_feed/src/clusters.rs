//! Which clusters the tags of the farm make (contract, section 7).

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use cue_domain::{Cluster, ClusterKey, FacilityId, ShowId, Tag, TagKind};
use cue_store::TagRow;

/// How tags are gathered into clusters.
#[derive(Clone, Debug)]
pub struct ClusterRules {
    /// Tags that make no cluster.
    pub ignore_tags: Vec<Tag>,
    /// Manual and hardware tags in one cluster at most.
    pub manual_chunk: NonZeroUsize,
    /// Host name tags in one cluster at most.
    pub hostname_chunk: NonZeroUsize,
}

/// Gathers tags into clusters: one cluster for each allocation tag of a show and facility; the other
/// kinds sorted and cut into chunks. The order is that of the keys, so equal farms give equal sets.
#[must_use]
pub fn gather(rows: Vec<TagRow>, rules: &ClusterRules) -> Vec<Arc<Cluster>> {
    let mut names: BTreeMap<(FacilityId, ShowId), (Arc<str>, Arc<str>)> = BTreeMap::new();
    let mut tags: BTreeMap<(FacilityId, ShowId, TagKind), BTreeSet<Tag>> = BTreeMap::new();
    for row in rows {
        let tag = Tag::from(row.tag.as_str());
        if tag.as_str().is_empty() || rules.ignore_tags.contains(&tag) {
            continue;
        }
        names
            .entry((row.facility.clone(), row.show.clone()))
            .or_insert_with(|| (row.facility_name.into(), row.show_name.into()));
        tags.entry((row.facility, row.show, row.kind))
            .or_default()
            .insert(tag);
    }
    let mut clusters = Vec::new();
    for ((facility, show, kind), tags) in tags {
        let chunk = match kind {
            TagKind::Alloc => NonZeroUsize::MIN,
            TagKind::Hostname => rules.hostname_chunk,
            TagKind::Manual | TagKind::Hardware => rules.manual_chunk,
        };
        let Some((facility_name, show_name)) = names.get(&(facility.clone(), show.clone())) else {
            continue;
        };
        let tags: Vec<Tag> = tags.into_iter().collect();
        for chunk in tags.chunks(chunk.get()) {
            clusters.push(Arc::new(Cluster {
                key: ClusterKey {
                    facility: facility.clone(),
                    show: show.clone(),
                    kind,
                    tags: chunk.into(),
                },
                facility_name: Arc::clone(facility_name),
                show_name: Arc::clone(show_name),
            }));
        }
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(show: &str, kind: TagKind, tag: &str) -> TagRow {
        TagRow {
            facility: "f".into(),
            facility_name: "cloud".into(),
            show: show.into(),
            show_name: show.into(),
            kind,
            tag: tag.into(),
        }
    }

    fn rules(chunk: usize) -> ClusterRules {
        let chunk = NonZeroUsize::new(chunk).unwrap();
        ClusterRules {
            ignore_tags: vec![Tag::from("desktop")],
            manual_chunk: chunk,
            hostname_chunk: chunk,
        }
    }

    #[test]
    fn each_allocation_tag_is_a_cluster_and_duplicates_count_once() {
        let rows = vec![
            row("a", TagKind::Alloc, "general"),
            row("a", TagKind::Alloc, "general"),
            row("a", TagKind::Alloc, "gpu"),
        ];
        let clusters = gather(rows, &rules(50));
        assert_eq!(clusters.len(), 2);
        assert!(clusters.iter().all(|cluster| cluster.key.tags.len() == 1));
    }

    #[test]
    fn ignored_tags_make_no_cluster() {
        assert!(gather(vec![row("a", TagKind::Alloc, "desktop")], &rules(50)).is_empty());
    }

    proptest! {
        #[test]
        fn chunks_partition_the_tags(names in proptest::collection::vec("[a-z]{1,3}", 0..60), chunk in 1usize..9) {
            let rows = names.iter().map(|name| row("a", TagKind::Hostname, name)).collect();
            let clusters = gather(rows, &rules(chunk));
            let mut seen: Vec<Tag> = clusters.iter().flat_map(|cluster| cluster.key.tags.iter().cloned()).collect();
            prop_assert!(clusters.iter().all(|cluster| cluster.key.tags.len() <= chunk));
            let wanted: BTreeSet<Tag> = names.iter().map(|name| Tag::from(name.as_str())).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, wanted.into_iter().collect::<Vec<_>>());
        }
    }
}
