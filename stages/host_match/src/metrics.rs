//! Metrics of host match.

use cue_flow::Labelled;
use cue_hosts::Choice;
use prometheus::{Histogram, IntCounter, IntCounterVec};

/// Reason of an attempt that the index admitted and the plan did not.
const MISFIT: &str = "misfit";

cue_flow::metrics! {
    /// Host match's metrics.
    pub struct MatchMetrics {
        attempted: IntCounter = "scheduler_hosts_attempted_total",
            "Hosts on which a plan tried to place frames of a layer";
        wasted: IntCounterVec = "scheduler_wasted_attempts_total",
            "Hosts attempted without a booking, by reason: no frame could be placed, a rule refused all, none was launched, or its batch was abandoned; contention does not count",
            &["reason"];
        no_candidate: IntCounter = "scheduler_no_candidate_iterations_total",
            "Layers for which no host was found, before or after they were locked";
        candidates: Histogram = "scheduler_candidates_per_layer",
            "Hosts attempted for one layer of a batch",
            vec![1.0, 5.0, 10.0, 20.0, 50.0, 100.0];
        pub(crate) scores: Histogram = "scheduler_placement_score_chosen",
            "Scores of the hosts taken with the strategy `epvm`; lower is better",
            vec![0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
        pub(crate) races_lost: IntCounter = "scheduler_placement_inner_retries_exhausted_total",
            "Hosts taken without a score, because with the strategy `epvm` each one scored best went to another search";
        outcome: Labelled = "scheduler_match_outcome_total",
            "Layers of batches: all frames placed, some, or none",
            ("outcome", &["all", "some", "none"]);
        checkouts: IntCounterVec = "scheduler_checkout_outcome_total",
            "Searches for a host: none was found, or what was booked on it",
            &["outcome"];
    }
    with {
        misfits: IntCounter = wasted.with_label_values(&[MISFIT]);
        no_match: IntCounter = checkouts.with_label_values(&["no_match"]);
    }
}

impl MatchMetrics {
    /// Hosts attempted without a booking, by reason. Host match counts hosts on which no frame could be placed; check-in
    /// counts the others.
    pub fn wasted(&self) -> IntCounterVec {
        self.wasted.clone()
    }

    /// Searches for a host, by outcome. Host match counts those that found none; check-in counts the others.
    pub fn checkouts(&self) -> IntCounterVec {
        self.checkouts.clone()
    }

    /// Records that the remaining frames of a layer found no host.
    pub(crate) fn no_match(&self) {
        self.no_match.inc();
    }

    /// Records the choice of a host.
    pub(crate) fn chosen(&self, choice: Choice) {
        match choice {
            Choice::First => {}
            Choice::Scored(score) => self.scores.observe(score),
            Choice::Unscored => self.races_lost.inc(),
        }
    }

    /// Records the attempts of a layer, of which all frames were placed or not.
    pub(crate) fn layer_done(&self, attempted: u32, wasted: u32, drained: bool) {
        self.attempted.inc_by(u64::from(attempted + wasted));
        self.misfits.inc_by(u64::from(wasted));
        self.candidates.observe(f64::from(attempted));
        if attempted == 0 {
            self.no_candidate.inc();
        }
        let outcome = if drained {
            "all"
        } else if attempted == 0 {
            "none"
        } else {
            "some"
        };
        self.outcome.inc(outcome);
    }
}
