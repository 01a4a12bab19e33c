//! The ids of traces that were dropped lately, so that their late spans are dropped too.
//!
//! Invariant: never more than so many are remembered, the oldest is forgotten first.

use std::collections::{HashSet, VecDeque};

use opentelemetry::trace::TraceId;

#[derive(Debug)]
pub(super) struct Gone {
    most: usize,
    ids: HashSet<TraceId>,
    order: VecDeque<TraceId>,
}

impl Gone {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            ids: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn has(&self, trace: TraceId) -> bool {
        self.ids.contains(&trace)
    }

    pub(super) fn bury(&mut self, trace: TraceId) {
        if self.ids.insert(trace) {
            self.order.push_back(trace);
        }
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// How many are remembered, by either count.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 2] {
        [self.ids.len(), self.order.len()]
    }
}
