//! What host match counts.

use cue_flow::Labelled;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// The index found the host fitting and the plan did not.
const MISFIT: &str = "misfit";

/// Host match's metrics.
#[derive(Clone, Debug)]
pub struct MatchMetrics {
    attempted: IntCounter,
    wasted: IntCounterVec,
    misfits: IntCounter,
    no_candidate: IntCounter,
    candidates: Histogram,
    scores: Histogram,
    outcome: Labelled,
}

impl MatchMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let attempted = IntCounter::new(
            "scheduler_hosts_attempted_total",
            "Hosts on which a plan tried to put frames of a layer",
        )?;
        let wasted = IntCounterVec::new(
            Opts::new(
                "scheduler_wasted_attempts_total",
                "Hosts that were tried in vain, by reason: no frame could be put on it, none was booked on it, none was launched, or its batch was given up",
            ),
            &["reason"],
        )?;
        let misfits = wasted.with_label_values(&[MISFIT]);
        let no_candidate = IntCounter::new(
            "scheduler_no_candidate_iterations_total",
            "Layer attempts that found no host",
        )?;
        let candidates = Histogram::with_opts(
            HistogramOpts::new(
                "scheduler_candidates_per_layer",
                "Hosts tried for one layer of a batch",
            )
            .buckets(vec![1.0, 5.0, 10.0, 20.0, 50.0, 100.0]),
        )?;
        let outcome = IntCounterVec::new(
            Opts::new(
                "scheduler_match_outcome_total",
                "Layers of batches: all frames placed, some, or none",
            ),
            &["outcome"],
        )?;
        let scores = Histogram::with_opts(
            HistogramOpts::new(
                "scheduler_placement_score_chosen",
                "Scores of the hosts taken with the strategy `epvm`; lower is better",
            )
            .buckets(vec![0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]),
        )?;
        registry.register(Box::new(scores.clone()))?;
        registry.register(Box::new(attempted.clone()))?;
        registry.register(Box::new(wasted.clone()))?;
        registry.register(Box::new(no_candidate.clone()))?;
        registry.register(Box::new(candidates.clone()))?;
        registry.register(Box::new(outcome.clone()))?;
        Ok(Self {
            attempted,
            wasted,
            misfits,
            no_candidate,
            candidates,
            scores,
            outcome: Labelled::new(outcome, &["all", "some", "none"]),
        })
    }

    /// Counts hosts that were tried in vain, by reason: here a plan that could put nothing on its
    /// host, elsewhere what became of the plan.
    #[must_use]
    pub fn wasted(&self) -> IntCounterVec {
        self.wasted.clone()
    }

    /// Notes the scores of the hosts that were taken.
    pub(crate) fn scored(&self, scores: &[f64]) {
        scores.iter().for_each(|score| self.scores.observe(*score));
    }

    pub(crate) fn layer_done(&self, tried: u32, wasted: u32, drained: bool) {
        self.attempted.inc_by(u64::from(tried + wasted));
        self.misfits.inc_by(u64::from(wasted));
        self.candidates.observe(f64::from(tried));
        if tried == 0 {
            self.no_candidate.inc();
        }
        let outcome = if drained {
            "all"
        } else if tried == 0 {
            "none"
        } else {
            "some"
        };
        self.outcome.inc(outcome);
    }
}
