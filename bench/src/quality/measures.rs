//! The figures of scenarios, as pure functions of a [`Timeline`].

use std::collections::{BTreeSet, HashMap};

use super::timeline::{Run, Timeline, whole};

/// Cores that a group of runs may hold from a time on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap {
    /// The time at which the cap was written.
    pub since: f64,
    /// Whole cores.
    pub cores: u64,
}

/// Spearman's rank correlation of two series; NaN if one of them is constant or shorter than two.
#[must_use]
pub fn spearman(left: &[f64], right: &[f64]) -> f64 {
    let (left, right) = (ranks(left), ranks(right));
    let pairs = left.iter().zip(&right);
    let count = whole(pairs.len() as u64);
    let mean = |ranks: &[f64]| ranks.iter().sum::<f64>() / count;
    let (mean_left, mean_right) = (mean(&left), mean(&right));
    let (mut both, mut lefts, mut rights) = (0.0, 0.0, 0.0);
    for (left, right) in pairs {
        let (left, right) = (left - mean_left, right - mean_right);
        both += left * right;
        lefts += left * left;
        rights += right * right;
    }
    both / (lefts * rights).sqrt()
}

/// The rank of each value, from 1; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count() as u64;
        let equal = values.iter().filter(|other| *other == value).count() as u64;
        whole(below) + (whole(equal) + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

/// The largest sum of `weight` over runs at the same time.
#[must_use]
pub fn peak(timeline: &Timeline, weight: impl Fn(&Run) -> u64) -> u64 {
    let mut steps: Vec<(f64, bool, u64)> = Vec::new();
    for run in &timeline.runs {
        let weight = weight(run);
        if weight > 0 {
            steps.push((run.start, true, weight));
            steps.push((run.end, false, weight));
        }
    }
    // Of an end and a start at one moment, the end comes first.
    steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut now, mut most) = (0_u64, 0);
    for (_, starts, weight) in steps {
        now = if starts {
            now + weight
        } else {
            now.saturating_sub(weight)
        };
        most = most.max(now);
    }
    most
}

/// Launches of a group that leave it above its cap, the cap having been written `grace` seconds before
/// or earlier. A group that is above a lowered cap may only shrink, so each of them is a violation.
#[must_use]
pub fn starts_above(
    timeline: &Timeline,
    caps: &[Cap],
    grace: f64,
    group: impl Fn(&Run) -> bool,
) -> u64 {
    let of_group: Vec<&Run> = timeline.runs.iter().filter(|run| group(run)).collect();
    let above = |start: f64| {
        // Until a new cap is older than the grace, the larger one of it and the one before is what binds;
        // before the first there is none.
        let settled = caps.iter().rev().find(|cap| cap.since + grace <= start);
        let fresh = caps
            .iter()
            .filter(|cap| cap.since <= start && cap.since + grace > start);
        let allowed = settled.map(|cap| fresh.map(|cap| cap.cores).fold(cap.cores, u64::max));
        let used: u64 = of_group
            .iter()
            .filter(|run| run.is_at(start))
            .map(|run| run.cores)
            .sum();
        allowed.is_some_and(|allowed| used > allowed)
    };
    of_group.iter().filter(|run| above(run.start)).count() as u64
}

/// Launches after `from`, and the share of them that landed on a host which ran the layer already.
#[must_use]
pub fn warm_refills(timeline: &Timeline, from: f64) -> (u64, f64) {
    let mut by_place: HashMap<(usize, usize), Vec<&Run>> = HashMap::new();
    let (mut refills, mut warm) = (0_u64, 0_u64);
    for run in &timeline.runs {
        let beside = by_place.entry((run.host, run.layer)).or_default();
        if run.start >= from {
            refills += 1;
            warm += u64::from(beside.iter().any(|other| other.is_at(run.start)));
        }
        beside.push(run);
    }
    (refills, whole(warm) / whole(refills.max(1)))
}

/// The share of launches that went to one of the `slack` most important jobs still waiting. `order` has
/// the rank of the job of each launch, 0 for the most important; every job has one frame.
#[must_use]
pub fn right_share(order: &[usize], jobs: usize, slack: usize) -> f64 {
    let mut waiting: BTreeSet<usize> = (0..jobs).collect();
    let mut right = 0_u64;
    for rank in order {
        right += u64::from(waiting.iter().take(slack).any(|other| other == rank));
        waiting.remove(rank);
    }
    whole(right) / whole(order.len().max(1) as u64)
}

/// The longest time between two times in which a job had no run at all.
#[must_use]
pub fn longest_wait(timeline: &Timeline, job: usize, (from, to): (f64, f64)) -> f64 {
    let (mut served, mut longest) = (from, 0.0_f64);
    for run in timeline.runs.iter().filter(|run| run.job == job) {
        longest = longest.max(run.start.min(to) - served);
        served = served.max(run.end);
    }
    longest.max(to - served)
}

/// The most runs of a layer on one host at a time, and the samples at which some host had `cap`.
#[must_use]
pub fn layer_on_host(timeline: &Timeline, layer: usize, cap: u64) -> (u64, u64) {
    let of_layer = |run: &Run| run.layer == layer;
    let most = (0..timeline.hosts.len())
        .map(|host| peak(timeline, |run| u64::from(of_layer(run) && run.host == host)))
        .max();
    let at_cap = Timeline::samples((0.0, timeline.over)).filter(|time| {
        let mut by_host: HashMap<usize, u64> = HashMap::new();
        let running = timeline
            .runs
            .iter()
            .filter(|run| of_layer(run) && run.is_at(*time));
        running.for_each(|run| *by_host.entry(run.host).or_default() += 1);
        by_host.values().any(|count| *count >= cap)
    });
    (most.unwrap_or(0), at_cap.count() as u64)
}

/// Hosts at that time with an idle GPU and fewer idle cores than GPU work needs beside it.
#[must_use]
pub fn stranded_hosts(timeline: &Timeline, time: f64, cores: u64) -> u64 {
    let mut used = vec![(0_u64, 0_u64); timeline.hosts.len()];
    for run in timeline.runs.iter().filter(|run| run.is_at(time)) {
        if let Some(used) = used.get_mut(run.host) {
            *used = (used.0 + run.cores, used.1 + run.gpus);
        }
    }
    let hosts = timeline.hosts.iter().zip(used);
    let stranded = hosts
        .filter(|(host, used)| host.gpus > used.1 && host.cores.saturating_sub(used.0) < cores);
    stranded.count() as u64
}

/// Number of rises of a series that must not rise.
#[must_use]
pub fn rises(series: &[u64]) -> u64 {
    series.windows(2).filter(|pair| pair[1] > pair[0]).count() as u64
}

#[cfg(test)]
mod tests;
