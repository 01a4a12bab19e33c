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
        let launch = Context::new().with_span(bench.tracer.start_with_context("launch", &later));
        launch.span().set_status(Status::error("refused"));
        launch.span().end();
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
        assert_eq!(bench.sizes()[..2], [0, 0]);
    }
}

#[test]
fn turns_that_point_at_each_other_in_a_row_are_dropped_together_when_nobody_wants_the_last() {
    let bench = Bench::with(&none(), SHARED);
    let turns = [bench.turn(), bench.turn(), bench.turn()];
    bench.pointing(&turns[1], &turns[0]);
    bench.pointing(&turns[2], &turns[1]);
    end(&turns[0], "booked");
    end(&turns[1], "booked");
    assert_eq!(
        bench.counted("not_sampled"),
        0,
        "the last may be wanted yet"
    );
    end(&turns[2], "booked");
    assert_eq!(bench.counted("not_sampled"), 3);
    assert_eq!(bench.exported(), [""; 0]);
    assert_eq!(bench.sizes()[..2], [0, 0]);
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
    }
    end(&last, "booked");
    assert_eq!(bench.counted("evicted") + bench.counted("not_sampled"), 11);
}
