//! What is tried: two or three threads, each with few steps, on a farm of one or two hosts.

mod world;

use std::time::{Duration, Instant};

use cue_domain::{Centicores, HostId};

use world::{Held, World, cores, host, in_any_order, tagged};

#[test]
fn one_host_goes_to_one_of_two_that_find_it_by_different_tags() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8)]);
        let takers = ["a", "b"].map(|tag| world.thread(move |world| world.take(tag)));
        let held: Vec<Held> = takers
            .into_iter()
            .filter_map(|taker| taker.join().unwrap())
            .collect();
        assert_eq!(held.len(), 1, "one of them, not none and not both");
        drop(held);
        world.is_at_rest(1);
    });
}

#[test]
fn a_loan_that_begins_while_another_ends_finds_the_host_whole() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8)]);
        let first = world.take("a").unwrap();
        let checks_in = world.thread(move |_| first.check_in(cores(3)));
        let takers = ["a", "b"].map(|tag| {
            world.thread(move |world| {
                if let Some(held) = world.take(tag) {
                    assert_eq!(held.lease().idle.cores, Centicores::cores(3));
                }
            })
        });
        checks_in.join().unwrap();
        for taker in takers {
            taker.join().unwrap();
        }
        world.is_at_rest(1);
    });
}

#[test]
fn a_snapshot_that_changes_a_host_meets_a_taker() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8)]);
        let taker = world.thread(|world| {
            if let Some(held) = world.take("a") {
                held.check_in(None);
            }
        });
        let changed = tagged(host("h", 5), &["b", "c"]);
        world.snapshot(vec![changed.clone()]);
        taker.join().unwrap();
        world.is_at_rest(1);
        // Whether it was on loan or not, the news have arrived.
        let held = world.take("c").unwrap();
        assert_eq!(held.lease().idle, changed.idle);
        drop(held);
        assert!(world.take("a").is_none());
    });
}

#[test]
fn a_snapshot_without_a_host_and_one_with_it_again_meet_a_taker() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8), host("i", 2)]);
        let taker = world.thread(|world| {
            let held = [world.take("a"), world.take("b")];
            drop(held);
        });
        let marks = (world.index.mark(), world.index.mark());
        let leaves = world.thread(move |world| {
            world.index.apply(marks.0, vec![host("i", 2)]);
        });
        let returns = world.thread(move |world| {
            let hosts = vec![host("h", 7), host("i", 2)];
            world.index.apply(marks.1, hosts);
        });
        for thread in [taker, leaves, returns] {
            thread.join().unwrap();
        }
        world.is_at_rest(2);
    });
}

#[test]
fn a_check_in_is_not_overwritten_by_a_snapshot_that_was_begun_before_it() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8)]);
        let held = world.take("a").unwrap();
        let mark = world.index.mark();
        let checks_in = world.thread(move |_| held.check_in(cores(3)));
        // The query saw it before the booking, and retagged.
        let seen = tagged(host("h", 8), &["a", "c"]);
        world.index.apply(mark, vec![seen]);
        checks_in.join().unwrap();
        world.is_at_rest(1);
        let held = world.take("c").unwrap();
        assert_eq!(held.lease().idle.cores, Centicores::cores(3));
    });
}

#[test]
fn a_host_that_has_left_does_not_return_with_its_lease() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8)]);
        let held = world.take("a").unwrap();
        let checks_in = world.thread(move |_| held.check_in(cores(3)));
        world.snapshot(vec![]);
        checks_in.join().unwrap();
        world.is_at_rest(0);
        world.snapshot(vec![host("h", 4)]);
        world.is_at_rest(1);
    });
}

#[test]
fn a_host_that_leaves_with_its_lease_is_not_lost_to_the_snapshot_that_has_it_again() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8)]);
        let held = world.take("a").unwrap();
        world.snapshot(vec![]);
        let drops = world.thread(move |_| drop(held));
        world.snapshot(vec![host("h", 4)]);
        drops.join().unwrap();
        world.is_at_rest(1);
        let held = world.take("b").unwrap();
        assert_eq!(held.lease().idle.cores, Centicores::cores(4));
    });
}

#[test]
fn a_lease_that_is_dropped_late_does_not_bring_back_what_somebody_else_has() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8)]);
        let start = Instant::now();
        let lost = world.take("a").unwrap().into_lease();
        assert!(world.index.sweep(start).is_empty());
        let drops = world.thread(move |_| drop(lost));
        let sweeps = world.thread(move |world| {
            let reclaimed = world.index.sweep(start + Duration::from_secs(300));
            assert!(reclaimed.len() < 2);
            // It is there by now, whether by the drop or by the sweep, unless another has it.
            world.take("b")
        });
        let other = world.thread(|world| world.take("a"));
        drops.join().unwrap();
        let held = [sweeps.join().unwrap(), other.join().unwrap()];
        assert_eq!(
            held.iter().flatten().count(),
            1,
            "the next has it, and only one"
        );
        drop(held);
        world.is_at_rest(1);
    });
}

#[test]
fn a_host_that_is_to_rest_meets_a_taker_and_a_sweep() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8)]);
        let start = Instant::now();
        let until = start + Duration::from_secs(10);
        let taker = world.thread(|world| drop(world.take("a")));
        let sweeps = world.thread(move |world| {
            assert!(world.index.sweep(until).is_empty(), "no loan is overdue");
        });
        world.index.rest(&HostId::from("h"), until);
        taker.join().unwrap();
        sweeps.join().unwrap();
        world.index.farm().check();
        assert!(world.index.sweep(until).is_empty());
        world.is_at_rest(1);
    });
}

#[test]
fn a_host_is_not_put_where_it_is_being_cleared_away() {
    in_any_order(|| {
        let world = World::new(vec![host("h", 8), host("i", 8)]);
        let held = world.take("a").unwrap();
        let checks_in = world.thread(move |_| held.check_in(cores(3)));
        let other = world.thread(|world| {
            if let Some(held) = world.take("b") {
                held.check_in(cores(3));
            }
        });
        world.index.farm().shelves.clear_away();
        checks_in.join().unwrap();
        other.join().unwrap();
        world.is_at_rest(2);
    });
}
