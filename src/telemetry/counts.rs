//! Counters of traces, spans and exports, for the metrics page.

use cue_flow::Labelled;
use prometheus::{IntCounterVec, Opts, Registry};

/// Counters of traces and exports. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    /// Turns: `kept`, `no_work` or `thinned`.
    pub(super) traces: Labelled,
    /// Spans to be exported: `ok`, `failed`, `left_out` or `beyond_limit`.
    pub(super) spans: Labelled,
    /// Exports of the metrics: `ok` or `failed`.
    pub(super) metrics: Labelled,
    families: [IntCounterVec; 3],
}

impl Counts {
    pub(super) fn new() -> Self {
        let traces = family(
            ("scheduler_traces_total", "outcome"),
            "Sampled turns by what became of their traces: kept, no_work, thinned.",
        );
        let spans = family(
            ("scheduler_spans_exported_total", "result"),
            "Spans to be exported by result: ok, failed, left_out, beyond_limit.",
        );
        let metrics = family(
            ("scheduler_metric_exports_total", "result"),
            "Exports of the metrics to a collector by result: ok, failed.",
        );
        Self {
            traces: Labelled::new(traces.clone(), &["kept", "no_work", "thinned"]),
            spans: Labelled::new(spans.clone(), &["ok", "failed", "left_out", "beyond_limit"]),
            metrics: Labelled::new(metrics.clone(), &["ok", "failed"]),
            families: [traces, spans, metrics],
        }
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        for family in &self.families {
            registry.register(Box::new(family.clone()))?;
        }
        Ok(())
    }
}

fn family((name, label): (&str, &str), help: &str) -> IntCounterVec {
    match IntCounterVec::new(Opts::new(name, help), &[label]) {
        Ok(counters) => counters,
        // Names, help and label are the literals above, and they are well formed.
        Err(error) => unreachable!("{name}: {error}"),
    }
}
