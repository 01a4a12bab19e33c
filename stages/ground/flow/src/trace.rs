//! The traces an item belongs to, and the spans of its way through a stage.
//!
//! Invariant: an item carries clones of the root spans of its turns, and lets go of them last.
//! Every span the runtime opens under a root is gone by then, so a root closes after all that
//! happened under it. An item without an interested subscriber carries nothing and costs nothing.

use std::sync::Arc;
use std::time::Duration;

use tracing::span::Id;
use tracing::{Span, field};

/// The distinct root spans of an item's turns.
#[derive(Clone, Default)]
pub(crate) struct Traces(Option<Arc<[Span]>>);

impl Traces {
    /// One trace, which starts at `root`; none, when nobody records that span.
    pub(crate) fn root(root: Span) -> Self {
        if root.is_disabled() {
            Self(None)
        } else {
            Self(Some(Arc::from([root])))
        }
    }

    fn roots(&self) -> &[Span] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// The spans of one pass through a stage: one under each distinct root.
#[derive(Clone, Default)]
pub(crate) struct StageSpans(Arc<[StageSpan]>);

struct StageSpan {
    root: Option<Id>,
    span: Span,
}

impl StageSpans {
    /// Opens the spans of a pass that handles items with these traces and times spent queued.
    /// Returns them with the traces of the whole pass.
    pub(crate) fn open(stage: &'static str, items: &[(Traces, Duration)]) -> (Self, Traces) {
        let mut roots: Vec<(&Span, Duration)> = Vec::new();
        for (traces, queued) in items {
            for root in traces.roots() {
                match roots.iter_mut().find(|(known, _)| known.id() == root.id()) {
                    // A turn waited as long as the item of it that waited longest.
                    Some((_, longest)) => *longest = (*longest).max(*queued),
                    None => roots.push((root, *queued)),
                }
            }
        }
        let spans: Arc<[StageSpan]> = roots
            .iter()
            .map(|(root, queued)| StageSpan {
                root: root.id(),
                span: open_one(stage, root, *queued),
            })
            .collect();
        if let Some((first, others)) = spans.split_first() {
            for other in others {
                other.span.follows_from(&first.span);
            }
        }
        (Self(spans), union(items, &roots))
    }

    /// The span that is entered while the stage works.
    pub(crate) fn entered(&self) -> Span {
        self.0
            .first()
            .map_or_else(Span::none, |first| first.span.clone())
    }

    /// The span under the root with this number; without one, the span that is entered.
    pub(crate) fn under(&self, root: Option<u64>) -> Span {
        let root = root.and_then(|number| (number != 0).then(|| Id::from_u64(number)));
        let own = self.0.iter().find(|one| one.root == root);
        own.map_or_else(|| self.entered(), |one| one.span.clone())
    }

    /// Notes how long the pass waited for room in the next queue.
    pub(crate) fn record_send_wait(&self, waited: Duration) {
        for one in self.0.iter() {
            one.span.record("send_wait_us", micros(waited));
        }
    }

    /// Notes how the pass ended.
    pub(crate) fn record(&self, verdict: &'static str, reason: Option<&dyn std::fmt::Display>) {
        for StageSpan { span, .. } in self.0.iter() {
            span.record("verdict", verdict);
            if let Some(reason) = reason {
                span.record("reason", field::display(reason));
            }
            if matches!(verdict, "retry" | "fatal" | "panic" | "aborted") {
                span.record("otel.status_code", "ERROR");
                span.record("error.type", verdict);
                if let Some(reason) = reason {
                    span.record("otel.status_description", field::display(reason));
                }
            }
        }
    }
}

/// A time in microseconds, as an attribute of a span.
///
/// It has a sign because OpenTelemetry has no numbers without one: those become texts, which no query
/// can compare.
#[must_use]
pub fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn open_one(stage: &'static str, root: &Span, queued: Duration) -> Span {
    tracing::info_span!(
        parent: root,
        "stage",
        otel.name = stage,
        queue_wait_us = micros(queued),
        send_wait_us = field::Empty,
        verdict = field::Empty,
        reason = field::Empty,
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
        error.type = field::Empty,
    )
}

/// The traces of all items together. Items of one turn share one list, so the usual case is a
/// counter that goes up by one.
fn union(items: &[(Traces, Duration)], roots: &[(&Span, Duration)]) -> Traces {
    let whole = items
        .iter()
        .find(|(traces, _)| traces.roots().len() == roots.len());
    match whole {
        Some((traces, _)) => traces.clone(),
        None => Traces(Some(
            roots.iter().map(|(root, _)| (*root).clone()).collect(),
        )),
    }
}
