//! What host match counts.

use cue_flow::{Labelled, registered};
use cue_hosts::Choice;
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
    pub(crate) scores: Histogram,
    pub(crate) races_lost: IntCounter,
    outcome: Labelled,
    checkouts: IntCounterVec,
    no_match: IntCounter,
}

impl MatchMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help)?);
        let family = |name, help, label| {
            registered(
                registry,
                IntCounterVec::new(Opts::new(name, help), &[label])?,
            )
        };
        let histogram = |name, help, bounds: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
            registered(registry, Histogram::with_opts(opts)?)
        };
        let wasted = family(
            "scheduler_wasted_attempts_total",
            "Hosts that were tried in vain, by reason: no frame could be put on it, none was booked on it, none was launched, or its batch was given up",
            "reason",
        )?;
        let checkouts = family(
            "scheduler_checkout_outcome_total",
            "Searches for a host: none was found, or what was booked on it",
            "outcome",
        )?;
        let outcome = family(
            "scheduler_match_outcome_total",
            "Layers of batches: all frames placed, some, or none",
            "outcome",
        )?;
        Ok(Self {
            attempted: counter(
                "scheduler_hosts_attempted_total",
                "Hosts on which a plan tried to put frames of a layer",
            )?,
            misfits: wasted.with_label_values(&[MISFIT]),
            wasted,
            no_candidate: counter(
                "scheduler_no_candidate_iterations_total",
                "Layers for which no host was found, before or after they were locked",
            )?,
            candidates: histogram(
                "scheduler_candidates_per_layer",
                "Hosts tried for one layer of a batch",
                &[1.0, 5.0, 10.0, 20.0, 50.0, 100.0],
            )?,
            scores: histogram(
                "scheduler_placement_score_chosen",
                "Scores of the hosts taken with the strategy `epvm`; lower is better",
                &[0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0],
            )?,
            races_lost: counter(
                "scheduler_placement_inner_retries_exhausted_total",
                "Hosts taken without a score, because with the strategy `epvm` each one scored best went to another search",
            )?,
            outcome: Labelled::new(outcome, &["all", "some", "none"]),
            no_match: checkouts.with_label_values(&["no_match"]),
            checkouts,
        })
    }

    /// Counts hosts that were tried in vain, by reason: here a plan that could put nothing on its
    /// host, elsewhere what became of the plan.
    #[must_use]
    pub fn wasted(&self) -> IntCounterVec {
        self.wasted.clone()
    }

    /// Counts searches for a host by what came of them: here those that found none, elsewhere what
    /// was booked on the host.
    #[must_use]
    pub fn checkouts(&self) -> IntCounterVec {
        self.checkouts.clone()
    }

    /// Counts layers and searches for which there was no host: here those of a batch, elsewhere those
    /// that were not locked because there was none.
    #[must_use]
    pub fn without_host(&self) -> [IntCounter; 2] {
        [self.no_candidate.clone(), self.no_match.clone()]
    }

    /// Notes that there is no host for the frames of a layer that are left.
    pub(crate) fn no_match(&self) {
        self.no_match.inc();
    }

    /// Notes how a host was chosen.
    pub(crate) fn chosen(&self, choice: Choice) {
        match choice {
            Choice::First => {}
            Choice::Scored(score) => self.scores.observe(score),
            Choice::Unscored => self.races_lost.inc(),
        }
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
