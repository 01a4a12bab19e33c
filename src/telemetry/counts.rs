//! The numbers about traces, for the metrics page.
//!
//! Invariant: every trace and every span that is not exported is counted under the reason.

use cue_flow::Labelled;
use prometheus::{IntCounterVec, Opts, Registry};

/// Counters of traces and exports; copies count together.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    traces: Labelled,
    spans: Labelled,
    families: [IntCounterVec; 2],
}

impl Counts {
    pub(super) fn new() -> Self {
        let traces = family(
            "scheduler_traces_total",
            "Traces of turns by what became of them: kept, no_work, not_sampled, evicted.",
            "outcome",
        );
        let spans = family(
            "scheduler_spans_exported_total",
            "Spans to be exported by what came of it: ok, failed, left_out.",
            "result",
        );
        Self {
            traces: Labelled::new(
                traces.clone(),
                &["kept", "no_work", "not_sampled", "evicted"],
            ),
            spans: Labelled::new(spans.clone(), &["ok", "failed", LEFT_OUT]),
            families: [traces, spans],
        }
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        for family in &self.families {
            registry.register(Box::new(family.clone()))?;
        }
        Ok(())
    }

    /// Traces, by what became of them.
    pub(super) const fn traces(&self) -> &Labelled {
        &self.traces
    }

    /// So many more spans were sent, or could not be.
    pub(super) fn spans(&self, ok: bool, more: u64) {
        self.spans.inc_by(result(ok), more);
    }

    /// How many were sent so far, or could not be.
    #[cfg(test)]
    pub(super) fn exported(&self, ok: bool) -> u64 {
        self.spans.count(result(ok))
    }

    /// One more span for which there was no room in the queue.
    pub(super) fn leave_out(&self) {
        self.spans.inc(LEFT_OUT);
    }

    /// How many were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.spans.count(LEFT_OUT)
    }
}

const fn result(ok: bool) -> &'static str {
    if ok { "ok" } else { "failed" }
}

const LEFT_OUT: &str = "left_out";

fn family(name: &str, help: &str, label: &str) -> IntCounterVec {
    match IntCounterVec::new(Opts::new(name, help), &[label]) {
        Ok(counters) => counters,
        // Names, help and label are the literals above, and they are well formed.
        Err(error) => unreachable!("{name}: {error}"),
    }
}
