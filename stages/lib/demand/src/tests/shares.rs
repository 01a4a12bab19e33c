//! Shares of idle cores between two shows.

use cue_domain::demand::{DemandRows, WaitingJob};
use cue_domain::{BookedLayer, Centicores};
use proptest::prelude::*;

use crate::DemandIndex;
use crate::tests::fixture::{
    complete, host, index_of, job, key, layer, pick, read, row, subscription,
};

/// Shows with their sizes in cores.
const SHOWS: [(&str, i64); 2] = [("a", 160), ("b", 480)];

/// Rows of two shows that hold some cores and want more than there are.
fn rows(held: [i64; 2], cap: Option<i64>) -> DemandRows {
    let job_of = |show: &str| {
        let mut job: WaitingJob = job(&format!("{show}-job"), show, 1);
        job.room.cores = cap.filter(|_| show == "a").map(Centicores::cores);
        job
    };
    let jobs = SHOWS.map(|(show, _)| job_of(show));
    let layers = SHOWS.map(|(show, _)| row(&format!("{show}-job"), layer(show, 1, 10_000)));
    let mut rows = complete(jobs.to_vec(), layers.to_vec());
    let subscriptions = SHOWS.iter().zip(held);
    rows.subscriptions = subscriptions
        .map(|((show, size), held)| subscription(show, "a", (*size, 10_000, held)))
        .collect();
    rows
}

/// Serves a show of the idle cores, as a match that spends its entitlement would. Returns the cores left.
fn serve(index: &DemandIndex, show: usize, idle: i64, held: &mut [i64; 2]) -> i64 {
    let (name, _) = SHOWS[show];
    if idle == 0 {
        return 0;
    }
    let pick = pick(index, name, &[host("h", idle)]);
    let entitled = pick.entitled[0].1.whole();
    let wanted: i64 = pick
        .layers
        .iter()
        .map(|layer| i64::from(layer.frames))
        .sum();
    let booked = wanted.min(entitled).min(idle);
    held[show] += booked;
    let of_turn = BookedLayer {
        layer: name.into(),
        job: format!("{name}-job").into(),
        frames: booked.unsigned_abs(),
        cores: vec![("a".into(), Centicores::cores(booked))],
    };
    index.turn_ended(&key(name), &[of_turn]);
    idle - booked
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shares_hold_within_a_frame_whoever_picks_first_and_whenever_rows_are_read(
        steps in proptest::collection::vec((1..6i64, any::<bool>(), any::<bool>(), any::<bool>()), 1..80),
    ) {
        let mut held = [0, 0];
        let index = index_of(rows(held, None));
        for (freed, b_is_first, reads_between, reads_after) in steps {
            let order = if b_is_first { [1, 0] } else { [0, 1] };
            let left = serve(&index, order[0], freed, &mut held);
            if reads_between {
                read(&index, rows(held, None));
            }
            let left = serve(&index, order[1], left, &mut held);
            prop_assert_eq!(left, 0, "nothing stays idle");
            if reads_after {
                read(&index, rows(held, None));
            }
            let all = held[0] + held[1];
            let off = held[0] * 4 - all;
            prop_assert!(off.abs() <= 4, "{:?} of {}", held, all);
        }
    }
}

#[test]
fn a_show_without_usable_work_keeps_no_cores_from_others() {
    let index = index_of(rows([0, 0], Some(0)));
    let first = pick(&index, "b", &[host("h", 40)]);
    assert_eq!(first.entitled[0].1, Centicores::cores(30));
    assert!(first.is_limited);
    let capped = pick(&index, "a", &[host("h", 10)]);
    assert!(capped.layers.is_empty() && !capped.has_work);
    let second = pick(&index, "b", &[host("h", 10)]);
    assert_eq!(second.entitled[0].1, Centicores::cores(10));
    assert!(!second.is_limited);
    // A look that opens the cap brings the claim back.
    assert!(!read(&index, rows([0, 30], None)));
    let third = pick(&index, "b", &[host("h", 10)]);
    assert_eq!(third.entitled[0].1, Centicores(0));
}

#[test]
fn a_show_that_is_owed_nothing_now_keeps_its_claim() {
    // Show a holds far more than its share.
    let index = index_of(rows([100, 0], None));
    let none = pick(&index, "a", &[host("h", 40)]);
    assert!(none.layers.is_empty() && none.is_limited);
    assert!(none.has_work);
    assert!(!read(&index, rows([100, 300], None)));
    none_is_blocked(&index);
}

/// Both shows are even, so each gets its part of what is idle.
fn none_is_blocked(index: &DemandIndex) {
    let index = index.clone();
    let entitled = pick(&index, "b", &[host("h", 40)]).entitled[0].1;
    assert_eq!(entitled, Centicores::cores(30));
}

#[test]
fn clusters_are_ordered_by_the_tier_of_the_database() {
    let index = index_of(rows([80, 120], None));
    let tiers: Vec<_> = index
        .clusters()
        .iter()
        .map(|cluster| cluster.tier)
        .collect();
    assert_eq!(tiers, [Some(0.5), Some(0.25)]);
    let mut full = rows([80, 120], None);
    full.subscriptions[0].burst = Centicores(8_099);
    read(&index, full);
    let tiers: Vec<_> = index
        .clusters()
        .iter()
        .map(|cluster| cluster.tier)
        .collect();
    assert_eq!(tiers, [None, Some(0.25)], "a burst without a core left");
}
