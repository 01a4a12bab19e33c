//! What the feed counts.

use std::time::Duration;

use cue_domain::{TagKind, TurnEnd};
use cue_flow::{Labelled, registered};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::census::Census;

/// The feed's metrics.
#[derive(Clone, Debug)]
pub struct FeedMetrics {
    /// Reloads of the cluster set, by outcome.
    pub(crate) reloads: Labelled,
    /// Time of a scan.
    pub(crate) scan_seconds: Histogram,
    clusters: IntGaugeVec,
    active_tags: IntGauge,
    active: IntGauge,
    resting: IntGauge,
    turns: TurnMetrics,
}

/// What is counted of turns.
#[derive(Clone, Debug)]
struct TurnMetrics {
    polls: IntCounter,
    reasons: Labelled,
    frames: HistogramVec,
    rounds: IntCounter,
    round_trip: HistogramVec,
    last_jobs: IntGauge,
}

impl FeedMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
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
        let scan_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "scheduler_active_scan_duration_seconds",
                "Time of a scan of the farm for work",
            )
            .buckets(vec![
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
            ]),
        )?;
        let active_tags = IntGauge::new(
            "scheduler_active_tags",
            "Distinct (show, facility, tag) with work, as last scanned",
        )?;
        let active = IntGauge::new("scheduler_clusters_active", "Clusters with work")?;
        let resting = IntGauge::new(
            "scheduler_clusters_sleeping",
            "Clusters with work that rest after a turn",
        )?;
        Ok(Self {
            reloads: Labelled::new(registered(registry, reloads)?, &["ok", "error"]),
            scan_seconds: registered(registry, scan_seconds)?,
            clusters: registered(registry, clusters)?,
            active_tags: registered(registry, active_tags)?,
            active: registered(registry, active)?,
            resting: registered(registry, resting)?,
            turns: TurnMetrics::new(registry)?,
        })
    }

    /// A turn was handed on; the last one of its cluster began `round_trip` ago.
    pub(crate) fn turn_begun(&self, kind: TagKind, round_trip: Option<Duration>) {
        self.turns.polls.inc();
        if let Some(round_trip) = round_trip {
            self.turns
                .round_trip
                .with_label_values(&[kind.label()])
                .observe(round_trip.as_secs_f64());
        }
    }

    pub(crate) fn turn_ended(&self, kind: TagKind, end: &TurnEnd) {
        self.turns.reasons.inc(end.reason());
        if end.booked > 0 {
            let jobs = i64::try_from(end.jobs).unwrap_or(i64::MAX);
            self.turns.last_jobs.set(jobs);
        }
        if end.jobs > 0 {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a turn books far fewer than 2^52 frames"
            )]
            self.turns
                .frames
                .with_label_values(&[kind.label()])
                .observe(end.booked as f64);
        }
    }

    pub(crate) fn set_active_tags(&self, tags: Option<usize>) {
        if let Some(tags) = tags {
            self.active_tags.set(number(tags));
        }
    }

    pub(crate) fn set_census(&self, census: Census) {
        self.active.set(number(census.active));
        self.resting.set(number(census.resting));
        self.turns.rounds.inc_by(census.rounds);
    }

    pub(crate) fn set_clusters<'a>(&self, kinds: impl Iterator<Item = &'a TagKind> + Clone) {
        for kind in TagKind::ALL {
            let n = kinds.clone().filter(|other| **other == kind).count();
            self.clusters
                .with_label_values(&[kind.label()])
                .set(number(n));
        }
    }
}

impl TurnMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let polls = IntCounter::new(
            "scheduler_cluster_polls_total",
            "Turns handed to the pipeline",
        )?;
        let reasons = IntCounterVec::new(
            Opts::new(
                "scheduler_pass_terminated_reason_total",
                "Finished turns, by what they came to",
            ),
            &["reason"],
        )?;
        let known = ["booked", "saturated", "no_jobs", "query_error"];
        let frames = HistogramVec::new(
            HistogramOpts::new(
                "scheduler_frames_dispatched_per_pass",
                "Frames booked in a turn that found jobs",
            )
            .buckets(vec![
                0.0, 1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0,
            ]),
            &["cluster_type"],
        )?;
        let rounds = IntCounter::new(
            "scheduler_cluster_rounds_total",
            "Rounds in which every cluster with work has had a turn",
        )?;
        let round_trip = HistogramVec::new(
            HistogramOpts::new(
                "scheduler_cluster_round_trip_seconds",
                "Time between two turns of a cluster",
            )
            .buckets(vec![
                0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0, 120.0, 600.0,
            ]),
            &["cluster_type"],
        )?;
        let last_jobs = IntGauge::new(
            "scheduler_cluster_last_dispatched_jobs",
            "Jobs found by the last turn that booked frames",
        )?;
        Ok(Self {
            polls: registered(registry, polls)?,
            reasons: Labelled::new(registered(registry, reasons)?, &known),
            frames: registered(registry, frames)?,
            rounds: registered(registry, rounds)?,
            round_trip: registered(registry, round_trip)?,
            last_jobs: registered(registry, last_jobs)?,
        })
    }
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
