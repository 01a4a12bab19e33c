//! Named cases of reservations.

mod drain;
mod random;

use super::*;
use crate::units::{Centicores, Kib};

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn room(cores: i64, gib: i64, gpus: i64) -> Resources {
    Resources {
        cores: Centicores::cores(cores),
        memory: Kib::gib(gib),
        gpus,
        gpu_memory: Kib::gib(gpus),
    }
}

fn proc(holds: Resources, ends_in: u64) -> Proc {
    Proc {
        layer: "small".into(),
        holds,
        ends_in: seconds(ends_in),
    }
}

/// A host of 64 cores, 128 GiB and 2 GPUs that serves the first layer.
fn host(name: &str, idle: Resources, procs: Vec<Proc>) -> Candidate {
    Candidate {
        host: name.into(),
        total: room(64, 128, 2),
        idle,
        procs,
        serves: vec![0],
    }
}

fn blocked(layer: &str, needs: Resources, frames: u32) -> Blocked {
    Blocked {
        layer: layer.into(),
        needs,
        whole_host: false,
        frames,
        waited: seconds(60),
    }
}

fn ready_in(host: &Candidate, needs: &Resources, whole_host: bool) -> Option<Duration> {
    let ready = Timeline::of(host).ready(needs, whole_host)?;
    Some(ready.within)
}

fn hosts_of(reservations: &[Reservation], layer: &str) -> Vec<String> {
    let own = reservations
        .iter()
        .filter(|found| found.owner.as_str() == layer);
    own.map(|found| found.host.to_string()).collect()
}

#[test]
fn every_dimension_is_waited_for() {
    let procs = vec![
        proc(room(0, 0, 2), 40),
        proc(room(60, 20, 0), 10),
        proc(room(0, 100, 0), 30),
    ];
    let host = host("a", room(4, 8, 0), procs);
    for (needs, expected) in [
        (room(4, 8, 0), Some(0)),
        (room(64, 28, 0), Some(10)),
        (room(4, 29, 0), Some(30)),
        (room(1, 1, 1), Some(40)),
        (room(65, 1, 0), None),
        (room(1, 129, 0), None),
        (room(1, 1, 3), None),
    ] {
        let expected = expected.map(seconds);
        assert_eq!(ready_in(&host, &needs, false), expected, "{needs}");
    }
}

#[test]
fn a_whole_host_is_ready_when_its_last_core_is_free() {
    let busy = host(
        "a",
        room(62, 1, 2),
        vec![proc(room(1, 1, 0), 9), proc(room(1, 1, 0), 5)],
    );
    assert_eq!(ready_in(&busy, &room(0, 1, 0), true), Some(seconds(9)));
    // All but 63 cores are one, and all but 64 are none.
    assert_eq!(ready_in(&busy, &room(-63, 1, 0), true), Some(seconds(9)));
    assert_eq!(ready_in(&busy, &room(-64, 1, 0), true), None);
}

#[test]
fn a_negative_amount_in_a_row_takes_nothing_from_the_host() {
    let procs = vec![proc(room(-4, -4, -4), 5), proc(room(60, 0, 0), 9)];
    let wrong = host("a", room(4, 8, 2), procs);
    assert_eq!(ready_in(&wrong, &room(64, 8, 2), false), Some(seconds(9)));
}

#[test]
fn a_ledger_with_too_much_idle_makes_no_host_larger() {
    let wrong = host("a", room(999, 999, 9), Vec::new());
    assert_eq!(ready_in(&wrong, &room(65, 1, 0), false), None);
}

#[test]
fn the_first_hosts_to_be_ready_are_reserved_for_as_many_frames_as_wait() {
    let busy =
        |name: &str, ends_in| host(name, room(0, 128, 2), vec![proc(room(64, 0, 0), ends_in)]);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let ends = [80, 70, 60, 50, 40, 30, 20, 10];
    let candidates: Vec<_> = names
        .into_iter()
        .zip(ends)
        .map(|(name, ends)| busy(name, ends))
        .collect();
    let reserved =
        |needs, frames| hosts_of(&reserve(&[blocked("x", needs, frames)], &candidates), "x");
    assert_eq!(reserved(room(40, 1, 0), 2), ["h", "g"]);
    // Two frames fit one host, so three need two hosts.
    assert_eq!(reserved(room(32, 1, 0), 3), ["h", "g"]);
    // Half of the hosts at most.
    assert_eq!(reserved(room(40, 1, 0), 99), ["h", "g", "f", "e"]);
    assert_eq!(reserved(room(40, 1, 0), 0), [""; 0]);
    // Frames that need nothing all fit one host.
    assert_eq!(reserved(Resources::NONE, u32::MAX).len(), 1);
}

#[test]
fn a_host_whose_cores_stay_in_use_until_it_is_ready_costs_least() {
    let wide = host("wide", room(0, 128, 2), vec![proc(room(64, 0, 0), 11)]);
    let parts = (0..4).map(|n| proc(room(16, 0, 0), 10 - 2 * n));
    let early = host("early", room(0, 128, 2), parts.collect());
    let late = host("late", room(0, 128, 2), vec![proc(room(64, 0, 0), 13)]);
    let candidates = [late, early, wide];
    let reserved = |frames| {
        hosts_of(
            &reserve(&[blocked("x", room(64, 1, 0), frames)], &candidates),
            "x",
        )
    };
    // The four parts are idle for 0, 2, 4 and 6 seconds: 3 on average.
    assert_eq!(reserved(1), ["wide"]);
    assert_eq!(reserved(2), ["wide", "early"]);
}

#[test]
fn the_only_host_that_is_large_enough_is_reserved_for_the_first_layer() {
    let small = |name: &str| Candidate {
        total: room(8, 16, 0),
        serves: vec![0, 1],
        ..host(name, room(8, 16, 0), Vec::new())
    };
    let large = Candidate {
        serves: vec![1, 0, 7, 0],
        ..host("large", room(0, 0, 0), vec![proc(room(64, 128, 2), 5)])
    };
    let layers = [
        blocked("x", room(40, 1, 0), 9),
        blocked("y", room(40, 1, 0), 9),
    ];
    let reservations = reserve(&layers, &[small("a"), small("b"), large]);
    let expected = Reservation {
        host: "large".into(),
        owner: "x".into(),
        ready_in: seconds(5),
    };
    assert_eq!(reservations, [expected]);
}

#[test]
fn ends_follow_the_runs_so_far_and_a_late_run_ends_later_the_longer_it_is_late() {
    let median = seconds(40);
    let runs = |mean, longest| {
        let [mean, longest] = [mean, longest].map(seconds);
        Some(Runs { mean, longest })
    };
    for (runs, elapsed, expected) in [
        (runs(100, 100), 0, 100),
        (runs(100, 100), 99, 1),
        (runs(100, 100), 100, 0),
        (runs(100, 100), 160, 60),
        // Half way to the longest, once that is later.
        (runs(100, 120), 70, 30),
        (runs(100, 120), 90, 15),
        (runs(100, 120), 100, 10),
        (runs(100, 120), 106, 7),
        (runs(100, 120), 115, 15),
        (runs(100, 120), 150, 50),
        (runs(u64::MAX, 0), 7, u64::MAX - 7),
        (None, 10, 30),
        (None, 50, 10),
    ] {
        assert_eq!(
            expected_end(runs, seconds(elapsed), median),
            seconds(expected),
            "{runs:?} after {elapsed}"
        );
    }
}

#[test]
fn only_runs_that_end_before_the_host_is_ready_may_backfill() {
    assert!(may_backfill(Some(seconds(9)), seconds(10)));
    assert!(!may_backfill(Some(seconds(10)), seconds(10)));
    assert!(!may_backfill(None, Duration::MAX));
}
