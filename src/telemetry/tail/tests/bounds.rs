//! How much is held at most, and what goes when there is more.

use opentelemetry::trace::TraceId;

use super::ratio::none;
use super::*;

#[test]
fn with_too_many_traces_the_oldest_is_dropped_whole_and_counted() {
    let bench = Bench::new(SMALL);
    let oldest = bench.turn();
    bench.child(&oldest, "lost");
    let turns = [bench.turn(), bench.turn()];
    assert_eq!(bench.counted("evicted"), 1);
    bench.child(&oldest, "also lost");
    end(&oldest, "booked");
    for turn in &turns {
        end(turn, "booked");
    }
    assert_eq!(bench.exported(), ["turn", "turn"]);
}

#[test]
fn nothing_is_kept_of_turns_that_ended() {
    let keep = Keep {
        slow: None,
        failed: false,
    };
    let mut held = Held::new(keep, SMALL);
    for number in 1..100_u128 {
        held.open(TraceId::from(number), true);
    }
    assert_eq!(held.sizes(), [2, 2, 2, 2]);
}

/// Room for many traces and for ten spans.
const FEW_SPANS: Limits = Limits {
    traces: 100,
    all: 10,
    spans: 50,
    unchosen: 50,
    gone: 100,
};

#[test]
fn with_too_many_spans_in_all_traces_the_oldest_that_has_any_is_dropped_whole() {
    let bench = Bench::with(&none(), FEW_SPANS);
    let turns: Vec<Context> = (0..4).map(|_| bench.turn()).collect();
    for turn in &turns[1..] {
        for name in ["a", "b", "c"] {
            bench.child(turn, name);
            assert!(bench.waiting() <= 10);
        }
    }
    assert_eq!((bench.counted("evicted"), bench.waiting()), (0, 9));
    bench.child(&turns[3], "d");
    bench.child(&turns[3], "e");
    assert_eq!((bench.counted("evicted"), bench.waiting()), (1, 8));
    for turn in &turns {
        bench.failing(turn, "launch");
        end(turn, "booked");
    }
    let told = bench.exported();
    let full = ["a", "b", "c", "launch", "turn"];
    let longer = ["a", "b", "c", "d", "e", "launch", "turn"];
    assert_eq!(
        told[..2],
        ["launch", "turn"],
        "the first had nothing to drop"
    );
    assert_eq!(told[2..7], full, "the second was dropped");
    assert_eq!(told[7..], longer);
    assert_eq!(bench.waiting(), 0);
}

#[test]
fn a_trace_that_passes_holds_nothing_and_loses_nothing_when_others_need_room() {
    let bench = Bench::new(SMALL);
    let large = bench.turn();
    for name in ["a", "b", "c"] {
        bench.child(&large, name);
    }
    assert_eq!(bench.waiting(), 0);
    let others = [bench.turn(), bench.turn()];
    bench.child(&large, "d");
    end(&large, "booked");
    assert_eq!(bench.exported(), ["a", "b", "c", "d", "turn"]);
    assert_eq!(bench.counted("evicted"), 0);
    for turn in &others {
        end(turn, "booked");
    }
    assert_eq!(bench.sizes()[..2], [0, 0]);
}

#[test]
fn what_nobody_wants_leaves_the_lock_before_it_is_freed() {
    let bench = Bench::with(&none(), FEW_SPANS);
    let keep = Keep {
        slow: None,
        failed: true,
    };
    let mut held = Held::new(keep, FEW_SPANS);
    let mut turn = || {
        let root = bench.tracer.start_with_context(ROOT, &Context::new());
        let root = root.exported_data().unwrap();
        held.open(root.span_context.trace_id(), false);
        let mut child = root.clone();
        child.parent_span_id = root.span_context.span_id();
        child.name = "child".into();
        (child, root)
    };
    let (unwanted, evicted) = (turn(), turn());
    let mut dropped = |span| {
        let fate = held.end(span);
        assert!(fate.span.is_none() && fate.waited.is_empty());
        fate.dropped.concat().len()
    };
    assert_eq!(dropped(unwanted.0.clone()), 0);
    assert_eq!(dropped(unwanted.1), 2, "child and root");
    assert_eq!(dropped(unwanted.0), 1, "the late one");
    for _ in 0..FEW_SPANS.all {
        assert_eq!(dropped(evicted.0.clone()), 0);
    }
    assert_eq!(dropped(evicted.0), FEW_SPANS.all + 1);
}
