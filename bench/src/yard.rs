//! A farm of 1,553 hosts in three classes that runs what it is given: database, simulated hosts on
//! gRPC, and the reports that keep hosts and procs alive. For the benchmarks that launch.
//!
//! Its backlog is mixed and some eight times as deep as the farm is large: one-core and threaded
//! layers of 1 to 8 cores and 1 to 4 GiB a frame, five shows, two allocations. There is always a
//! frame of one core and one GiB that waits, so the farm can be filled to the last core. Frames end
//! only when a benchmark ends them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use cue_simfarm::audit::LaunchLog;
use cue_simfarm::completion::{Completer, HostReporter};
use cue_simfarm::rqd::{LaunchRecord, SimHost, SimRqd, SimRqdSettings};
use cue_simfarm::seed::{FarmSpec, HostClass, Span};

use crate::ground::Ground;
use crate::scheduler::{Scheduler, settings};

/// Hosts of each class, and the cores of one; 4 GiB a core.
const CLASSES: [(usize, i64); 3] = [(246, 128), (303, 32), (1_004, 16)];

/// Time between two reports of a host, and number of parts in which hosts report: not all at the same moment.
const REPORTS: (Duration, u16) = (Duration::from_secs(10), 40);

/// Time between two looks at the launches.
const LOOK: Duration = Duration::from_millis(50);

/// The farm.
pub struct Yard {
    /// Its database.
    pub ground: Ground,
    /// Its hosts.
    pub rqd: SimRqd,
    /// Whole cores of all hosts.
    pub cores: u64,
    reporter: HostReporter,
}

/// Every launch so far.
#[derive(Default)]
pub struct Launches {
    /// In the order in which hosts accepted them.
    pub all: Vec<LaunchRecord>,
    /// Whole cores of all of them.
    pub cores: u64,
}

impl Launches {
    /// Takes in what has been launched since the last look. Says whether there was something.
    pub fn look(&mut self, rqd: &SimRqd) -> bool {
        let new = rqd.launches_since(self.all.len());
        let some = !new.is_empty();
        self.cores += new.iter().map(cores_of).sum::<u64>();
        self.all.extend(new);
        some
    }
}

/// The whole cores a launch takes.
#[must_use]
pub fn cores_of(launch: &LaunchRecord) -> u64 {
    u64::try_from(launch.num_cores / 100).unwrap_or(0)
}

/// The farm's spec, `scale` times as large as the full one; an `idle` farm has no backlog.
#[must_use]
pub fn spec(scale: f64, shows: usize, idle: bool) -> FarmSpec {
    let class = |(count, cores): (usize, i64)| HostClass {
        count: scaled(count, scale),
        cores,
        memory_gib: 4 * cores,
        ..HostClass::default()
    };
    let mut spec = FarmSpec {
        shows,
        allocations: 2,
        hosts: CLASSES.into_iter().map(class).collect(),
        limits: Vec::new(),
        ..FarmSpec::default()
    };
    spec.host_tags.manual_share = 0.0;
    spec.host_tags.hardware_share = 0.0;
    // No cap keeps a core idle.
    spec.subscription.burst = 1_000_000;
    spec.jobs.max_cores = 100_000;
    spec.jobs.os_share = 0.0;
    let jobs = if idle { 0 } else { scaled(600, scale) / shows };
    spec.jobs.per_show = Span::exactly(i64::try_from(jobs).unwrap_or(i64::MAX));
    spec.layers.per_job = Span::new(2, 4);
    spec.layers.frames = Span::new(60, 140);
    spec.layers.cores_min = vec![100, 200, 400, 800];
    spec.layers.mem_min_mib = vec![1_024, 2_048, 4_096];
    spec.layers.threadable_share = 0.6;
    spec.layers.gpu_share = 0.0;
    spec.layers.two_tags_share = 0.3;
    spec.layers.special_tag_share = 0.0;
    spec
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of hosts or jobs"
)]
fn scaled(count: usize, scale: f64) -> usize {
    ((count as f64 * scale.max(0.0)).round() as usize).max(1)
}

impl Yard {
    /// Makes the farm.
    ///
    /// # Errors
    /// PostgreSQL cannot be started, or no port is free.
    pub async fn open(spec: &FarmSpec) -> anyhow::Result<Self> {
        let ground = Ground::seeded(spec).await?;
        let rqd = SimRqd::start(SimRqdSettings {
            hosts: SimHost::all(&ground.pool).await?,
            keep_frames: false,
            ..SimRqdSettings::default()
        })?;
        Ok(Self {
            cores: ground.seeded.cores,
            reporter: HostReporter::start_in_parts(ground.pool.clone(), REPORTS.0, REPORTS.1),
            ground,
            rqd,
        })
    }

    /// Starts a scheduler for it that launches.
    ///
    /// # Errors
    /// It cannot start.
    pub async fn schedule(&self) -> anyhow::Result<Scheduler> {
        let settings = settings(&[
            ("CUE_DATABASE_URL", self.ground.url().to_owned()),
            ("CUE_RQD_ADDRESS", self.rqd.address().to_string()),
            ("CUE_ADMIN_ADDR", "off".to_owned()),
        ])?;
        Scheduler::start(settings).await
    }

    /// Waits until all cores are taken, or nothing has been launched for `patience`.
    pub async fn full(&self, launches: &mut Launches, ended_cores: u64, patience: Duration) {
        let mut ticks = tokio::time::interval(LOOK);
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            if launches.look(&self.rqd) {
                last = Instant::now();
            }
            let taken = launches.cores.saturating_sub(ended_cores);
            if taken >= self.cores || last.elapsed() >= patience {
                return;
            }
        }
    }

    /// Takes everything down, audits what is left, and says what the completer did. The scheduler must
    /// have ended.
    ///
    /// # Errors
    /// The audit found something, or an end of a frame was not recorded.
    pub async fn close(self, completer: Option<Completer>) -> anyhow::Result<()> {
        let log = LaunchLog::of(&self.rqd);
        // The hosts first: while they may still report, a completer waits for them.
        self.rqd.shutdown().await;
        if let Some(completer) = completer {
            let done = completer.finish().await;
            ensure!(
                done.lost == 0 && done.stale == 0,
                "the database did not take every end of a frame: {done:?}"
            );
        }
        self.reporter.finish().await;
        self.ground.ensure_sound(Some(&log)).await?;
        self.ground.close().await
    }
}

/// Cores in use on all hosts over time: a step function.
#[derive(Debug, Default)]
pub struct Load {
    /// Changes of the number of cores in use, with their times; sorted once they are asked for.
    steps: Vec<(Instant, i64)>,
}

impl Load {
    /// Cores were taken.
    pub fn taken(&mut self, at: Instant, cores: u64) {
        self.steps
            .push((at, i64::try_from(cores).unwrap_or(i64::MAX)));
    }

    /// Cores were freed.
    pub fn freed(&mut self, at: Instant, cores: u64) {
        self.steps
            .push((at, -i64::try_from(cores).unwrap_or(i64::MAX)));
    }

    /// Mean and least cores in use from `from` to `to`.
    #[must_use]
    pub fn between(&mut self, from: Instant, to: Instant) -> (f64, f64) {
        self.steps.sort_by_key(|(at, _)| *at);
        let (mut used, mut area, mut since) = (0_i64, 0.0, from);
        let mut least: Option<i64> = None;
        for (at, change) in &self.steps {
            if *at >= to {
                break;
            }
            if *at > from {
                least = Some(least.map_or(used, |least| least.min(used)));
                area += whole(used) * (*at - since).as_secs_f64();
                since = *at;
            }
            used += change;
        }
        area += whole(used) * (to - since).as_secs_f64();
        let least = least.map_or(used, |least| least.min(used));
        (
            area / (to - from).as_secs_f64().max(f64::EPSILON),
            whole(least),
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "cores of a farm")]
const fn whole(cores: i64) -> f64 {
    cores as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_farm_is_the_one_that_is_spoken_of() {
        let spec = spec(1.0, 5, false);
        assert_eq!(
            spec.hosts.iter().map(|class| class.count).sum::<usize>(),
            1_553
        );
        let cores = |class: &HostClass| class.cores * i64::try_from(class.count).unwrap();
        assert_eq!(spec.hosts.iter().map(cores).sum::<i64>(), 57_248);
        assert!(spec.check().is_ok());
    }

    #[test]
    fn load_is_weighted_by_time_and_knows_its_lowest_moment() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut load = Load::default();
        load.freed(at(4), 10);
        load.taken(began, 10);
        load.taken(at(6), 10);
        load.freed(at(20), 10);
        let (mean, least) = load.between(at(2), at(12));
        assert!((mean - 8.0).abs() < 1e-9, "{mean}");
        assert!(least.abs() < 1e-9);
        let (mean, least) = load.between(at(7), at(10));
        assert!((mean - 10.0).abs() < 1e-9 && (least - 10.0).abs() < 1e-9);
    }
}
