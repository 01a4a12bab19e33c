//! A reading of the counters at one moment, and the growth between two readings.
//!
//! Invariant: a counter that is missing in the older reading began in between, so it counts from
//! zero; one that went down has been started again, and counts as nothing rather than below zero.

use std::collections::BTreeMap;
use std::time::Instant;

use prometheus::Registry;
use prometheus::proto::{Metric, MetricFamily};

use crate::status::{Count, Times};

pub(super) const FRAMES: &str = "scheduler_frames_dispatched_total";
pub(super) const STATEMENTS: &str = "scheduler_db_statements_total";
pub(super) const REFUSED: &str = "scheduler_booking_refused_total";
pub(super) const LAUNCHES: &str = "scheduler_launches_total";
pub(super) const QUEUE_WAIT: &str = "scheduler_stage_queue_wait_seconds";
pub(super) const RUN: &str = "scheduler_stage_run_seconds";

/// Families that are kept.
const KEPT: [&str; 6] = [FRAMES, STATEMENTS, REFUSED, LAUNCHES, QUEUE_WAIT, RUN];

/// Upper bound of a bucket in seconds, and the number of times at most as long.
type Bucket = (f64, u64);

/// Counters and times at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    families: Vec<MetricFamily>,
}

impl Reading {
    pub(super) fn of(registry: &Registry, at: Instant) -> Self {
        let mut families = registry.gather();
        families.retain(|family| KEPT.contains(&family.name()));
        Self { at, families }
    }

    fn metrics(&self, family: &str) -> impl Iterator<Item = &Metric> {
        let family = self.families.iter().find(move |one| one.name() == family);
        family.into_iter().flat_map(MetricFamily::get_metric)
    }

    /// Sums of a family by the value of a label.
    fn sums(&self, family: &str, by: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for metric in self.metrics(family) {
            let sum = sums.entry(label(metric, by).to_owned()).or_default();
            *sum += metric.get_counter().get_value();
        }
        sums
    }

    /// Buckets of the times of a stage. The last one is infinite.
    fn buckets(&self, family: &str, stage: &str) -> Vec<Bucket> {
        let mut metrics = self.metrics(family);
        let metric = metrics.find(|metric| label(metric, "stage") == stage);
        let Some(times) = metric.map(Metric::get_histogram) else {
            return Vec::new();
        };
        let buckets = times.get_bucket().iter();
        let buckets = buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
        let finite = buckets.filter(|(bound, _)| bound.is_finite());
        finite
            .chain([(f64::INFINITY, times.get_sample_count())])
            .collect()
    }
}

/// Two readings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    pub(super) first: &'a Reading,
    pub(super) last: &'a Reading,
}

impl Window<'_> {
    /// Seconds between the two.
    pub(super) fn seconds(self) -> f64 {
        let span = self.last.at.saturating_duration_since(self.first.at);
        span.as_secs_f64()
    }

    /// Growth a second.
    pub(super) fn per_second(self, growth: f64) -> f64 {
        let seconds = self.seconds();
        if seconds > 0.0 { growth / seconds } else { 0.0 }
    }

    /// Counts of a family by the value of a label.
    pub(super) fn counts(self, family: &str, by: &str) -> Vec<Count> {
        let before = self.first.sums(family, by);
        let count = |(name, total): (String, f64)| Count {
            words: crate::words::label(&name),
            total: total as u64,
            per_second: self.per_second((total - before.get(&name).unwrap_or(&0.0)).max(0.0)),
            name,
        };
        self.last.sums(family, by).into_iter().map(count).collect()
    }

    /// Sum of a family over all labels.
    pub(super) fn sum(self, family: &str) -> Count {
        self.counts(family, "").pop().unwrap_or_default()
    }

    /// Quantiles of the times of a stage between the two readings.
    pub(super) fn times(self, family: &str, stage: &str) -> Times {
        let mut between = self.last.buckets(family, stage);
        for (now, before) in between.iter_mut().zip(self.first.buckets(family, stage)) {
            now.1 = now.1.saturating_sub(before.1);
        }
        let ms = |q| quantile(&between, q).map(|seconds| seconds * 1000.0);
        Times {
            p50: ms(0.5),
            p99: ms(0.99),
        }
    }
}

/// Value of a label; empty if there is none.
fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    let mut labels = metric.get_label().iter();
    let found = labels.find(|pair| pair.name() == name);
    found.map_or("", |pair| pair.value())
}

/// The `q` quantile of buckets, the last of which is infinite. Times are taken to be spread evenly within a bucket;
/// beyond the last finite bound, that bound is returned.
fn quantile(buckets: &[Bucket], q: f64) -> Option<f64> {
    let total = buckets.last().filter(|(_, total)| *total > 0)?.1;
    let rank = q * total as f64;
    let (mut lower, mut below) = (0.0, 0);
    for &(upper, count) in buckets.iter().filter(|(bound, _)| bound.is_finite()) {
        if count > below && count as f64 >= rank {
            let share = (rank - below as f64) / (count - below) as f64;
            return Some(lower + (upper - lower) * share.max(0.0));
        }
        (lower, below) = (upper, count);
    }
    Some(lower)
}
