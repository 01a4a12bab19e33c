//! The traces that are kept back, and what becomes of each.
//!
//! What several turns did together is told in the trace of the first, and the others point at it. To
//! point is to claim: until the turn that points has ended, the one it points at stays, even if that
//! has ended and nobody wants it for itself. Invariants:
//!
//! 1. A claim is honoured only if the turn that makes it is kept for its own sake, and it is let go in
//!    any case when that turn ends. So it is never handed on: turns that point at each other in a row
//!    keep but the direct targets of those worth keeping, and turns in a ring let go of each other.
//! 2. The traces have an age each and stand in `ages` exactly as long as in `traces`; `spans` is how many
//!    spans wait in all of them.
//! 3. No span is dropped in here, for whoever calls holds a lock: each leaves in a [`Fate`].

use std::collections::{BTreeMap, HashMap};

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::SpanData;

use super::Limits;
use super::gone::Gone;
use super::keep::{Keep, found_no_work, has_failed, is_turn};
use super::trace::{Fate, State, Trace};

/// What a turn that has ended is worth.
enum Worth {
    OwnSake,
    ToOthers,
    Nothing(&'static str),
}

/// The traces under way, and the ids of those dropped lately.
#[derive(Debug)]
pub(super) struct Held {
    keep: Keep,
    limits: Limits,
    traces: HashMap<TraceId, Trace>,
    ages: BTreeMap<u64, TraceId>,
    begun: u64,
    spans: usize,
    gone: Gone,
}

impl Held {
    pub(super) fn new(keep: Keep, limits: Limits) -> Self {
        Self {
            keep,
            limits,
            traces: HashMap::new(),
            ages: BTreeMap::new(),
            begun: 0,
            spans: 0,
            gone: Gone::new(limits.gone),
        }
    }

    /// Begins to hold a trace, and says what became of others for it.
    pub(super) fn open(&mut self, id: TraceId, chosen: bool) -> Fate {
        let mut fate = Fate::default();
        if self.traces.contains_key(&id) {
            return fate;
        }
        self.begun += 1;
        let trace = Trace {
            age: self.begun,
            chosen,
            ..Trace::default()
        };
        self.put(id, trace);
        if self.traces.len() > self.limits.traces
            && let Some(oldest) = self.oldest(|_| true)
        {
            self.evict(oldest, &mut fate);
        }
        fate
    }

    /// Takes in a span that has ended.
    pub(super) fn end(&mut self, span: SpanData) -> Fate {
        let mut fate = Fate::default();
        let id = span.span_context.trace_id();
        if is_turn(&span) {
            self.end_root(id, span, &mut fate);
        } else {
            for link in span.links.iter() {
                self.claim(id, link.span_context.trace_id());
            }
            self.end_child(id, span, &mut fate);
        }
        while self.spans > self.limits.all
            && let Some(oldest) = self.oldest(|trace| !trace.spans.is_empty())
        {
            self.evict(oldest, &mut fate);
        }
        fate
    }

    fn end_child(&mut self, id: TraceId, span: SpanData, fate: &mut Fate) {
        let Some(trace) = self.traces.get_mut(&id) else {
            if self.gone.has(id) {
                fate.dropped.push(vec![span]);
            } else {
                fate.span = Some(span);
            }
            return;
        };
        trace.failed |= has_failed(&span);
        if trace.state == State::Passing {
            fate.span = Some(span);
            return;
        }
        trace.spans.push(span);
        self.spans += 1;
        let most = if trace.chosen {
            self.limits.spans
        } else {
            self.limits.unchosen
        };
        if trace.state == State::Waiting && trace.spans.len() > most {
            trace.state = State::Passing;
            fate.waited = std::mem::take(&mut trace.spans);
            self.spans -= fate.waited.len();
        }
    }

    fn end_root(&mut self, id: TraceId, root: SpanData, fate: &mut Fate) {
        let Some(mut trace) = self.take(id) else {
            if self.gone.has(id) {
                fate.dropped.push(vec![root]);
            } else {
                fate.outcomes.push("kept");
                fate.span = Some(root);
            }
            return;
        };
        trace.failed |= has_failed(&root);
        let worth = self.worth(&trace, &root);
        let claims = std::mem::take(&mut trace.points_at);
        self.settle(claims, matches!(worth, Worth::OwnSake), fate);
        match worth {
            Worth::OwnSake | Worth::ToOthers => {
                fate.outcomes.push("kept");
                fate.waited.append(&mut trace.spans);
                fate.span = Some(root);
            }
            // What it shares with those that point at it is in no other trace.
            Worth::Nothing(_) if trace.pointers > 0 => {
                trace.spans.push(root);
                trace.state = State::Target;
                self.put(id, trace);
            }
            Worth::Nothing(outcome) => {
                trace.spans.push(root);
                self.drop_trace(id, trace, outcome, fate);
            }
        }
    }

    /// Notes that a trace points at another one.
    fn claim(&mut self, from: TraceId, to: TraceId) {
        let knows = |trace: &Trace| trace.state == State::Target || trace.points_at.contains(&to);
        if from == to || self.traces.get(&from).is_none_or(knows) {
            return;
        }
        let Some(target) = self.traces.get_mut(&to) else {
            return;
        };
        target.pointers += 1;
        if let Some(trace) = self.traces.get_mut(&from) {
            trace.points_at.push(to);
        }
    }

    /// Ends the claims of a trace.
    fn settle(&mut self, claims: Vec<TraceId>, honoured: bool, fate: &mut Fate) {
        for id in claims {
            let Some(target) = self.traces.get_mut(&id) else {
                continue;
            };
            target.pointers = target.pointers.saturating_sub(1);
            target.wanted |= honoured;
            let waits_for_more = !honoured && target.pointers > 0;
            if target.state != State::Target || waits_for_more {
                continue;
            }
            match self.take(id) {
                Some(mut target) if honoured => {
                    fate.outcomes.push("kept");
                    fate.waited.append(&mut target.spans);
                }
                Some(target) => self.drop_trace(id, target, "not_sampled", fate),
                None => {}
            }
        }
    }

    /// Lets go of a trace to make room.
    fn evict(&mut self, id: TraceId, fate: &mut Fate) {
        let Some(mut trace) = self.take(id) else {
            return;
        };
        let claims = std::mem::take(&mut trace.points_at);
        if trace.state == State::Passing {
            // Nothing of it is lost: what it has yet to tell passes as that of a trace nobody knows.
            let own_sake = trace.chosen || (self.keep.failed && trace.failed);
            self.settle(claims, own_sake, fate);
        } else {
            self.settle(claims, false, fate);
            self.drop_trace(id, trace, "evicted", fate);
        }
    }

    fn drop_trace(&mut self, id: TraceId, trace: Trace, outcome: &'static str, fate: &mut Fate) {
        self.gone.bury(id);
        fate.outcomes.push(outcome);
        fate.dropped.push(trace.spans);
    }

    /// What a turn that has ended is worth.
    fn worth(&self, trace: &Trace, root: &SpanData) -> Worth {
        let slow = self.keep.turn_was_slow(root);
        let passes = trace.state == State::Passing;
        if found_no_work(root) && !trace.failed && !slow && !passes {
            Worth::Nothing("no_work")
        } else if trace.chosen || slow || (self.keep.failed && trace.failed) {
            Worth::OwnSake
        } else if trace.wanted || passes {
            Worth::ToOthers
        } else {
            Worth::Nothing("not_sampled")
        }
    }

    fn put(&mut self, id: TraceId, trace: Trace) {
        self.spans += trace.spans.len();
        self.ages.insert(trace.age, id);
        self.traces.insert(id, trace);
    }

    fn take(&mut self, id: TraceId) -> Option<Trace> {
        let trace = self.traces.remove(&id)?;
        self.ages.remove(&trace.age);
        self.spans -= trace.spans.len();
        Some(trace)
    }

    /// The oldest of those that are so.
    fn oldest(&self, is_so: impl Fn(&Trace) -> bool) -> Option<TraceId> {
        let is_so = |id: &&TraceId| self.traces.get(*id).is_some_and(&is_so);
        self.ages.values().find(is_so).copied()
    }

    /// Everything that waits, when nothing more will end.
    pub(super) fn empty(&mut self) -> Fate {
        let mut fate = Fate::default();
        while let Some(id) = self.oldest(|_| true) {
            let Some(trace) = self.take(id) else {
                break;
            };
            // A target had its end, and nobody wanted it.
            if trace.state == State::Target {
                fate.dropped.push(trace.spans);
            } else {
                fate.waited.extend(trace.spans);
            }
        }
        fate
    }

    /// How many traces are held, by either count, and how many are remembered as gone.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 4] {
        let [ids, order] = self.gone.sizes();
        [self.traces.len(), self.ages.len(), ids, order]
    }

    /// How many spans wait, as it is kept count of and as it is.
    #[cfg(test)]
    pub(super) fn spans(&self) -> (usize, usize) {
        let each = self.traces.values().map(|trace| trace.spans.len());
        (self.spans, each.sum())
    }
}
