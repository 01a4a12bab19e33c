//! Which clusters the tags of the farm make (contract, section 7).

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
///
/// Shows that are served by the same allocations share their chunks: on a large farm there is a tag
/// for each host, and a copy of each for every show would be most of what the scheduler holds.
#[must_use]
pub fn gather(rows: &[TagRow], rules: &ClusterRules) -> Vec<Arc<Cluster>> {
    let mut served: BTreeMap<(&FacilityId, &ShowId, TagKind), Served> = BTreeMap::new();
    let mut names: HashMap<&str, Arc<str>> = HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        for (show, name) in &row.shows {
            let by = served.entry((&row.facility, show, row.kind));
            let by = by.or_insert_with(|| Served {
                facility_name: shared(&mut names, &row.facility_name),
                show_name: shared(&mut names, name),
                rows: BTreeSet::new(),
            });
            by.rows.insert(number);
        }
    }
    let mut cut: HashMap<BTreeSet<usize>, Vec<Arc<[Tag]>>> = HashMap::new();
    let mut clusters = Vec::new();
    for ((facility, show, kind), by) in served {
        let (facility_name, show_name) = (by.facility_name, by.show_name);
        let numbers = by.rows;
        let chunks = cut
            .entry(numbers)
            .or_insert_with_key(|numbers| chunks(rows, numbers, kind, rules));
        for tags in chunks {
            clusters.push(Arc::new(Cluster {
                key: ClusterKey {
                    facility: facility.clone(),
                    show: show.clone(),
                    kind,
                    tags: Arc::clone(tags),
                },
                facility_name: Arc::clone(&facility_name),
                show_name: Arc::clone(&show_name),
            }));
        }
    }
    clusters
}

/// What serves a show in a facility with one kind of tags.
struct Served {
    facility_name: Arc<str>,
    show_name: Arc<str>,
    /// Which rows have the tags.
    rows: BTreeSet<usize>,
}

fn shared<'a>(names: &mut HashMap<&'a str, Arc<str>>, name: &'a str) -> Arc<str> {
    Arc::clone(names.entry(name).or_insert_with(|| Arc::from(name)))
}

/// The tags of these rows, which are all of this kind, sorted and cut.
fn chunks(
    rows: &[TagRow],
    numbers: &BTreeSet<usize>,
    kind: TagKind,
    rules: &ClusterRules,
) -> Vec<Arc<[Tag]>> {
    let most = match kind {
        TagKind::Alloc => NonZeroUsize::MIN,
        TagKind::Hostname => rules.hostname_chunk,
        TagKind::Manual | TagKind::Hardware => rules.manual_chunk,
    };
    let tags: BTreeSet<&Tag> = numbers
        .iter()
        .filter_map(|number| rows.get(*number))
        .flat_map(|row| &row.tags)
        .filter(|tag| !tag.as_str().is_empty() && !rules.ignore_tags.contains(tag))
        .collect();
    let tags: Vec<Tag> = tags.into_iter().cloned().collect();
    tags.chunks(most.get()).map(Arc::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(shows: &[&str], kind: TagKind, tags: &[&str]) -> TagRow {
        TagRow {
            facility: "f".into(),
            facility_name: "cloud".into(),
            shows: shows
                .iter()
                .map(|show| ((*show).into(), (*show).to_owned()))
                .collect(),
            kind,
            tags: tags.iter().map(|tag| Tag::from(*tag)).collect(),
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
            row(&["a"], TagKind::Alloc, &["general"]),
            row(&["a"], TagKind::Alloc, &["general"]),
            row(&["a"], TagKind::Alloc, &["gpu"]),
        ];
        let clusters = gather(&rows, &rules(50));
        assert_eq!(clusters.len(), 2);
        assert!(clusters.iter().all(|cluster| cluster.key.tags.len() == 1));
    }

    #[test]
    fn ignored_tags_make_no_cluster() {
        assert!(gather(&[row(&["a"], TagKind::Alloc, &["desktop"])], &rules(50)).is_empty());
    }

    #[test]
    fn a_show_has_the_tags_of_all_its_allocations_and_equal_shows_share_them() {
        let rows = [
            row(&["a", "b", "c"], TagKind::Hostname, &["n2", "n1"]),
            row(&["b", "c"], TagKind::Hostname, &["n3"]),
        ];
        let clusters = gather(&rows, &rules(50));
        let of = |show: &str| {
            let mut found = clusters.iter().filter(|one| &*one.show_name == show);
            let cluster = found.next().unwrap();
            assert!(found.next().is_none(), "one chunk");
            Arc::clone(&cluster.key.tags)
        };
        let texts = |tags: &[Tag]| {
            tags.iter()
                .map(|tag| tag.as_str().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(&of("a")), ["n1", "n2"]);
        assert_eq!(texts(&of("b")), ["n1", "n2", "n3"]);
        assert!(Arc::ptr_eq(&of("b"), &of("c")));
    }

    proptest! {
        #[test]
        fn chunks_partition_the_tags(names in proptest::collection::vec("[a-z]{1,3}", 0..60), chunk in 1usize..9) {
            let rows: Vec<TagRow> = names.iter().map(|name| row(&["a"], TagKind::Hostname, &[name])).collect();
            let clusters = gather(&rows, &rules(chunk));
            let mut seen: Vec<Tag> = clusters.iter().flat_map(|cluster| cluster.key.tags.iter().cloned()).collect();
            prop_assert!(clusters.iter().all(|cluster| cluster.key.tags.len() <= chunk));
            let wanted: BTreeSet<Tag> = names.iter().map(|name| Tag::from(name.as_str())).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, wanted.into_iter().collect::<Vec<_>>());
        }
    }
}
