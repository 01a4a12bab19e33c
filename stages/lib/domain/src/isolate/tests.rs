//! Batches with any rows at fault: all others are booked, in few transactions.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// A farm that refuses some layers, hosts and rows.
#[derive(Clone, Debug, Default)]
struct Bad {
    layers: BTreeSet<usize>,
    hosts: BTreeSet<usize>,
    rows: BTreeSet<usize>,
}

impl Bad {
    fn refuses(&self, rows: &[Row], group: &[usize]) -> bool {
        group.iter().any(|index| {
            let row = rows[*index];
            self.rows.contains(index)
                || self.layers.contains(&row.layer)
                || self.hosts.contains(&row.host)
        })
    }
}

/// Outcome of a batch.
#[derive(Debug, Default)]
struct Ended {
    tries: usize,
    booked: BTreeSet<usize>,
    failed: BTreeMap<usize, BTreeSet<usize>>,
    hosts: BTreeSet<usize>,
}

/// Books a batch as dispatch does.
fn book(rows: &[Row], bad: &Bad, split: Split) -> Ended {
    book_apart(rows, bad, split, &BTreeSet::new())
}

/// The same, with layers that failed before.
fn book_apart(rows: &[Row], bad: &Bad, split: Split, failed_before: &BTreeSet<usize>) -> Ended {
    let mut isolation = Isolation::with_failed_before(rows.to_vec(), failed_before);
    let mut ended = Ended::default();
    let (mut seen, mut certain) = (0, BTreeMap::<usize, usize>::new());
    while let Some(group) = isolation.next_group() {
        ended.tries += 1;
        if bad.refuses(rows, &group.rows) {
            isolation.failed(group, (), split);
        } else {
            ended.booked.extend(&group.rows);
            isolation.succeeded(group);
        }
        let failures = isolation.failures()[seen..].iter();
        let new: Vec<_> = failures
            .map(|found| (found.layer, found.rows.clone()))
            .collect();
        seen += new.len();
        for (layer, failed) in new {
            let on: BTreeSet<usize> = failed.iter().map(|row| rows[*row].host).collect();
            let elsewhere = ended.booked.iter().any(|row| rows[*row].layer == layer);
            if on.len() == 1 && elsewhere {
                let host = rows[failed[0]].host;
                let frames = certain.entry(host).or_default();
                *frames += failed.len();
                if *frames >= 2 {
                    isolation.exclude_host(host);
                    ended.hosts.insert(host);
                }
            }
            ended.failed.entry(layer).or_default().extend(failed);
        }
    }
    ended
}

fn log2(n: usize) -> usize {
    n.next_power_of_two().trailing_zeros() as usize
}

/// Rows of each layer, on hosts in turn.
fn farm(layers: usize, each: usize, hosts: usize) -> Vec<Row> {
    let row = |n: usize| Row {
        layer: n / each,
        host: n % hosts,
    };
    (0..layers * each).map(row).collect()
}

#[test]
fn a_sound_batch_takes_one_transaction() {
    let ended = book(&farm(64, 6, 9), &Bad::default(), Split::Halves);
    assert_eq!((ended.tries, ended.booked.len()), (1, 384));
}

#[test]
fn one_bad_layer_among_many_costs_few_transactions() {
    let bad = Bad {
        layers: [17].into(),
        ..Bad::default()
    };
    let ended = book(&farm(64, 6, 9), &bad, Split::Halves);
    assert_eq!(ended.booked.len(), 63 * 6);
    assert_eq!(ended.failed.keys().collect::<Vec<_>>(), [&17]);
    assert_eq!(
        ended.tries,
        1 + 2 * 6 + 2,
        "the layer fails on all of its hosts"
    );
    assert!(ended.hosts.is_empty());
    let ended = book(&farm(64, 6, 9), &bad, Split::Layers);
    assert_eq!((ended.tries, ended.booked.len()), (1 + 64, 63 * 6));
}

#[test]
fn a_bad_host_is_found_and_no_row_elsewhere_waits_for_it() {
    let rows = farm(64, 6, 9);
    let bad = Bad {
        hosts: [4].into(),
        ..Bad::default()
    };
    let ended = book(&rows, &bad, Split::Halves);
    assert_eq!(ended.hosts, [4].into());
    assert_eq!(
        ended.booked.len(),
        rows.iter().filter(|row| row.host != 4).count()
    );
    assert!(ended.tries < 60, "{}", ended.tries);
}

#[test]
fn layers_that_failed_before_cost_the_others_no_transaction() {
    let bad = Bad {
        layers: [3, 17].into(),
        ..Bad::default()
    };
    let rows = farm(64, 1, 9);
    let ended = book_apart(&rows, &bad, Split::Halves, &[3, 17, 20].into());
    assert_eq!((ended.tries, ended.booked.len()), (4, 62));
    let first = Isolation::<()>::with_failed_before(rows, &[0].into()).next_group();
    assert_eq!(first.unwrap().rows, (1..64).collect::<Vec<_>>());
}

#[test]
fn several_bad_layers_on_the_only_host_leave_it_to_the_sound_ones() {
    let bad = Bad {
        layers: [0, 1, 2, 3].into(),
        ..Bad::default()
    };
    let ended = book(&farm(5, 1, 1), &bad, Split::Halves);
    assert_eq!((ended.booked, ended.hosts.len()), ([4].into(), 0));
    let ended = book(&farm(4, 1, 1), &bad, Split::Halves);
    assert_eq!((ended.failed.len(), ended.hosts.len()), (4, 0));
}

#[test]
fn a_bad_frame_costs_neither_its_host_nor_the_other_frames() {
    let bad = Bad {
        rows: [3].into(),
        ..Bad::default()
    };
    let ended = book(&farm(1, 8, 2), &bad, Split::Halves);
    assert_eq!((ended.booked.len(), ended.hosts.len()), (7, 0));
    assert_eq!(ended.failed[&0], [3].into());
}

#[test]
fn a_layer_that_is_excluded_meanwhile_is_not_tried() {
    let rows = farm(4, 2, 2);
    let mut isolation: Isolation<()> = Isolation::new(rows);
    let all = isolation.next_group().unwrap();
    isolation.failed(all, (), Split::Halves);
    isolation.exclude_layer(1);
    isolation.exclude_layer(2);
    let groups = std::iter::from_fn(|| {
        let group = isolation.next_group()?;
        let rows = group.rows.clone();
        isolation.succeeded(group);
        Some(rows)
    });
    assert_eq!(groups.collect::<Vec<_>>(), [[0, 1], [6, 7]]);
}

fn batches() -> impl Strategy<Value = (Vec<Row>, Bad)> {
    let rows = proptest::collection::vec((0usize..24, 0usize..9), 1..150);
    let set = |below: usize| proptest::collection::btree_set(0..below, 0..4);
    (rows, set(24), set(9), set(150), 0u8..4).prop_map(|(mut rows, layers, hosts, single, kind)| {
        rows.sort_unstable();
        let rows: Vec<Row> = rows
            .into_iter()
            .map(|(layer, host)| Row { layer, host })
            .collect();
        let bad = match kind {
            0 => Bad {
                layers,
                ..Bad::default()
            },
            1 => Bad {
                hosts,
                ..Bad::default()
            },
            2 => Bad {
                rows: single,
                ..Bad::default()
            },
            _ => Bad {
                layers,
                hosts,
                rows: single,
            },
        };
        (rows, bad)
    })
}

proptest! {
    #[test]
    fn all_sound_layers_are_booked_within_a_bound((rows, bad) in batches(), halves in any::<bool>()) {
        let split = if halves { Split::Halves } else { Split::Layers };
        let ended = book(&rows, &bad, split);
        let is_bad = |index: usize| bad.refuses(&rows, &[index]);
        let layers: BTreeSet<usize> = rows.iter().map(|row| row.layer).collect();
        for (index, row) in rows.iter().enumerate() {
            prop_assert!(!(is_bad(index) && ended.booked.contains(&index)));
            let sound = (0..rows.len()).all(|other| rows[other].layer != row.layer || !is_bad(other));
            if sound {
                prop_assert!(ended.booked.contains(&index) || ended.hosts.contains(&row.host));
                prop_assert!(!ended.failed.contains_key(&row.layer));
            }
        }
        let most = layers.iter().map(|layer| rows.iter().filter(|row| row.layer == *layer).count()).max();
        let bad_layers: BTreeSet<usize> = (0..rows.len()).filter(|row| is_bad(*row)).map(|row| rows[row].layer).collect();
        let each = match split {
            Split::Halves => 2 * log2(layers.len()) + 2 * (log2(most.unwrap_or(1)) + 2),
            Split::Layers => layers.len(),
        };
        prop_assert!(ended.tries <= 1 + bad_layers.len() * each, "{} tries", ended.tries);
    }
}
