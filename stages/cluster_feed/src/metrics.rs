//! What the feed counts.

use cue_domain::{TagKind, TurnEnd};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// The feed's metrics.
#[derive(Clone, Debug)]
pub struct FeedMetrics {
    /// Turns handed to the pipeline.
    pub(crate) polls: IntCounter,
    /// Reloads of the cluster set, by outcome.
    pub(crate) reloads: IntCounterVec,
    clusters: IntGaugeVec,
    reasons: IntCounterVec,
    frames_per_turn: Histogram,
}

impl FeedMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let polls = IntCounter::new(
            "scheduler_cluster_polls_total",
            "Turns handed to the pipeline",
        )?;
        let reloads = IntCounterVec::new(
            Opts::new(
                "scheduler_cluster_reloads_total",
                "Reloads of the cluster set, by outcome",
            ),
            &["outcome"],
        )?;
        let clusters = IntGaugeVec::new(
            Opts::new("scheduler_clusters_total", "Known clusters, by kind of tag"),
            &["cluster_type"],
        )?;
        let reasons = IntCounterVec::new(
            Opts::new(
                "scheduler_pass_terminated_reason_total",
                "Finished turns, by what they came to",
            ),
            &["reason"],
        )?;
        let frames_per_turn = Histogram::with_opts(
            HistogramOpts::new(
                "scheduler_frames_dispatched_per_pass",
                "Frames booked in a turn that found jobs",
            )
            .buckets(vec![
                0.0, 1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0,
            ]),
        )?;
        registry.register(Box::new(polls.clone()))?;
        registry.register(Box::new(reloads.clone()))?;
        registry.register(Box::new(clusters.clone()))?;
        registry.register(Box::new(reasons.clone()))?;
        registry.register(Box::new(frames_per_turn.clone()))?;
        Ok(Self {
            polls,
            reloads,
            clusters,
            reasons,
            frames_per_turn,
        })
    }

    pub(crate) fn turn_ended(&self, end: &TurnEnd) {
        self.reasons.with_label_values(&[end.reason()]).inc();
        if end.jobs > 0 {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a turn books far fewer than 2^52 frames"
            )]
            self.frames_per_turn.observe(end.booked as f64);
        }
    }

    pub(crate) fn set_clusters<'a>(&self, kinds: impl Iterator<Item = &'a TagKind> + Clone) {
        for kind in TagKind::ALL {
            let n = kinds.clone().filter(|other| **other == kind).count();
            self.clusters
                .with_label_values(&[kind.label()])
                .set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
}
