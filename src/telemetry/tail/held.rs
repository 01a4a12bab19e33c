//! The traces that are kept back, and what becomes of each.
//!
//! A trace whose turn has ended and that nobody wants for itself stays while one that is undecided
//! points at it: should that one be kept, the shared part of both is in this one. Links lead from later
//! turns of a batch to its first, so there is no ring of traces that wait for each other for ever; and
//! whatever waits too long is dropped as the oldest.

use std::collections::{HashMap, HashSet, VecDeque};

use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::trace::SpanData;

use super::{Keep, Limits, ROOT};

/// The attribute of the root that says how the turn went, and its value for no work.
pub(super) const OUTCOME: (&str, &str) = ("turn.outcome", "no_jobs");

/// What becomes of a span that ended, and of those that waited for it.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// Those that waited and need not any longer, in the order in which they ended.
    pub(super) waited: Vec<SpanData>,
    /// The span itself, if it passes at once. Most do, and need no list.
    pub(super) span: Option<SpanData>,
    /// What became of the traces of which this is known now.
    pub(super) outcomes: Vec<&'static str>,
}

#[derive(Debug)]
enum Trace {
    /// Spans wait for their root, or for a trace that points at this one.
    Waiting(Waiting),
    /// The trace is known to be worth keeping.
    Kept,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<SpanData>,
    /// Whether the sampler wants it.
    chosen: bool,
    /// Whether a span of it failed.
    failed: bool,
    /// Whether a trace that is kept points at it.
    wanted: bool,
    /// How many undecided traces point at it.
    pointers: usize,
    /// The traces it points at.
    points_at: Vec<TraceId>,
    /// Whether its root has ended and is among the spans: only the pointers are waited for.
    ended: bool,
}

/// The traces under way, oldest first, and the ids of those dropped lately.
#[derive(Debug)]
pub(super) struct Held {
    keep: Keep,
    limits: Limits,
    traces: HashMap<TraceId, Trace>,
    order: VecDeque<TraceId>,
    gone: HashSet<TraceId>,
    gone_order: VecDeque<TraceId>,
}

impl Held {
    pub(super) fn new(keep: Keep, limits: Limits) -> Self {
        Self {
            keep,
            limits,
            traces: HashMap::new(),
            order: VecDeque::new(),
            gone: HashSet::new(),
            gone_order: VecDeque::new(),
        }
    }

    /// Begins to hold a trace, and says what became of others for it.
    pub(super) fn open(&mut self, trace: TraceId, chosen: bool) -> Vec<&'static str> {
        let waiting = Trace::Waiting(Waiting {
            chosen,
            ..Waiting::default()
        });
        if self.traces.insert(trace, waiting).is_none() {
            self.order.push_back(trace);
        }
        let mut outcomes = Vec::new();
        if self.order.len() > self.limits.traces
            && let Some(oldest) = self.order.pop_front()
            && let Some(Trace::Waiting(waiting)) = self.traces.remove(&oldest)
        {
            outcomes.push("evicted");
            self.drop_trace(oldest, waiting, &mut outcomes);
        }
        outcomes
    }

    /// Takes in a span that has ended.
    pub(super) fn end(&mut self, span: SpanData) -> Fate {
        let id = span.span_context.trace_id();
        let is_root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
        if is_root && span.name == ROOT {
            return self.end_root(id, span);
        }
        if is_root
            && span.span_kind == SpanKind::Client
            && !has_failed(&span)
            && !self.was_slow(&span)
        {
            return Fate::default();
        }
        let mut fate = Fate::default();
        for link in span.links.iter() {
            self.point(id, link.span_context.trace_id(), &mut fate);
        }
        match self.traces.get_mut(&id) {
            Some(Trace::Waiting(waiting)) => {
                if let Some(kept) = waiting.wait(span, self.limits) {
                    self.traces.insert(id, Trace::Kept);
                    fate.waited.extend(kept.spans);
                    self.want(kept.points_at, &mut fate);
                }
            }
            None if self.gone.contains(&id) => {}
            Some(Trace::Kept) | None => fate.span = Some(span),
        }
        fate
    }

    fn end_root(&mut self, id: TraceId, root: SpanData) -> Fate {
        let mut fate = Fate::default();
        match self.traces.remove(&id) {
            Some(Trace::Waiting(mut waiting)) => match self.unwanted(&waiting, &root) {
                // What it shares with those that point at it is in no other trace.
                Some("not_sampled") if waiting.pointers > 0 => {
                    waiting.spans.push(root);
                    waiting.ended = true;
                    self.traces.insert(id, Trace::Waiting(waiting));
                    return fate;
                }
                Some(outcome) => {
                    fate.outcomes.push(outcome);
                    self.drop_trace(id, waiting, &mut fate.outcomes);
                }
                None => {
                    fate.waited = waiting.spans;
                    fate.outcomes.push("kept");
                    self.want(waiting.points_at, &mut fate);
                    fate.span = Some(root);
                }
            },
            None if self.gone.contains(&id) => {}
            Some(Trace::Kept) | None => {
                fate.outcomes.push("kept");
                fate.span = Some(root);
            }
        }
        self.order.retain(|other| *other != id);
        fate
    }

    /// Notes that a trace points at another one, so that this one is kept with it.
    fn point(&mut self, from: TraceId, to: TraceId, fate: &mut Fate) {
        match self.traces.get_mut(&from) {
            Some(Trace::Waiting(waiting)) => {
                if from == to || waiting.points_at.contains(&to) {
                    return;
                }
                waiting.points_at.push(to);
                if let Some(Trace::Waiting(other)) = self.traces.get_mut(&to) {
                    other.pointers += 1;
                }
            }
            Some(Trace::Kept) => self.want(vec![to], fate),
            None => {}
        }
    }

    /// A trace that is kept points at these: they are kept too, and what they point at.
    fn want(&mut self, mut traces: Vec<TraceId>, fate: &mut Fate) {
        while let Some(id) = traces.pop() {
            match self.traces.get_mut(&id) {
                Some(Trace::Waiting(waiting)) if waiting.ended => {
                    fate.waited.append(&mut waiting.spans);
                    traces.append(&mut waiting.points_at);
                    fate.outcomes.push("kept");
                    self.traces.remove(&id);
                    self.order.retain(|other| *other != id);
                }
                Some(Trace::Waiting(waiting)) => waiting.wanted = true,
                Some(Trace::Kept) | None => {}
            }
        }
    }

    /// Drops a trace, and with it those that only stayed because it pointed at them.
    fn drop_trace(&mut self, id: TraceId, trace: Waiting, outcomes: &mut Vec<&'static str>) {
        self.bury(id);
        let mut pointed_at = trace.points_at;
        while let Some(id) = pointed_at.pop() {
            let Some(Trace::Waiting(waiting)) = self.traces.get_mut(&id) else {
                continue;
            };
            waiting.pointers = waiting.pointers.saturating_sub(1);
            if waiting.ended && waiting.pointers == 0 {
                pointed_at.append(&mut waiting.points_at);
                outcomes.push("not_sampled");
                self.traces.remove(&id);
                self.order.retain(|other| *other != id);
                self.bury(id);
            }
        }
    }

    /// Why a turn that has ended is not worth keeping, if it is not.
    fn unwanted(&self, waiting: &Waiting, root: &SpanData) -> Option<&'static str> {
        let failed = waiting.failed || has_failed(root);
        let slow = self.was_slow(root);
        if found_no_work(root) && !failed && !slow {
            return Some("no_work");
        }
        let kept = waiting.chosen || waiting.wanted || slow || (self.keep.failed && failed);
        (!kept).then_some("not_sampled")
    }

    fn was_slow(&self, span: &SpanData) -> bool {
        let took = span.end_time.duration_since(span.start_time).ok();
        let slow = self.keep.slow.zip(took);
        slow.is_some_and(|(slow, took)| took >= slow)
    }

    fn bury(&mut self, trace: TraceId) {
        if self.gone.insert(trace) {
            self.gone_order.push_back(trace);
        }
        if self.gone_order.len() > self.limits.gone
            && let Some(oldest) = self.gone_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }

    /// Everything that waits, when nothing more will end.
    pub(super) fn empty(&mut self) -> Vec<SpanData> {
        self.order.clear();
        self.traces
            .drain()
            .flat_map(|(_, trace)| match trace {
                // It had its end, and nobody wanted it.
                Trace::Waiting(waiting) if waiting.ended => Vec::new(),
                Trace::Waiting(waiting) => waiting.spans,
                Trace::Kept => Vec::new(),
            })
            .collect()
    }

    /// How many traces are held, in order, and remembered as gone, in order.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 4] {
        [
            self.traces.len(),
            self.order.len(),
            self.gone.len(),
            self.gone_order.len(),
        ]
    }
}

impl Waiting {
    /// Adds a span to those that wait. If they are too many, all of them are to be kept, and it
    /// gives itself away.
    fn wait(&mut self, span: SpanData, limits: Limits) -> Option<Self> {
        self.failed |= has_failed(&span);
        self.spans.push(span);
        let most = if self.chosen {
            limits.spans
        } else {
            limits.unchosen
        };
        (self.spans.len() > most).then(|| std::mem::take(self))
    }
}

fn has_failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

fn found_no_work(root: &SpanData) -> bool {
    root.attributes.iter().any(|attribute| {
        attribute.key.as_str() == OUTCOME.0
            && matches!(&attribute.value, Value::String(text) if text.as_str() == OUTCOME.1)
    })
}
