//! The numbers about traces, for the metrics page.
//!
//! Invariant: every trace and every span that is not exported is counted under the reason.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Counters of traces and exports; copies count together.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    traces: IntCounterVec,
    spans: IntCounterVec,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            traces: vector(
                "scheduler_traces_total",
                "Traces of turns by what became of them: kept, no_work, not_sampled, evicted.",
                ("outcome", &["kept", "no_work", "not_sampled", "evicted"]),
            ),
            spans: vector(
                "scheduler_spans_exported_total",
                "Spans to be exported by what came of it: ok, failed, left_out.",
                ("result", &["ok", "failed", "left_out"]),
            ),
        }
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.traces.clone()))?;
        registry.register(Box::new(self.spans.clone()))
    }

    pub(super) fn traces(&self, outcome: &str) -> IntCounter {
        self.traces.with_label_values(&[outcome])
    }

    pub(super) fn spans(&self, ok: bool) -> IntCounter {
        self.spans
            .with_label_values(&[if ok { "ok" } else { "failed" }])
    }

    /// Spans for which there was no room in the queue.
    pub(super) fn left_out(&self) -> IntCounter {
        self.spans.with_label_values(&["left_out"])
    }
}

/// Counters by a label, all of them at zero from the start.
fn vector(name: &str, help: &str, (label, values): (&str, &[&str])) -> IntCounterVec {
    match IntCounterVec::new(Opts::new(name, help), &[label]) {
        Ok(counters) => {
            for value in values {
                counters.with_label_values(&[*value]).reset();
            }
            counters
        }
        // Names, help and label are the literals above, and they are well formed.
        Err(error) => unreachable!("{name}: {error}"),
    }
}
