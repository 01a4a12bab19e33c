//! The tail filter by itself: real spans of the library, kept in memory.

mod bounds;
mod ratio;
mod shared;

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, Status, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::super::sampler::Head;
use super::super::tests::telemetry as all;
use super::keep::{OUTCOME, SEND_WAIT};
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

/// The filter in the hands of the library and of the test.
#[derive(Clone, Debug)]
struct Shared(Arc<TailFilter<Behind>>);

impl SpanProcessor for Shared {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
}

struct Bench {
    filter: Shared,
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
        let filter = Shared(Arc::new(tail));
        let provider = SdkTracerProvider::builder()
            .with_sampler(Head::new(telemetry))
            .with_span_processor(filter.clone())
            .build();
        let tracer = provider.tracer("test");
        Self {
            filter,
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

    /// A child that failed.
    fn failing(&self, turn: &Context, name: &'static str) {
        let mut span = self.tracer.start_with_context(name, turn);
        span.set_status(Status::error("refused"));
        span.end();
    }

    /// A child of one turn that points at a child of another.
    fn pointing(&self, turn: &Context, at: &Context) {
        let builder = SpanBuilder::from_name("points");
        let links = vec![Link::with_context(at.span().span_context().clone())];
        let builder = builder.with_links(links);
        self.tracer.build_with_context(builder, turn).end();
    }

    fn exported(&self) -> Vec<String> {
        self.behind.0.lock().unwrap().clone()
    }

    fn sizes(&self) -> [usize; 4] {
        self.filter.0.with_held(|held| held.sizes())
    }

    /// How many spans wait, and the count that is kept of them is right.
    fn waiting(&self) -> usize {
        let (told, there) = self.filter.0.with_held(|held| held.spans());
        assert_eq!(told, there, "spans that wait");
        there
    }

    fn counted(&self, outcome: &str) -> u64 {
        self.counts.traces().count(outcome)
    }
}

fn end(turn: &Context, outcome: &'static str) {
    turn.span().set_attribute(KeyValue::new(OUTCOME.0, outcome));
    turn.span().end();
}

const SMALL: Limits = Limits {
    traces: 2,
    all: 16,
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
