//! The spans of an item: children of its turn's root, which closes last.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::*;

/// One span, as it was seen. `closed` is its place in the order of closing.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: &'static str,
    parent: Option<u64>,
    follows: Option<u64>,
    fields: HashMap<&'static str, String>,
    closed: Option<usize>,
}

#[derive(Clone, Default)]
struct Watcher(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    spans: HashMap<u64, Seen>,
    closed: usize,
    /// Events, and the span each one was in.
    events: Vec<(String, Option<u64>)>,
}

impl Watcher {
    /// The only span with this value in this field.
    fn find(&self, field: &str, value: &str) -> (u64, Seen) {
        let watched = self.0.lock().unwrap();
        let hits = || {
            watched
                .spans
                .iter()
                .filter(|(_, span)| span.fields.get(field).is_some_and(|found| found == value))
        };
        assert_eq!(hits().count(), 1, "{field}={value} in {:#?}", watched.spans);
        let (id, span) = hits().next().unwrap();
        (*id, span.clone())
    }

    fn event(&self, part: &str) -> Option<(String, Option<u64>)> {
        self.0
            .lock()
            .unwrap()
            .events
            .iter()
            .find(|(text, _)| text.contains(part))
            .cloned()
    }
}

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watcher {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context
            .span(id)
            .and_then(|span| span.parent())
            .map(|p| p.id().into_u64());
        let mut seen = Seen {
            name: attributes.metadata().name(),
            parent,
            ..Seen::default()
        };
        attributes.record(&mut Fields(&mut seen.fields));
        // The registry uses the ids of closed spans again; what was seen under one is kept apart.
        let mut watched = self.0.lock().unwrap();
        if let Some(old) = watched.spans.insert(id.into_u64(), seen) {
            let unused = u64::MAX - watched.spans.len() as u64;
            watched.spans.insert(unused, old);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _context: Context<'_, S>) {
        let mut watched = self.0.lock().unwrap();
        values.record(&mut Fields(
            &mut watched.spans.get_mut(&id.into_u64()).unwrap().fields,
        ));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, _context: Context<'_, S>) {
        let mut watched = self.0.lock().unwrap();
        watched.spans.get_mut(&id.into_u64()).unwrap().follows = Some(follows.into_u64());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = HashMap::new();
        event.record(&mut Fields(&mut fields));
        let inside = context.event_span(event).map(|span| span.id().into_u64());
        self.0
            .lock()
            .unwrap()
            .events
            .push((fields.remove("message").unwrap_or_default(), inside));
    }

    fn on_close(&self, id: Id, _context: Context<'_, S>) {
        let mut watched = self.0.lock().unwrap();
        watched.closed += 1;
        let place = watched.closed;
        watched.spans.get_mut(&id.into_u64()).unwrap().closed = Some(place);
    }
}

fn watch() -> (Watcher, tracing::subscriber::DefaultGuard) {
    let watcher = Watcher::default();
    let subscriber = tracing_subscriber::registry().with(watcher.clone());
    (watcher, tracing::subscriber::set_default(subscriber))
}

fn turn(number: u64) -> Span {
    tracing::info_span!(parent: None, "turn", number)
}

#[tokio::test]
async fn every_stage_is_a_child_of_the_root_and_the_root_closes_last() {
    let (watcher, _guard) = watch();
    let gate = Gate::closed();
    gate.open_for_good();
    let (last, _got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_a, from_test) = flow.edge("a", n(1));
    let (to_z, from_a) = flow.edge("z", n(1));
    flow.stage(Relay::<A>::new(), n(1), from_test, to_z);
    flow.stage(last, n(1), from_a, Flow::last_outlet());
    to_a.reserve().await.unwrap().send_root(1, turn(1));
    drop(to_a);
    within(flow.ended()).await;

    let (root_id, root) = watcher.find("number", "1");
    for name in ["a", "z"] {
        let (_, span) = watcher.find("otel.name", name);
        assert_eq!((span.name, span.parent), ("stage", Some(root_id)));
        assert_eq!(span.fields["cue.verdict"], "done");
        assert!(span.closed.unwrap() < root.closed.unwrap());
    }
}

#[tokio::test]
async fn what_went_wrong_is_on_the_span_and_in_one_log_line_inside_it() {
    let (watcher, _guard) = watch();
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(4));
    let stage = Does::<Z, _>::new(|item| {
        Box::pin(async move {
            match item {
                1 => panic!("on purpose"),
                2 => Verdict::RetryAfter(Duration::ZERO, "the peer is sick".into()),
                _ => Verdict::Skip("nothing to do"),
            }
        })
    });
    for number in 1..=3 {
        to_z.reserve()
            .await
            .unwrap()
            .send_root(number, turn(number));
    }
    drop(to_z);
    flow.stage(stage, n(1), inlet, Flow::last_outlet());
    within(flow.ended()).await;

    for (verdict, reason) in [
        ("panic", "panicked: on purpose"),
        ("retry", "the peer is sick"),
        ("skip", "nothing to do"),
    ] {
        let (_, span) = watcher.find("cue.verdict", verdict);
        assert_eq!(span.fields["cue.reason"], reason);
        assert_eq!(
            span.fields.contains_key("otel.status_description"),
            verdict != "skip"
        );
        let (_, inside) = watcher.event(reason).unwrap();
        assert!(inside.is_some(), "the line is inside the span of the pass");
    }
}

#[tokio::test]
async fn an_item_without_a_trace_opens_no_span() {
    let (watcher, _guard) = watch();
    let gate = Gate::closed();
    gate.open_for_good();
    let (last, _got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(4));
    flow.source(Numbers::upto(3), to_z);
    flow.stage(last, n(1), inlet, Flow::last_outlet());
    within(flow.ended()).await;
    assert!(watcher.0.lock().unwrap().spans.is_empty());
}

#[tokio::test]
async fn a_drain_says_what_it_waits_for() {
    let (watcher, _guard) = watch();
    let gate = Gate::closed();
    let (last, _got) = keeper::<Z>(&gate);
    let mut flow = flow();
    let (to_z, inlet) = flow.edge("z", n(4));
    flow.source(Given(vec![1, 2]), to_z);
    flow.stage(last, n(1), inlet, Flow::last_outlet());
    gate.entered.reach(1).await;
    let said = async {
        while watcher.event("still running").is_none() {
            tokio::task::yield_now().await;
        }
        gate.open_for_good();
    };
    let drained = flow.drain_and_remind(PATIENCE, Duration::from_millis(5));
    let (report, ()) = within(async { tokio::join!(drained, said) }).await;
    assert!(report.laggards.is_empty());
    let (line, _) = watcher.event("still running").unwrap();
    assert_eq!(line, "draining, still running: z (1 busy, 1 queued)");
}
