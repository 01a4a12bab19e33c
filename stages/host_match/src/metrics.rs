//! What host match counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// Host match's metrics.
#[derive(Clone, Debug)]
pub struct MatchMetrics {
    attempted: IntCounter,
    wasted: IntCounter,
    no_candidate: IntCounter,
    candidates: Histogram,
    outcome: IntCounterVec,
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
        let wasted = IntCounter::new(
            "scheduler_wasted_attempts_total",
            "Hosts taken from the index on which no frame could be put",
        )?;
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
        registry.register(Box::new(attempted.clone()))?;
        registry.register(Box::new(wasted.clone()))?;
        registry.register(Box::new(no_candidate.clone()))?;
        registry.register(Box::new(candidates.clone()))?;
        registry.register(Box::new(outcome.clone()))?;
        Ok(Self {
            attempted,
            wasted,
            no_candidate,
            candidates,
            outcome,
        })
    }

    pub(crate) fn layer_done(&self, tried: u32, wasted: u32, drained: bool) {
        self.attempted.inc_by(u64::from(tried + wasted));
        self.wasted.inc_by(u64::from(wasted));
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
        self.outcome.with_label_values(&[outcome]).inc();
    }
}
