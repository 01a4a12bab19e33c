//! Metrics of the feed.
//!
//! Invariant: a show in a facility has series exactly while it has a cluster, so the current farm bounds their number.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cue_domain::{ClusterKey, FacilityId, ShowId, TurnEnd};
use cue_flow::Labelled;
use parking_lot::Mutex;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::stats::ClusterStats;

cue_flow::metrics! {
    /// The feed's metrics.
    pub(crate) struct FeedMetrics {
        active: IntGauge = "scheduler_clusters_active", "Clusters with work";
        backing_off: IntGauge = "scheduler_clusters_sleeping",
            "Clusters with work that back off after a turn";
        polls: IntCounterVec = "scheduler_cluster_polls_total",
            "Turns sent to the pipeline, by show and facility",
            &SHOW_LABELS;
        reasons: Labelled = "scheduler_pass_terminated_reason_total",
            "Finished turns, by outcome",
            ("reason", &["booked", "saturated", "no_jobs", "query_error"]);
        frames: Histogram = "scheduler_frames_dispatched_per_pass",
            "Frames booked in a turn that found jobs",
            vec![0.0, 1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0];
        begun: IntCounter = "scheduler_cluster_rounds_total",
            "Turns sent to the pipeline, of all clusters";
        round_trip: Histogram = "scheduler_cluster_round_trip_seconds",
            "Time between two turns of a cluster",
            vec![0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0, 120.0, 600.0];
        last_jobs: IntGaugeVec = "scheduler_cluster_last_dispatched_jobs",
            "Jobs of which the last turn booked frames, by show and facility",
            &SHOW_LABELS;
    }
    with {
        /// Series by show and facility, for those with clusters.
        by_show: Arc<Mutex<HashMap<(ShowId, FacilityId), ShowSeries>>> = Arc::default();
    }
}

/// Labels of the series of a show in a facility, in the order of their values.
const SHOW_LABELS: [&str; 2] = ["show_id", "facility_id"];

/// Series of one show in one facility.
#[derive(Debug)]
struct ShowSeries {
    polls: IntCounter,
    last_jobs: IntGauge,
}

impl FeedMetrics {
    /// Counts a turn that begins; the last turn of its cluster began `round_trip` ago.
    pub(crate) fn turn_begun(&self, cluster: &ClusterKey, round_trip: Option<Duration>) {
        self.begun.inc();
        self.with_series(cluster, |series| series.polls.inc());
        if let Some(round_trip) = round_trip {
            self.round_trip.observe(round_trip.as_secs_f64());
        }
    }

    /// Records the outcome of a turn.
    pub(crate) fn turn_ended(&self, cluster: &ClusterKey, end: &TurnEnd) {
        self.reasons.inc(end.reason());
        let jobs = i64::try_from(end.dispatched_jobs).unwrap_or(i64::MAX);
        self.with_series(cluster, |series| series.last_jobs.set(jobs));
        if end.jobs > 0 {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a turn books far fewer than 2^52 frames"
            )]
            self.frames.observe(end.booked as f64);
        }
    }

    pub(crate) fn set_stats(&self, stats: ClusterStats) {
        self.active.set(number(stats.active));
        self.backing_off.set(number(stats.backing_off));
    }

    /// Applies `record` to the series of a cluster's show, if the show has clusters.
    fn with_series(&self, cluster: &ClusterKey, record: impl FnOnce(&ShowSeries)) {
        let show = (cluster.show.clone(), cluster.facility.clone());
        if let Some(series) = self.by_show.lock().get(&show) {
            record(series);
        }
    }

    /// Makes series for the shows of these clusters, and removes all others.
    pub(crate) fn set_clusters<'a>(&self, clusters: impl Iterator<Item = &'a ClusterKey>) {
        let wanted: HashSet<(ShowId, FacilityId)> = clusters
            .map(|key| (key.show.clone(), key.facility.clone()))
            .collect();
        let mut by_show = self.by_show.lock();
        by_show.retain(|show, _| {
            let stays = wanted.contains(show);
            if !stays {
                let labels = [show.0.as_str(), show.1.as_str()];
                // Both exist as long as the entry does.
                _ = self.polls.remove_label_values(&labels);
                _ = self.last_jobs.remove_label_values(&labels);
            }
            stays
        });
        for show in wanted {
            by_show.entry(show).or_insert_with_key(|(show, facility)| {
                let labels = [show.as_str(), facility.as_str()];
                ShowSeries {
                    polls: self.polls.with_label_values(&labels),
                    last_jobs: self.last_jobs.with_label_values(&labels),
                }
            });
        }
    }
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
