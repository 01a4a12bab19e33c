//! Quantiles read from the buckets of a histogram.
//!
//! Invariant: the estimate lies in the bucket that holds the wanted rank; within it, observations
//! are taken to be spread evenly. Above the last bound nothing is known, and the bound is given.

use std::time::Duration;

use prometheus::Histogram;
use prometheus::core::Metric;

/// The `q` quantile (0 to 1) of durations in seconds; `None` when nothing was observed.
pub(crate) fn quantile(histogram: &Histogram, q: f64) -> Option<Duration> {
    let metric = histogram.metric();
    let data = metric.get_histogram();
    let buckets: Vec<(f64, u64)> = data
        .get_bucket()
        .iter()
        .map(|b| (b.upper_bound(), b.cumulative_count()))
        .collect();
    estimate(&buckets, data.get_sample_count(), q)
}

/// Buckets are (upper bound in seconds, how many were at most that), ascending.
fn estimate(buckets: &[(f64, u64)], total: u64, q: f64) -> Option<Duration> {
    if total == 0 {
        return None;
    }
    let rank = q.clamp(0.0, 1.0) * total as f64;
    let (mut lower, mut below) = (0.0, 0);
    for &(upper, count) in buckets {
        if upper.is_finite() && count > below && count as f64 >= rank {
            let share = (rank - below as f64) / (count - below) as f64;
            return Duration::try_from_secs_f64(lower + (upper - lower) * share.max(0.0)).ok();
        }
        if upper.is_finite() {
            (lower, below) = (upper, count);
        }
    }
    Duration::try_from_secs_f64(lower).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKETS: [(f64, u64); 3] = [(1.0, 10), (2.0, 10), (4.0, 20)];

    #[test]
    fn a_quantile_lies_in_the_bucket_of_its_rank() {
        assert_eq!(
            estimate(&BUCKETS, 20, 0.25),
            Some(Duration::from_millis(500))
        );
        assert_eq!(estimate(&BUCKETS, 20, 0.75), Some(Duration::from_secs(3)));
        assert_eq!(estimate(&BUCKETS, 20, 1.0), Some(Duration::from_secs(4)));
    }

    #[test]
    fn beyond_the_last_bound_the_bound_is_given() {
        assert_eq!(estimate(&BUCKETS, 40, 0.99), Some(Duration::from_secs(4)));
    }

    #[test]
    fn nothing_observed_has_no_quantile() {
        assert_eq!(estimate(&BUCKETS, 0, 0.5), None);
    }
}
