//! The record of a scenario: every run of a frame with its host, from its launch to its end.
//!
//! Times are seconds since the scenario began. The functions here and in [`super::measures`] are pure,
//! so that a figure can be checked with runs written by hand.

/// A host of the farm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// `host.str_name`.
    pub name: String,
    /// Whole cores.
    pub cores: u64,
    /// GPUs.
    pub gpus: u64,
}

/// A run of a frame. Jobs, layers and hosts are numbered: jobs and layers in the order of their
/// submission, hosts as in [`Timeline::hosts`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// The launch.
    pub start: f64,
    /// The end; infinity while the frame runs.
    pub end: f64,
    /// The job.
    pub job: usize,
    /// The layer.
    pub layer: usize,
    /// The host.
    pub host: usize,
    /// Whole cores that it holds.
    pub cores: u64,
    /// GPUs that it holds.
    pub gpus: u64,
}

impl Run {
    /// Returns true if the frame runs at that time.
    #[must_use]
    pub fn is_at(&self, time: f64) -> bool {
        self.start <= time && time < self.end
    }

    /// Seconds of the run that lie between two times.
    #[must_use]
    pub fn within(&self, (from, to): (f64, f64)) -> f64 {
        (self.end.min(to) - self.start.max(from)).max(0.0)
    }
}

/// All runs of a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// The runs, in the order of their launches.
    pub runs: Vec<Run>,
    /// The hosts.
    pub hosts: Vec<HostFacts>,
    /// The end of the scenario.
    pub over: f64,
}

impl Timeline {
    /// Whole cores of all hosts.
    #[must_use]
    pub fn cores(&self) -> u64 {
        self.hosts.iter().map(|host| host.cores).sum()
    }

    /// The last `seconds` of the scenario.
    #[must_use]
    pub fn last(&self, seconds: f64) -> (f64, f64) {
        ((self.over - seconds).max(0.0), self.over)
    }

    /// Mean cores in use, in a window of time, by the runs for which `counts` holds.
    #[must_use]
    pub fn mean_cores(&self, window: (f64, f64), counts: impl Fn(&Run) -> bool) -> f64 {
        let counted = self.runs.iter().filter(|run| counts(run));
        let area: f64 = counted
            .map(|run| run.within(window) * whole(run.cores))
            .sum();
        area / (window.1 - window.0).max(f64::EPSILON)
    }

    /// Mean cores in use, in a window of time, by each of the first `jobs` jobs.
    #[must_use]
    pub fn cores_by_job(&self, window: (f64, f64), jobs: usize) -> Vec<f64> {
        let mut held = vec![0.0; jobs];
        for run in &self.runs {
            if let Some(held) = held.get_mut(run.job) {
                *held +=
                    run.within(window) * whole(run.cores) / (window.1 - window.0).max(f64::EPSILON);
            }
        }
        held
    }

    /// Cores in use, percent of all, on average over a window of time.
    #[must_use]
    pub fn utilisation(&self, window: (f64, f64)) -> f64 {
        100.0 * self.mean_cores(window, |_| true) / whole(self.cores().max(1))
    }

    /// Times from one to another, a quarter of a second apart.
    pub fn samples((from, to): (f64, f64)) -> impl Iterator<Item = f64> {
        const EVERY: f64 = 0.25;
        (0_u32..)
            .map(move |n| f64::from(n).mul_add(EVERY, from))
            .take_while(move |time| *time < to)
    }
}

/// A count as a number to calculate with.
#[must_use]
pub const fn whole(n: u64) -> f64 {
    crate::stats::count(n)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A run of one core.
    pub fn run(job: usize, host: usize, start: f64, end: f64) -> Run {
        Run {
            start,
            end,
            job,
            layer: job,
            host,
            cores: 1,
            gpus: 0,
        }
    }

    /// Hosts of as many cores, and these runs.
    pub fn timeline(cores: &[u64], runs: Vec<Run>) -> Timeline {
        let hosts = cores.iter().enumerate().map(|(n, cores)| HostFacts {
            name: format!("host{n}"),
            cores: *cores,
            gpus: 0,
        });
        Timeline {
            runs,
            hosts: hosts.collect(),
            over: 10.0,
        }
    }

    #[test]
    fn cores_are_averaged_over_the_window_and_not_beyond_it() {
        let runs = vec![run(0, 0, 0.0, 4.0), run(1, 0, 3.0, f64::INFINITY)];
        let timeline = timeline(&[2], runs);
        assert_eq!(timeline.cores_by_job((2.0, 6.0), 3), [0.5, 0.75, 0.0]);
        assert!((timeline.mean_cores((2.0, 6.0), |run| run.job == 1) - 0.75).abs() < 1e-9);
        assert!((timeline.utilisation((2.0, 6.0)) - 62.5).abs() < 1e-9);
        assert_eq!(timeline.last(4.0), (6.0, 10.0));
        assert_eq!(Timeline::samples((1.0, 2.0)).count(), 4);
    }
}
