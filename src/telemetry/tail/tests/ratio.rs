//! Which of the turns are kept that a ratio has not chosen, or that found no jobs.

use super::*;

/// A ratio that chooses no turn.
pub(super) fn none() -> Telemetry {
    Telemetry {
        sampler: Sampler::ParentBasedTraceIdRatio,
        sampler_arg: Some(0.0),
        keep_slow: Some(Duration::from_secs(3600)),
        ..all()
    }
}

#[test]
fn of_the_turns_that_were_not_chosen_the_failed_ones_are_kept_whole() {
    let bench = Bench::with(&none(), SMALL);
    let (ordinary, failed) = (bench.turn(), bench.turn());
    bench.child(&ordinary, "fine");
    bench.child(&failed, "before");
    bench.failing(&failed, "launch");
    end(&ordinary, "booked");
    end(&failed, "booked");
    assert_eq!(bench.exported(), ["before", "launch", "turn"]);
    assert_eq!(
        (bench.counted("kept"), bench.counted("not_sampled")),
        (1, 1)
    );
}

#[test]
fn a_turn_without_jobs_whose_query_failed_is_kept() {
    let bench = Bench::with(&none(), SMALL);
    let turn = bench.turn();
    turn.span()
        .set_status(Status::error("the database is away"));
    end(&turn, "no_jobs");
    assert_eq!(bench.exported(), ["turn"]);
}

#[test]
fn a_failure_is_nothing_special_when_so_set() {
    let plain = Telemetry {
        keep_failed: false,
        ..none()
    };
    let bench = Bench::with(&plain, SMALL);
    let turn = bench.turn();
    turn.span().set_status(Status::error("refused"));
    end(&turn, "booked");
    assert_eq!(bench.exported(), [""; 0]);
}

#[test]
fn of_the_turns_that_were_not_chosen_the_slow_ones_are_kept() {
    let slow = Telemetry {
        keep_slow: Some(Duration::from_secs(1)),
        ..none()
    };
    let bench = Bench::with(&slow, SMALL);
    let began = std::time::SystemTime::now();
    for took in [Duration::from_millis(999), Duration::from_secs(1)] {
        let turn = bench
            .tracer
            .span_builder(ROOT)
            .with_start_time(began)
            .start_with_context(&bench.tracer, &Context::new());
        let turn = Context::new().with_span(turn);
        turn.span().end_with_timestamp(began + took);
    }
    assert_eq!(bench.exported(), ["turn"]);
    assert_eq!(bench.counted("not_sampled"), 1);
}

#[test]
fn a_trace_that_was_not_chosen_and_is_too_large_to_wait_is_let_through() {
    let bench = Bench::with(&none(), SMALL);
    let turn = bench.turn();
    for name in ["a", "b", "c", "d"] {
        bench.child(&turn, name);
    }
    assert_eq!(bench.exported(), [""; 0]);
    bench.child(&turn, "e");
    end(&turn, "booked");
    assert_eq!(bench.exported(), ["a", "b", "c", "d", "e", "turn"]);
}

#[test]
fn a_ratio_counts_for_spans_of_no_turn_too() {
    let bench = Bench::with(&none(), SMALL);
    let refresh = Context::new().with_span(bench.tracer.start_with_context("r", &Context::new()));
    bench.child(&refresh, "sql");
    refresh.span().end();
    assert_eq!(bench.exported(), [""; 0]);
}

#[test]
fn a_host_is_told_whether_the_turn_was_chosen() {
    for (telemetry, chosen) in [(none(), false), (all(), true)] {
        let bench = Bench::with(&telemetry, SMALL);
        let turn = bench.turn();
        let launch = bench.tracer.start_with_context("launch", &turn);
        assert_eq!(launch.span_context().is_sampled(), chosen);
        assert!(launch.is_recording());
    }
}

#[test]
fn who_switches_traces_off_records_nothing() {
    let off = Telemetry {
        sampler: Sampler::AlwaysOff,
        ..all()
    };
    let bench = Bench::with(&off, SMALL);
    assert!(!bench.turn().span().is_recording());
}

#[test]
fn a_slow_turn_without_jobs_is_kept() {
    let slow = Telemetry {
        keep_slow: Some(Duration::from_secs(1)),
        ..all()
    };
    let bench = Bench::with(&slow, SMALL);
    let began = std::time::SystemTime::now();
    for took in [999, 1000] {
        let builder = bench.tracer.span_builder(ROOT).with_start_time(began);
        let turn = bench.tracer.build_with_context(builder, &Context::new());
        let turn = Context::new().with_span(turn);
        let attribute = KeyValue::new(OUTCOME.0, OUTCOME.1);
        turn.span().set_attribute(attribute);
        turn.span()
            .end_with_timestamp(began + Duration::from_millis(took));
    }
    assert_eq!(bench.exported(), ["turn"]);
    assert_eq!((bench.counted("kept"), bench.counted("no_work")), (1, 1));
}

#[test]
fn the_wait_for_room_makes_no_turn_slow_that_found_no_work() {
    let slow = Telemetry {
        keep_slow: Some(Duration::from_secs(1)),
        ..none()
    };
    let began = std::time::SystemTime::now();
    let number = |micros: i64| KeyValue::new(SEND_WAIT, micros);
    for (outcome, waited, kept) in [
        (OUTCOME.1, number(4_000_001), false),
        (OUTCOME.1, number(4_000_000), true),
        (OUTCOME.1, number(-1), true),
        (OUTCOME.1, number(9_000_000), false),
        ("saturated", number(4_500_000), true),
    ] {
        let bench = Bench::with(&slow, SMALL);
        let builder = bench.tracer.span_builder(ROOT).with_start_time(began);
        let turn = bench.tracer.build_with_context(builder, &Context::new());
        let turn = Context::new().with_span(turn);
        turn.span().set_attribute(KeyValue::new(OUTCOME.0, outcome));
        turn.span().set_attribute(waited.clone());
        turn.span()
            .end_with_timestamp(began + Duration::from_secs(5));
        assert_eq!(bench.counted("kept") == 1, kept, "{outcome}, {waited:?}");
    }
}
