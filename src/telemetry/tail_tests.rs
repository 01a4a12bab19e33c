//! The tail filter by itself: real spans of the library, kept in memory.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::super::sampler::Head;
use super::super::tests::telemetry as all;
use super::*;
use crate::config::{Sampler, Telemetry};

/// What stands behind the filter: it writes down the names of the spans that came through.
#[derive(Clone, Debug, Default)]
struct Behind(Arc<Mutex<Vec<String>>>);

impl SpanProcessor for Behind {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        assert!(
            span.span_context.is_sampled(),
            "the queue takes nothing else"
        );
        self.0.lock().unwrap().push(span.name.to_string());
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

struct Bench {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    behind: Behind,
    counts: Counts,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self::with(&all(), limits)
    }

    fn with(telemetry: &Telemetry, limits: Limits) -> Self {
        let behind = Behind::default();
        let counts = Counts::new();
        let keep = Keep {
            slow: telemetry.keep_slow,
            failed: telemetry.keep_failed,
        };
        let tail = TailFilter::new(behind.clone(), keep, limits, counts.clone());
        let provider = SdkTracerProvider::builder()
            .with_sampler(Head::new(telemetry))
            .with_span_processor(tail)
            .build();
        let tracer = provider.tracer("test");
        Self {
            provider,
            tracer,
            behind,
            counts,
        }
    }

    fn turn(&self) -> Context {
        Context::new().with_span(self.tracer.start_with_context(ROOT, &Context::new()))
    }

    fn child(&self, turn: &Context, name: &'static str) {
        self.tracer.start_with_context(name, turn).end();
    }

    fn exported(&self) -> Vec<String> {
        self.behind.0.lock().unwrap().clone()
    }

    fn counted(&self, outcome: &str) -> u64 {
        self.counts.traces(outcome).get()
    }
}

fn end(turn: &Context, outcome: &'static str) {
    turn.span().set_attribute(KeyValue::new(OUTCOME.0, outcome));
    turn.span().end();
}

const SMALL: Limits = Limits {
    traces: 2,
    spans: 2,
    unchosen: 4,
    gone: 2,
};

#[test]
fn a_turn_without_work_leaves_nothing_not_even_a_late_span() {
    let bench = Bench::new(SMALL);
    let turn = bench.turn();
    bench.child(&turn, "early");
    end(&turn, "no_jobs");
    bench.child(&turn, "late");
    assert_eq!(bench.exported(), [""; 0]);
    assert_eq!(bench.counted("no_work"), 1);
}

#[test]
fn a_turn_with_work_is_let_through_when_its_root_ends() {
    let bench = Bench::new(SMALL);
    let turn = bench.turn();
    bench.child(&turn, "child");
    assert_eq!(bench.exported(), [""; 0]);
    end(&turn, "booked");
    assert_eq!(bench.exported(), ["child", "turn"]);
    assert_eq!(bench.counted("kept"), 1);
}

#[test]
fn a_trace_with_many_spans_is_let_through_before_its_root_ends() {
    let bench = Bench::new(SMALL);
    let turn = bench.turn();
    for name in ["a", "b", "c", "d"] {
        bench.child(&turn, name);
    }
    assert_eq!(bench.exported(), ["a", "b", "c", "d"]);
    end(&turn, "booked");
    assert_eq!(bench.exported().last().unwrap(), "turn");
}

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
fn spans_of_no_turn_pass_at_once() {
    let bench = Bench::new(SMALL);
    bench.child(&Context::new(), "refresh");
    assert_eq!(bench.exported(), ["refresh"]);
}

#[test]
fn statements_of_no_turn_leave_nothing_unless_they_fail() {
    let bench = Bench::new(SMALL);
    let statement = |name: &'static str| {
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Client);
        bench.tracer.build_with_context(builder, &Context::new())
    };
    statement("active_tags").end();
    let mut failed = statement("host_snapshot");
    failed.set_status(Status::error("it went away"));
    failed.end();
    assert_eq!(bench.exported(), ["host_snapshot"]);
}

#[test]
fn what_never_ended_is_let_through_at_the_end_of_the_program() {
    let bench = Bench::new(SMALL);
    let turn = bench.turn();
    bench.child(&turn, "child");
    bench.provider.shutdown().unwrap();
    assert_eq!(bench.exported(), ["child"]);
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
    assert_eq!((held.traces.len(), held.order.len()), (2, 2));
    assert_eq!((held.gone.len(), held.gone_order.len()), (2, 2));
}

/// A ratio that chooses no turn.
fn none() -> Telemetry {
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
    let launch = Context::new().with_span(bench.tracer.start_with_context("launch", &failed));
    launch.span().set_status(Status::error("refused"));
    launch.span().end();
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
