//! Hosts that are lent by their ids, hosts that a search passes over, and idle hosts.

use std::time::{Duration, Instant};

use cue_domain::{Centicores, FacilityId, Host, HostId};

use super::{Wish, cores_left, host, idle, index_of, layer};

#[test]
fn a_host_is_lent_by_its_id_under_the_same_conditions_as_by_a_search() {
    let index = index_of(vec![idle("small", 2, 64), host("h"), idle("full", 0, 64)]);
    let take = |id: &str, wish: &Wish, may_take: bool| {
        let id = HostId::from(id);
        let admits = |host: &Host| {
            assert_eq!(host.id, id);
            may_take
        };
        let lease = index.take_host(&id, &wish.request(), admits);
        index.check();
        assert!(lease.iter().all(|lease| lease.id == id));
        lease
    };
    let wish = Wish::of(layer());
    let mut spent = Wish::of(layer());
    spent.subscriptions[0].1 = Centicores(99);
    let mut elsewhere = Wish::of(layer());
    elsewhere.facility = FacilityId::from("g");
    let mut untagged = Wish::of(layer());
    untagged.tags.clear();
    let of_job = |cores| Wish {
        job_remaining: Some(Centicores::cores(cores)),
        ..Wish::of(layer())
    };
    for refused in [&spent, &elsewhere, &untagged, &of_job(0)] {
        assert!(take("h", refused, true).is_none());
    }
    assert!(take("h", &wish, false).is_none());
    assert!(take("full", &wish, true).is_none());
    assert!(take("unknown", &wish, true).is_none());
    // A search prefers the host with fewer idle cores.
    let lease = take("h", &of_job(1), true).unwrap();
    assert!(take("h", &wish, true).is_none(), "on loan");
    drop(lease);
    let lease = take("h", &wish, true).unwrap();
    index.check_in(lease, cores_left(0));
    assert!(take("h", &wish, true).is_none(), "nothing is idle");
}

#[test]
fn a_search_passes_over_hosts_that_may_not_be_taken() {
    let index = index_of(vec![idle("a", 1, 64), idle("b", 2, 64), idle("c", 2, 32)]);
    let wish = Wish::of(layer());
    let take = |excluded: &[&str]| {
        let admits = |host: &Host| !excluded.contains(&&*host.name);
        let taken = index.take(&wish.request(), admits);
        taken.map(|(lease, _)| lease.name.to_string())
    };
    assert_eq!(take(&[]).as_deref(), Some("a"));
    assert_eq!(take(&["a"]).as_deref(), Some("b"));
    assert_eq!(take(&["a", "b"]).as_deref(), Some("c"));
    assert_eq!(take(&["a", "b", "c"]), None);
}

#[test]
fn idle_hosts_are_those_that_can_be_lent() {
    let index = index_of(vec![idle("a", 4, 64), host("b"), idle("full", 0, 64)]);
    let idle_cores = || {
        let mut hosts = index.idle_hosts();
        hosts.sort_by(|one, other| one.id.cmp(&other.id));
        let cores = |host: Host| (host.name.to_string(), host.idle.cores.whole());
        hosts.into_iter().map(cores).collect::<Vec<_>>()
    };
    let (a, b) = (("a".to_owned(), 4), ("b".to_owned(), 32));
    assert_eq!(idle_cores(), [a.clone(), b.clone()]);
    let lease = Wish::of(layer()).take(&index).unwrap();
    assert_eq!(idle_cores(), std::slice::from_ref(&b), "a is on loan");
    index.check_in(lease, cores_left(3));
    assert_eq!(idle_cores(), [("a".to_owned(), 3), b.clone()]);
    let now = Instant::now();
    index.back_off(&HostId::from("b"), now + Duration::from_secs(1));
    assert_eq!(idle_cores(), [("a".to_owned(), 3)], "b backs off");
    assert!(index.sweep(now + Duration::from_secs(1)).is_empty());
    index.apply(index.mark(), vec![idle("a", 4, 64)]);
    assert_eq!(idle_cores(), [a], "b left");
}

#[test]
fn a_host_that_moves_to_another_facility_is_lent_there_and_only_once() {
    // Facilities that share a shard, and others.
    for facility in (0..16).map(|n| FacilityId::from(format!("g{n}").as_str())) {
        let index = index_of(vec![host("h")]);
        let (old, mut new) = (Wish::of(layer()), Wish::of(layer()));
        new.facility = facility.clone();
        let moved = Host {
            facility,
            ..host("h")
        };
        let lease = old.take(&index).unwrap();
        index.change(index.mark(), vec![moved.clone()], &[]);
        assert!(old.take(&index).is_none() && new.take(&index).is_none());
        drop(lease);
        index.apply(index.mark(), vec![moved]);
        assert!(old.take(&index).is_none());
        assert!(new.take(&index).is_some());
        index.change(index.mark(), vec![host("h")], &[]);
        assert_eq!(index.len(), 1);
        assert!(new.take(&index).is_none());
        assert!(old.take(&index).is_some());
    }
}

#[test]
fn the_caller_may_use_the_index_while_it_chooses() {
    let index = index_of(vec![idle("a", 1, 64), idle("b", 2, 64)]);
    let wish = Wish::of(layer());
    let may_take = |found: &Host| index.is_idle(&found.id) && &*found.name == "b";
    assert!(index.take(&wish.request(), may_take).is_some());
    assert_eq!(index.idle_hosts().len(), 2, "the lease was dropped");
}
