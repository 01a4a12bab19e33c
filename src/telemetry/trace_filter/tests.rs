//! The filter by itself: real spans of the library, kept in memory.

use std::sync::Mutex;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanBuilder, Status, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::limits::{MAX_SPANS, SLOW};
use super::*;

/// Processor behind the filter: it records the spans that are let through.
#[derive(Clone, Debug, Default)]
struct Recorder(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Recorder {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

struct Bench {
    _provider: SdkTracerProvider,
    tracer: SdkTracer,
    recorder: Recorder,
    counts: Counts,
}

impl Bench {
    fn new(slots: usize) -> Self {
        let (recorder, counts) = (Recorder::default(), Counts::new());
        let slots = Arc::new(Semaphore::new(slots));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(TraceFilter::new(recorder.clone(), slots, counts.clone()))
            .build();
        Self {
            tracer: provider.tracer("test"),
            _provider: provider,
            recorder,
            counts,
        }
    }

    fn turn(&self) -> Context {
        Context::new().with_span(self.tracer.start_with_context(ROOT, &Context::new()))
    }

    fn child(&self, turn: &Context, name: &'static str) {
        self.tracer.start_with_context(name, turn).end();
    }

    fn failing(&self, turn: &Context, name: &'static str) {
        let mut span = self.tracer.start_with_context(name, turn);
        span.set_status(Status::error("refused"));
        span.end();
    }

    fn exported(&self) -> Vec<String> {
        let spans = self.recorder.0.lock().unwrap();
        spans.iter().map(|span| span.name.to_string()).collect()
    }

    /// Turns that were kept, and those without work.
    fn traces(&self) -> (u64, u64) {
        let counts = &self.counts.traces;
        (counts.count("kept"), counts.count("no_work"))
    }
}

fn end(turn: &Context, outcome: &'static str) {
    turn.span().set_attribute(KeyValue::new(OUTCOME, outcome));
    turn.span().end();
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_turn_without_work_leaves_nothing() {
    let bench = Bench::new(10);
    for outcome in NO_WORK {
        let turn = bench.turn();
        bench.child(&turn, "job_fetch");
        end(&turn, outcome);
    }
    assert_eq!(bench.exported(), NOTHING);
    assert_eq!(bench.traces(), (0, 2));
}

#[test]
fn a_turn_with_work_is_let_through_when_its_root_ends() {
    let bench = Bench::new(10);
    let turn = bench.turn();
    bench.child(&turn, "child");
    assert_eq!(bench.exported(), NOTHING);
    end(&turn, "booked");
    assert_eq!(bench.exported(), ["child", "turn"]);
    assert_eq!(bench.traces(), (1, 0));
}

#[test]
fn a_turn_with_a_failure_is_kept_whole() {
    let bench = Bench::new(10);
    let turn = bench.turn();
    bench.child(&turn, "before");
    bench.failing(&turn, "wanted_layers");
    bench.child(&turn, "after");
    end(&turn, "no_jobs");
    let failed = bench.turn();
    failed
        .span()
        .set_status(Status::error("the database is away"));
    end(&failed, "no_jobs");
    let names = ["before", "wanted_layers", "after", "turn", "turn"];
    assert_eq!(bench.exported(), names);
    assert_eq!(bench.traces(), (2, 0));
}

#[test]
fn a_trace_with_many_spans_is_let_through_before_its_root_ends() {
    let bench = Bench::new(100);
    let turn = bench.turn();
    for _ in 0..MAX_HELD {
        bench.child(&turn, "child");
    }
    assert_eq!(bench.exported(), NOTHING);
    bench.child(&turn, "child");
    assert_eq!(bench.exported().len(), MAX_HELD + 1);
    end(&turn, "booked");
    assert_eq!(bench.exported().last().unwrap(), "turn");
}

#[test]
fn a_turn_that_finds_no_room_is_let_through_as_its_spans_end() {
    let bench = Bench::new(10);
    let open: Vec<Context> = (0..MAX_TRACES).map(|_| bench.turn()).collect();
    let turn = bench.turn();
    bench.child(&turn, "child");
    assert_eq!(bench.exported(), ["child"]);
    end(&turn, "no_jobs");
    assert_eq!(bench.exported(), ["child", "turn"]);
    for held in &open {
        end(held, "no_jobs");
    }
    let next = bench.turn();
    bench.child(&next, "held");
    assert_eq!(bench.exported(), ["child", "turn"], "there is room again");
}

#[test]
fn statements_outside_of_turns_leave_nothing_unless_they_fail() {
    let bench = Bench::new(10);
    let statement = |name: &'static str| {
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Client);
        bench.tracer.build_with_context(builder, &Context::new())
    };
    statement("demand_jobs").end();
    let mut failed = statement("host_snapshot");
    failed.set_status(Status::error("connection lost"));
    failed.end();
    bench.child(&Context::new(), "refresh");
    assert_eq!(bench.exported(), ["host_snapshot", "refresh"]);
}

#[test]
fn a_span_below_a_remote_parent_is_let_through_at_once() {
    let bench = Bench::new(10);
    let turn = bench.turn();
    let launch = turn.span().span_context().clone();
    let remote = Context::new().with_remote_span_context(launch);
    let question = SpanBuilder::from_name("ask_host").with_kind(SpanKind::Client);
    end(&turn, "booked");
    bench.tracer.build_with_context(question, &remote).end();
    assert_eq!(bench.exported(), ["turn", "ask_host"]);
}

#[test]
fn a_span_without_a_slot_in_the_queue_is_counted_as_left_out() {
    let bench = Bench::new(1);
    let turn = bench.turn();
    bench.child(&turn, "child");
    end(&turn, "booked");
    assert_eq!(bench.exported(), ["child"]);
    assert_eq!(bench.counts.spans.count("left_out"), 1);
}

#[test]
fn of_turns_that_book_nothing_one_in_twenty_is_kept_and_every_slow_and_failed_one() {
    let bench = Bench::new(10_000);
    let mut expected = 0;
    for _ in 0..200 {
        let turn = bench.turn();
        bench.child(&turn, "layer_lock");
        expected += u64::from(is_one_in(turn.span().span_context().trace_id(), THINNED));
        end(&turn, SATURATED);
    }
    let counted = |outcome| bench.counts.traces.count(outcome);
    assert_eq!(
        (counted("kept"), counted("thinned")),
        (expected, 200 - expected)
    );
    assert!(expected < 100, "{expected} of 200 are no few");
    let before = bench.exported().len();
    let failed = bench.turn();
    failed.span().set_status(Status::error("a launch failed"));
    end(&failed, SATURATED);
    let slow = SpanBuilder::from_name(ROOT).with_start_time(std::time::SystemTime::now() - SLOW);
    let slow = bench.tracer.build_with_context(slow, &Context::new());
    end(&Context::new().with_span(slow), SATURATED);
    assert_eq!(bench.exported().len(), before + 2);
}

#[test]
fn a_slow_statement_outside_of_turns_is_kept() {
    let bench = Bench::new(10);
    let slow = SpanBuilder::from_name("demand_jobs")
        .with_kind(SpanKind::Client)
        .with_start_time(std::time::SystemTime::now() - SLOW);
    bench.tracer.build_with_context(slow, &Context::new()).end();
    assert_eq!(bench.exported(), ["demand_jobs"]);
}

#[test]
fn a_trace_has_at_most_500_spans_and_nothing_loses_its_parent() {
    let bench = Bench::new(10_000);
    let turn = bench.turn();
    let dispatch = bench.tracer.start_with_context("dispatch", &turn);
    let dispatch = Context::new().with_span(dispatch);
    for _ in 0..1_000 {
        bench.child(&dispatch, "launch");
    }
    let parent = bench.tracer.start_with_context("launch", &dispatch);
    let parent = Context::new().with_span(parent);
    bench.failing(&parent, "ask_host");
    for _ in 0..1_000 {
        bench.failing(&dispatch, "launch");
    }
    parent.span().end();
    dispatch.span().end();
    end(&turn, "booked");
    let spans = bench.recorder.0.lock().unwrap().clone();
    assert_eq!(spans.len(), REMARKABLE_AND_PARENTS);
    assert!(spans.len() <= MAX_SPANS);
    let ids: std::collections::HashSet<SpanId> = spans
        .iter()
        .map(|span| span.span_context.span_id())
        .collect();
    let root = spans.last().unwrap();
    for span in &spans[..spans.len() - 1] {
        assert!(
            ids.contains(&span.parent_span_id),
            "{} has no parent",
            span.name
        );
    }
    let left_out = root
        .attributes
        .iter()
        .find(|pair| pair.key.as_str() == LEFT_OUT);
    assert_eq!(left_out.unwrap().value, Value::I64(700 + 901));
    assert_eq!(bench.counts.spans.count("beyond_limit"), 700 + 901);
    // Later lines are bounded, too.
    let late = turn.span().span_context().clone();
    let late = Context::new().with_remote_span_context(late);
    for _ in 0..1_000 {
        bench.failing(&late, "settle");
    }
    assert!(bench.exported().len() <= MAX_SPANS);
}

/// 300 ordinary launches, 100 that failed with the question, and their parents up to the root.
const REMARKABLE_AND_PARENTS: usize = 403;
