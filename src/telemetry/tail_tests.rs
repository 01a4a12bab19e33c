//! The tail filter by itself: real spans of the library, kept in memory.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::*;

/// What stands behind the filter: it writes down the names of the spans that came through.
#[derive(Clone, Debug, Default)]
struct Behind(Arc<Mutex<Vec<String>>>);

impl SpanProcessor for Behind {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
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
        let behind = Behind::default();
        let counts = Counts::new();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(TailFilter::new(behind.clone(), limits, counts.clone()))
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
fn what_never_ended_is_let_through_at_the_end_of_the_program() {
    let bench = Bench::new(SMALL);
    let turn = bench.turn();
    bench.child(&turn, "child");
    bench.provider.shutdown().unwrap();
    assert_eq!(bench.exported(), ["child"]);
}

#[test]
fn nothing_is_kept_of_turns_that_ended() {
    let mut held = Held::new(SMALL);
    for number in 1..100_u128 {
        held.open(TraceId::from(number));
    }
    assert_eq!((held.traces.len(), held.order.len()), (2, 2));
    assert_eq!((held.gone.len(), held.gone_order.len()), (2, 2));
}
