//! A reading of the counters at one moment, and what the difference of two says.
//!
//! Invariant: a counter that is missing in the older reading began in between, so it counts from
//! zero; one that went down has been started anew, and counts as nothing rather than below zero.

use std::collections::BTreeMap;
use std::time::Instant;

use prometheus::Registry;
use prometheus::proto::{Metric, MetricFamily};

/// A family whose labels are summed up, or told apart by one of them.
const COUNTERS: [(&str, Option<&str>); 4] = [
    (FRAMES, None),
    (STATEMENTS, None),
    (REFUSED, Some("cap")),
    (LAUNCHES, Some("outcome")),
];

pub(super) const FRAMES: &str = "scheduler_frames_dispatched_total";
pub(super) const STATEMENTS: &str = "scheduler_db_statements_total";
pub(super) const REFUSED: &str = "scheduler_booking_refused_total";
pub(super) const LAUNCHES: &str = "scheduler_launches_total";
pub(super) const QUEUE_WAIT: &str = "scheduler_stage_queue_wait_seconds";
pub(super) const RUN: &str = "scheduler_stage_run_seconds";

/// The counters and times at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    counts: BTreeMap<(&'static str, String), f64>,
    times: BTreeMap<(&'static str, String), Vec<(f64, u64)>>,
}

impl Reading {
    pub(super) fn of(registry: &Registry, at: Instant) -> Self {
        let mut reading = Self {
            at,
            counts: BTreeMap::new(),
            times: BTreeMap::new(),
        };
        for family in registry.gather() {
            reading.note(&family);
        }
        reading
    }

    /// The labels of a family with their counts.
    pub(super) fn counts<'a>(
        &'a self,
        family: &'static str,
    ) -> impl Iterator<Item = (&'a str, f64)> {
        self.counts
            .range((family, String::new())..)
            .take_while(move |((name, _), _)| *name == family)
            .map(|((_, label), count)| (label.as_str(), *count))
    }

    /// How much a count has grown since an older reading.
    pub(super) fn growth(&self, older: &Self, family: &'static str, label: &str) -> f64 {
        let key = (family, label.to_owned());
        let count = |reading: &Self| reading.counts.get(&key).copied().unwrap_or_default();
        (count(self) - count(older)).max(0.0)
    }

    /// Median and 99 % quantile of what was timed since an older reading, in seconds.
    pub(super) fn quantiles(
        &self,
        older: &Self,
        family: &'static str,
        stage: &str,
    ) -> [Option<f64>; 2] {
        let key = (family, stage.to_owned());
        let Some(now) = self.times.get(&key) else {
            return [None, None];
        };
        let before = older.times.get(&key);
        let since: Vec<(f64, u64)> = now
            .iter()
            .enumerate()
            .map(|(n, &(bound, count))| {
                let earlier = before.and_then(|before| before.get(n));
                (
                    bound,
                    count.saturating_sub(earlier.map_or(0, |earlier| earlier.1)),
                )
            })
            .collect();
        [quantile(&since, 0.5), quantile(&since, 0.99)]
    }

    fn note(&mut self, family: &MetricFamily) {
        if let Some((name, by)) = COUNTERS.iter().find(|(name, _)| *name == family.name()) {
            for metric in family.get_metric() {
                let label = by.map_or("", |by| label(metric, by)).to_owned();
                *self.counts.entry((name, label)).or_default() += metric.get_counter().get_value();
            }
        }
        if let Some(name) = [QUEUE_WAIT, RUN]
            .into_iter()
            .find(|name| *name == family.name())
        {
            for metric in family.get_metric() {
                let timed = metric.get_histogram();
                let mut buckets: Vec<(f64, u64)> = timed
                    .get_bucket()
                    .iter()
                    .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
                    .filter(|(bound, _)| bound.is_finite())
                    .collect();
                buckets.push((f64::INFINITY, timed.get_sample_count()));
                self.times
                    .insert((name, label(metric, "stage").to_owned()), buckets);
            }
        }
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    metric
        .get_label()
        .iter()
        .find(|pair| pair.name() == name)
        .map_or("", |pair| pair.value())
}

/// The `q` quantile of buckets (upper bound, how many were at most that), the last of which is
/// infinite. Within a bucket all is taken to be spread evenly; beyond the last bound, the bound is
/// given.
fn quantile(buckets: &[(f64, u64)], q: f64) -> Option<f64> {
    let total = buckets.last().filter(|(_, total)| *total > 0)?.1;
    let number = |count: u64| count as f64;
    let rank = q * number(total);
    let (mut lower, mut below) = (0.0, 0);
    for &(upper, count) in buckets {
        if count > below && number(count) >= rank {
            let share = (rank - number(below)) / number(count - below);
            return Some(if upper.is_finite() {
                lower + (upper - lower) * share.max(0.0)
            } else {
                lower
            });
        }
        if upper.is_finite() {
            (lower, below) = (upper, count);
        }
    }
    Some(lower)
}
