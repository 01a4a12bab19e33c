//! The order by example.

use super::*;

const MS: Duration = Duration::from_millis(1);

fn dispatched(dispatched_jobs: u64, booked: u64) -> TurnEnd {
    TurnEnd {
        dispatched_jobs,
        booked,
        ..TurnEnd::default()
    }
}

#[test]
fn within_a_tick_the_cluster_that_dispatched_most_goes_first() {
    let start = Instant::now();
    let ends = [(0, 0), (1, 900), (3, 3), (3, 4)].map(|(jobs, frames)| dispatched(jobs, frames));
    let of = Order::new(start);
    // Each is due a little later than the one before, and all in one tick.
    let keys =
        (0..4).map(|n| of.due_at(n, start + MS * n as u32, ends.get(n as usize), (None, None)));
    let mut keys: Vec<DueAt> = keys.collect();
    keys.sort_unstable();
    let numbers: Vec<u64> = keys.iter().map(|key| key.number).collect();
    assert_eq!(numbers, [3, 2, 1, 0]);
}

#[test]
fn an_earlier_tick_goes_first_regardless_of_jobs() {
    let of = Order::new(Instant::now());
    let quiet = of.due_at(1, of.origin + TICK - MS, None, (None, None));
    let busy = of.due_at(
        2,
        of.origin + TICK,
        Some(&dispatched(9, 900)),
        (None, Some(0.1)),
    );
    assert!(quiet < busy);
    assert_eq!(quiet.tick, of.origin);
    assert_eq!(busy.tick, of.origin + TICK);
}

#[test]
fn a_cluster_is_not_due_again_in_the_tick_in_which_its_turn_began() {
    let of = Order::new(Instant::now());
    let begin = of.origin + 7 * MS;
    let again = of.due_at(1, begin, None, (Some(begin), None));
    assert_eq!(again.tick, of.origin + 2 * TICK);
    let later = of.due_at(1, begin + 100 * MS, None, (Some(begin), None));
    assert_eq!(
        later.tick,
        of.origin + 105 * MS,
        "a longer turn costs nothing"
    );
}

#[test]
fn within_a_tick_the_cluster_furthest_below_its_share_goes_first() {
    let of = Order::new(Instant::now());
    let key = |number, end: &TurnEnd, tier| of.due_at(number, of.origin, Some(end), (None, tier));
    let busy = dispatched(9, 900);
    let quiet = dispatched(0, 0);
    let mut keys = [
        key(0, &busy, None),
        key(1, &busy, Some(0.5)),
        key(2, &quiet, Some(0.25)),
        key(3, &quiet, Some(-100.0)),
        key(4, &quiet, Some(f64::NAN)),
        key(5, &quiet, Some(f64::INFINITY)),
    ];
    keys.sort_unstable();
    let numbers = keys.map(|key| key.number);
    assert_eq!(numbers, [3, 4, 2, 1, 0, 5]);
}
