//! The critical path of a turn: its longest span is that of the stage that made the turn slow.
//!
//! Spans are exported by OpenTelemetry's own layer, and the path is found as Jaeger's page finds it: from the end of
//! the root backwards, each time to the child that ended last before that moment.

use std::time::SystemTime;

use futures::future::BoxFuture;
use opentelemetry::trace::{SpanId, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// Time that the slow stage works. Nothing else of a turn takes a third of it.
const SLOW: Duration = Duration::from_millis(60);

/// The parts of the line, in order.
const PARTS: [&str; 6] = ["feed", "a", "b", "c", "d", "e"];

/// Works for as long as it takes: time itself is looked at.
async fn work(name: &str, slow: &str) {
    if name == slow {
        tokio::time::sleep(SLOW).await;
    }
}

/// A source of turns that works before it sends each.
struct Feed {
    turns: u64,
    slow: &'static str,
}

impl Source for Feed {
    const NAME: &'static str = "feed";
    type Out = u64;

    async fn run(self, out: Outlet<u64>, _stop: StopToken) -> Result<(), BoxError> {
        for number in 0..self.turns {
            let slot = out.reserve().await?;
            let root = tracing::info_span!(parent: None, "turn", number);
            let feed = tracing::info_span!(parent: &root, "feed");
            work("feed", self.slow).await;
            drop(feed);
            slot.send_root(number, root);
        }
        Ok(())
    }
}

/// Works, and then sends what it took, in two halves if it `splits`.
struct Works<L> {
    slow: &'static str,
    splits: bool,
    label: PhantomData<L>,
}

impl<L: Label> Works<L> {
    fn new(slow: &'static str) -> Self {
        Self {
            slow,
            splits: false,
            label: PhantomData,
        }
    }
}

impl<L: Label> Stage for Works<L> {
    const NAME: &'static str = L::NAME;
    type In = u64;
    type Out = u64;

    async fn handle(&self, item: u64, out: &Outlet<u64>) -> Verdict {
        work(L::NAME, self.slow).await;
        let halves = async {
            if self.splits {
                out.send(item).await?;
                // Work of the second half is in a span of its own, below the stage's.
                drop(tracing::info_span!("second half"));
            }
            out.send_last(item).await
        };
        match halves.await {
            Ok(()) => Verdict::Done,
            Err(closed) => closed.into(),
        }
    }
}

/// The exporter of a line with queues of one item, and the spans it was given.
fn exporter() -> (InMemorySpanExporter, SdkTracerProvider, DefaultGuard) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("test"))
        .with_context_activation(false);
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    (exporter, provider, guard)
}

/// Runs turns through a line of which one part is slow. Returns the spans of the last turn.
async fn last_turn(slow: &'static str, turns: u64) -> Vec<SpanData> {
    let (exporter, _provider, _guard) = exporter();
    let mut flow = flow();
    let (to_a, from_feed) = flow.edge("a", n(1));
    let (to_b, from_a) = flow.edge("b", n(1));
    let (to_c, from_b) = flow.edge("c", n(1));
    let (to_d, from_c) = flow.edge("d", n(1));
    let (to_e, from_d) = flow.edge("e", n(1));
    flow.source(Feed { turns, slow }, to_a);
    flow.stage(Works::<A>::new(slow), n(1), from_feed, to_b);
    flow.stage(Works::<B>::new(slow), n(1), from_a, to_c);
    flow.cpu_stage(CpuWorks::<C>(slow, PhantomData), n(1), from_b, to_d);
    flow.stage(Works::<D>::new(slow), n(1), from_c, to_e);
    let last = Does::<E, _>::new(move |_| -> BoxFuture<'static, Verdict> {
        Box::pin(async move {
            work("e", slow).await;
            Verdict::Done
        })
    });
    flow.stage(last, n(1), from_d, Flow::last_outlet());
    within(flow.ended()).await;
    let all = exporter.get_finished_spans().unwrap();
    let root = all.iter().rfind(|span| span.name == "turn").unwrap();
    let turn = root.span_context.trace_id();
    let own = |span: &SpanData| span.span_context.trace_id() == turn;
    all.into_iter().filter(own).collect()
}

/// Gives what it takes, after it worked on a thread.
struct CpuWorks<L>(&'static str, PhantomData<fn(L)>);

impl<L: Label> CpuStage for CpuWorks<L> {
    const NAME: &'static str = L::NAME;
    type In = u64;
    type Out = u64;

    #[expect(
        clippy::disallowed_methods,
        reason = "the thread is one of those that may block, and time itself is looked at"
    )]
    fn handle(&self, item: u64) -> Result<u64, Verdict> {
        if L::NAME == self.0 {
            std::thread::sleep(SLOW);
        }
        Ok(item)
    }
}

/// Time of each span on the critical path, as Jaeger's page computes it, in its microseconds.
fn critical_path(spans: &[SpanData]) -> Vec<(&SpanData, u128)> {
    let root = spans.iter().find(|span| span.name == "turn").unwrap();
    let mut path = Vec::new();
    // Before the end of the root any child counts, later only one that ended before the one behind it began.
    let (mut span, mut until, mut is_over) = (root, end(root), true);
    loop {
        let children = spans
            .iter()
            .filter(|child| child.parent_span_id == span.span_context.span_id());
        let last = children
            .filter(|child| is_over || end(child) < until)
            .max_by_key(|child| end(child));
        let since = last.map_or(start(span), end);
        path.push((span, until.saturating_sub(since)));
        if let Some(child) = last {
            (span, until, is_over) = (child, end(child), true);
            continue;
        }
        (until, is_over) = (start(span), false);
        match spans
            .iter()
            .find(|parent| parent.span_context.span_id() == span.parent_span_id)
        {
            Some(parent) => span = parent,
            None => return path,
        }
    }
}

fn start(span: &SpanData) -> u128 {
    let since = span.start_time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_micros()
}

fn end(span: &SpanData) -> u128 {
    start(span) + between(span.start_time, span.end_time).as_micros()
}

fn between(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

fn destination(span: &SpanData) -> String {
    let key = "messaging.destination.name";
    let found = span.attributes.iter().find(|pair| pair.key.as_str() == key);
    found.map_or_else(|| span.name.to_string(), |pair| pair.value.to_string())
}

#[tokio::test]
async fn the_longest_span_of_the_critical_path_is_that_of_the_slow_stage() {
    for slow in PARTS {
        let turn = last_turn(slow, 1).await;
        let path = critical_path(&turn);
        let (longest, _) = path.iter().max_by_key(|(_, time)| *time).unwrap();
        assert_eq!(longest.name, slow, "{path:#?}");
    }
}

#[tokio::test]
async fn behind_other_turns_most_of_the_critical_path_is_the_slow_stage_and_the_waits_for_it() {
    for slow in PARTS {
        let turn = last_turn(slow, 6).await;
        let mut of_stage = std::collections::HashMap::new();
        for (span, time) in critical_path(&turn) {
            *of_stage.entry(destination(span)).or_insert(0) += time;
        }
        let (most, _) = of_stage.iter().max_by_key(|(_, time)| **time).unwrap();
        assert_eq!(most, slow, "{of_stage:?}");
        // No bar of another stage is long, wherever one looks for it.
        for other in PARTS.into_iter().filter(|other| *other != slow) {
            for stage in turn.iter().filter(|span| span.name == other) {
                let took = between(stage.start_time, stage.end_time);
                assert!(took < SLOW / 2, "{slow} is slow, and {other} took {took:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_wait_between_two_items_parts_the_work_in_two_spans() {
    let (exporter, _provider, _guard) = exporter();
    let gate = Gate::closed();
    let (last, _got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_a, from_test) = flow.edge("a", n(1));
    let (to_z, from_a) = flow.edge("z", n(1));
    let splits = Works::<A> {
        splits: true,
        ..Works::new("")
    };
    flow.stage(splits, n(1), from_test, to_z);
    flow.stage(last, n(1), from_a, Flow::last_outlet());
    for number in 0..2 {
        let root = tracing::info_span!(parent: None, "turn", number);
        to_a.reserve().await.unwrap().send_root(number, root);
    }
    drop(to_a);
    // The first item is at the gate, the second is queued, and the third waits for room.
    gate.entered.reach(1).await;
    settle().await;
    gate.open_for_good();
    within(flow.ended()).await;
    let all = exporter.get_finished_spans().unwrap();
    let root = all.iter().rfind(|span| span.name == "turn").unwrap();
    let below: Vec<&SpanData> = all
        .iter()
        .filter(|span| span.parent_span_id == root.span_context.span_id())
        .collect();
    let named = |name: &str| -> Vec<&SpanData> {
        below
            .iter()
            .filter(|span| span.name == name)
            .copied()
            .collect()
    };
    let (work, rooms) = (named("a"), named("room"));
    assert!(!rooms.is_empty() && work.len() == 2, "{below:#?}");
    assert!(rooms.iter().all(|room| destination(room) == "z"));
    let second = all.iter().rfind(|span| span.name == "second half").unwrap();
    assert_eq!(second.parent_span_id, work[1].span_context.span_id());
    assert_ne!(second.parent_span_id, SpanId::INVALID);
    assert!(work[0].end_time <= rooms[0].end_time && work[1].start_time >= rooms[0].start_time);
}
