//! Turns that did something together: it is told in one trace, and the others point at it.

use super::ratio::none;
use super::*;

/// More than one trace at a time, of which none was chosen.
const SHARED: Limits = Limits {
    traces: 4,
    unchosen: 8,
    ..SMALL
};

#[test]
fn what_a_kept_turn_points_at_is_kept_whichever_of_them_ends_first() {
    for first_ends_first in [true, false] {
        let bench = Bench::with(&none(), SHARED);
        let (first, later) = (bench.turn(), bench.turn());
        bench.child(&first, "shared");
        bench.pointing(&later, &first);
        bench.failing(&later, "launch");
        let mut roots = [&first, &later];
        if !first_ends_first {
            roots.reverse();
        }
        for turn in roots {
            end(turn, "booked");
        }
        let mut told = bench.exported();
        told.sort();
        assert_eq!(told, ["launch", "points", "shared", "turn", "turn"]);
        assert_eq!(
            (bench.counted("kept"), bench.counted("not_sampled")),
            (2, 0)
        );
        assert_eq!((bench.waiting(), &bench.sizes()[..2]), (0, &[0, 0][..]));
    }
}

#[test]
fn a_turn_that_nobody_wants_waits_for_those_that_point_at_it_and_lets_go_of_its_own() {
    let bench = Bench::with(&none(), SHARED);
    let turns = [bench.turn(), bench.turn(), bench.turn()];
    bench.pointing(&turns[1], &turns[0]);
    bench.pointing(&turns[2], &turns[1]);
    end(&turns[0], "booked");
    assert_eq!(bench.counted("not_sampled"), 0, "the second may fail yet");
    end(&turns[1], "booked");
    assert_eq!(bench.counted("not_sampled"), 1, "the third may fail yet");
    end(&turns[2], "booked");
    assert_eq!(bench.counted("not_sampled"), 3);
    assert_eq!(bench.exported(), [""; 0]);
    assert_eq!((bench.waiting(), &bench.sizes()[..2]), (0, &[0, 0][..]));
}

#[test]
fn turns_that_point_at_each_other_in_a_ring_let_go_of_each_other() {
    for failing in [None, Some(0), Some(1)] {
        let bench = Bench::with(&none(), SHARED);
        let turns = [bench.turn(), bench.turn()];
        bench.pointing(&turns[0], &turns[1]);
        bench.pointing(&turns[1], &turns[0]);
        if let Some(failing) = failing {
            bench.failing(&turns[failing], "launch");
        }
        end(&turns[0], "booked");
        end(&turns[1], "booked");
        let both = 2 * u64::from(failing.is_some());
        assert_eq!(bench.counted("kept"), both, "{failing:?} failed");
        assert_eq!(bench.counted("not_sampled"), 2 - both);
        assert_eq!((bench.waiting(), &bench.sizes()[..2]), (0, &[0, 0][..]));
    }
}

/// Room for more than a farm has under way.
const WIDE: Limits = Limits {
    traces: 1000,
    all: 10_000,
    spans: 64,
    unchosen: 64,
    gone: 1000,
};

/// Fifty turns of which each points at the one before, and ends after the next one began. Says which
/// of them are to fail, and how many traces were held at most.
fn chain(bench: &Bench, failing: &[usize]) -> usize {
    let mut most = 0;
    let mut before = bench.turn();
    for n in 1..50 {
        let turn = bench.turn();
        bench.pointing(&turn, &before);
        if failing.contains(&n) {
            bench.failing(&turn, "launch");
        }
        end(&before, "booked");
        most = most.max(bench.sizes()[0]);
        before = turn;
    }
    end(&before, "booked");
    assert_eq!((bench.waiting(), &bench.sizes()[..2]), (0, &[0, 0][..]));
    most
}

#[test]
fn a_long_row_of_ordinary_turns_holds_no_more_than_its_end() {
    let bench = Bench::with(&none(), WIDE);
    let most = chain(&bench, &[]);
    assert!(most <= 3, "{most} traces were held");
    assert_eq!(bench.exported(), [""; 0]);
    let outcomes = ["kept", "not_sampled", "evicted"].map(|outcome| bench.counted(outcome));
    assert_eq!(outcomes, [0, 50, 0]);
}

#[test]
fn of_a_long_row_a_failed_turn_keeps_its_direct_target_and_no_other() {
    let bench = Bench::with(&none(), WIDE);
    chain(&bench, &[20, 40]);
    let outcomes = ["kept", "not_sampled", "evicted"].map(|outcome| bench.counted(outcome));
    assert_eq!(outcomes, [4, 46, 0], "two that failed, and one each");
}

#[test]
fn a_turn_that_is_only_wanted_or_too_large_keeps_nothing_besides() {
    let bench = Bench::with(&none(), WIDE);
    let [aside, wanted, failed] = [bench.turn(), bench.turn(), bench.turn()];
    bench.pointing(&wanted, &aside);
    bench.pointing(&failed, &wanted);
    bench.failing(&failed, "launch");
    for turn in [&failed, &wanted, &aside] {
        end(turn, "booked");
    }
    assert_eq!(
        (bench.counted("kept"), bench.counted("not_sampled")),
        (2, 1)
    );

    let (aside, large) = (bench.turn(), bench.turn());
    bench.pointing(&large, &aside);
    for _ in 0..WIDE.unchosen {
        bench.child(&large, "step");
    }
    end(&aside, "booked");
    assert_eq!(bench.sizes()[0], 2, "the large one may fail yet");
    end(&large, "booked");
    assert_eq!(
        (bench.counted("kept"), bench.counted("not_sampled")),
        (3, 2)
    );
    assert_eq!((bench.waiting(), &bench.sizes()[..2]), (0, &[0, 0][..]));
}

#[test]
fn a_turn_that_failed_after_it_grew_too_large_keeps_what_it_points_at() {
    let bench = Bench::with(&none(), WIDE);
    let (target, large) = (bench.turn(), bench.turn());
    bench.pointing(&large, &target);
    for _ in 0..WIDE.unchosen {
        bench.child(&large, "step");
    }
    bench.failing(&large, "launch");
    end(&target, "booked");
    end(&large, "booked");
    assert_eq!(
        (bench.counted("kept"), bench.counted("not_sampled")),
        (2, 0)
    );
}

#[test]
fn a_large_turn_that_makes_room_for_others_has_its_claims_settled_by_what_is_known_of_it() {
    for failed in [true, false] {
        let bench = Bench::with(&none(), SHARED);
        let (large, target) = (bench.turn(), bench.turn());
        bench.pointing(&large, &target);
        for _ in 0..SHARED.unchosen {
            bench.child(&large, "step");
        }
        if failed {
            bench.failing(&large, "launch");
        }
        end(&target, "booked");
        let others: Vec<Context> = (0..3).map(|_| bench.turn()).collect();
        let kept = u64::from(failed);
        assert_eq!(bench.counted("kept"), kept, "failed: {failed}");
        assert_eq!(bench.counted("not_sampled"), 1 - kept);
        assert_eq!(bench.counted("evicted"), 0, "nothing of it is lost");
        assert_eq!(bench.sizes()[0], others.len());
    }
}

#[test]
fn turns_that_wait_for_those_that_point_at_them_are_bounded_too() {
    let bench = Bench::with(&none(), SHARED);
    let last = bench.turn();
    for _ in 0..10 {
        let first = bench.turn();
        bench.pointing(&last, &first);
        end(&first, "booked");
        assert!(bench.sizes()[..2].iter().all(|held| *held <= 4));
        assert!(bench.waiting() <= SHARED.all);
    }
    end(&last, "booked");
    assert_eq!(bench.counted("evicted") + bench.counted("not_sampled"), 11);
}
