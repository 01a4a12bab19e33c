//! The map, and amounts on its scale.

use cue_domain::host::ThreadMode;
use cue_domain::{Centicores, Kib};
use cue_hosts::{HostIndex, IndexSettings};

use super::*;

fn host(n: i64) -> Host {
    let total = Resources {
        cores: Centicores::cores(32),
        memory: Kib::gib(64),
        ..Resources::NONE
    };
    let idle = Resources {
        cores: Centicores::cores(n % 33),
        ..total
    };
    Host {
        id: format!("id{n:05}").as_str().into(),
        name: format!("node{n:05}").as_str().into(),
        facility: "yard".into(),
        alloc: "general".into(),
        tags: ["general".into()].into(),
        os: ["rhel9".into()].into(),
        thread_mode: ThreadMode::Auto,
        total,
        ledger: idle,
        idle,
        reported_us: 0,
    }
}

#[test]
fn a_map_has_every_host_once_in_the_order_of_names() {
    let index = HostIndex::new(IndexSettings::default());
    index.apply(index.mark(), (0..5_000).rev().map(host).collect());
    let snapshot = Snapshot {
        open: index.entries(),
        closed: Arc::default(),
        reservations: Reservations::default(),
    };
    let map = snapshot.map(&HostFilter::default());
    let names = map.names.unwrap();
    assert_eq!((names.len(), map.cells.len()), (5_000, 15_000));
    assert!(names.is_sorted() && names[17] == "node00017");
    assert_eq!(map.cells.get(0..3), Some("fz0"), "no core is idle");
    assert_eq!(map.cells.get(96..99), Some("i00"), "nothing is in use");
    assert_eq!(map.states.values().sum::<u64>(), 5_000);
    let filter = HostFilter {
        name: Some("node0001".to_owned()),
        ..HostFilter::default()
    };
    assert_eq!(snapshot.items(&filter).len(), 10);
}

#[test]
fn the_ends_of_the_scale_are_exact() {
    let steps = [
        (0, 100),
        (1, 1000),
        (50, 100),
        (999, 1000),
        (100, 100),
        (0, 0),
    ];
    let steps = steps.map(|(used, total)| step(Use { used, total }));
    assert_eq!(steps, ['0', '1', 'i', 'y', 'z', '0']);
}

#[test]
fn amounts_that_make_no_sense_stay_in_their_range() {
    for (total, idle, share) in [(100, -50, 1.0), (-1, 0, 0.0), (i64::MAX, i64::MIN, 1.0)] {
        assert_eq!(used(total, idle).share(), share);
    }
}
