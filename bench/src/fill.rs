//! `bench fill`: how fast a cold farm fills up, launches included.
//!
//! 1,553 hosts in three classes, a deep mixed backlog, frames that never end. A core counts from the
//! moment a host accepts the frame that takes it, which is after the booking's commit and after the
//! call. The clock starts before the scheduler connects to the database. What is idle in the end is
//! held against everything that still waits, so that the table says why.

pub(crate) mod idle;

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use cue_simfarm::rqd::LaunchRecord;
use serde::Serialize;

pub use idle::IdleClass;

use crate::stats::{Spread, count, markdown};
use crate::yard::{self, Launches, Yard, cores_of};

/// Options of the benchmark.
#[derive(Clone, Debug, Args)]
pub struct FillOptions {
    /// Size of farm and backlog; 1 is 1,553 hosts and 57,248 cores
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Rounds, each on a fresh farm
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// The farm is as full as it gets when nothing has been launched for so long
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub patience: Duration,
}

/// Results.
#[derive(Clone, Debug, Serialize)]
pub struct Fill {
    /// Hosts.
    pub hosts: usize,
    /// Whole cores of all hosts.
    pub cores: u64,
    /// Frames that waited in the beginning.
    pub frames: u64,
    /// Rounds.
    pub rounds: usize,
    /// Seconds from the start of the scheduler to 95 % of the cores; `null` if a round did not get there.
    pub seconds_to_95: Option<Spread>,
    /// The same for 99 %.
    pub seconds_to_99: Option<Spread>,
    /// Cores taken in the end, percent.
    pub final_percent: Spread,
    /// Frames launched in a round.
    pub launched: Spread,
    /// Frames launched a second, from the start of the scheduler until 95 % (or the last launch).
    pub frames_per_second: Spread,
    /// Most launches within any one second.
    pub peak_launches_per_second: Spread,
    /// Hosts on which nothing could be booked, percent of all that were tried.
    pub wasted_percent: Spread,
    /// Idle cores at the end of the last round, by class of hosts.
    pub idle: Vec<IdleClass>,
}

struct Round {
    to_95: Option<f64>,
    to_99: Option<f64>,
    percent: f64,
    launched: f64,
    rate: f64,
    peak: f64,
    wasted: f64,
}

/// Measures.
///
/// # Errors
/// Something could not be started, nothing was launched, or the audit found something.
pub async fn run(options: &FillOptions) -> anyhow::Result<Fill> {
    ensure!(options.rounds > 0, "a benchmark needs at least one round");
    let spec = yard::spec(options.scale, 5, false);
    let mut rounds = Vec::new();
    let mut last = None;
    for number in 1..=options.rounds {
        let yard = Yard::open(&spec).await?;
        let began = Instant::now();
        let scheduler = yard.schedule().await?;
        let mut launches = Launches::default();
        yard.full(&mut launches, 0, options.patience).await;
        let wasted = scheduler.wasted_percent();
        scheduler.end().await?;
        launches.look(&yard.rqd);
        ensure!(!launches.all.is_empty(), "nothing was launched");
        let round = measure(&launches.all, yard.cores, began, wasted);
        eprintln!(
            "round {number} of {}: {:.1} % of {} cores, {:.0} frames, {:.0} a second",
            options.rounds, round.percent, yard.cores, round.launched, round.rate
        );
        rounds.push(round);
        last = Some((
            idle::by_class(&yard.ground.pool).await?,
            yard.ground.seeded.clone(),
        ));
        yard.close(None).await?;
    }
    let (idle, seeded) = last.ok_or_else(|| anyhow::anyhow!("there was no round"))?;
    let of = |value: fn(&Round) -> f64| Spread::of(&rounds.iter().map(value).collect::<Vec<_>>());
    let reached = |value: fn(&Round) -> Option<f64>| {
        let all: Option<Vec<f64>> = rounds.iter().map(value).collect();
        all.map(|all| Spread::of(&all))
    };
    Ok(Fill {
        hosts: seeded.hosts,
        cores: seeded.cores,
        frames: seeded.frames,
        rounds: options.rounds,
        seconds_to_95: reached(|round| round.to_95),
        seconds_to_99: reached(|round| round.to_99),
        final_percent: of(|round| round.percent),
        launched: of(|round| round.launched),
        frames_per_second: of(|round| round.rate),
        peak_launches_per_second: of(|round| round.peak),
        wasted_percent: of(|round| round.wasted),
        idle,
    })
}

fn measure(launches: &[LaunchRecord], cores: u64, began: Instant, wasted: f64) -> Round {
    let since = |at: Instant| at.saturating_duration_since(began).as_secs_f64();
    let mut ordered: Vec<(f64, u64)> = launches
        .iter()
        .map(|launch| (since(launch.at), cores_of(launch)))
        .collect();
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut taken = 0;
    let (mut to_95, mut to_99, mut by_95) = (None, None, ordered.len());
    for (number, (at, more)) in ordered.iter().enumerate() {
        taken += more;
        if to_95.is_none() && taken * 100 >= cores * 95 {
            (to_95, by_95) = (Some(*at), number + 1);
        }
        if to_99.is_none() && taken * 100 >= cores * 99 {
            to_99 = Some(*at);
        }
    }
    let until = to_95.or(ordered.last().map(|last| last.0)).unwrap_or(0.0);
    Round {
        to_95,
        to_99,
        percent: 100.0 * count(taken) / count(cores.max(1)),
        launched: count(ordered.len() as u64),
        rate: count(by_95 as u64) / until.max(1e-9),
        peak: count(most_in_a_second(&ordered)),
        wasted,
    }
}

fn most_in_a_second(ordered: &[(f64, u64)]) -> u64 {
    let mut first = 0;
    let mut most = 0;
    for (last, (at, _)) in ordered.iter().enumerate() {
        while ordered[first].0 < at - 1.0 {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most as u64
}

/// The figures as Markdown tables.
#[must_use]
pub fn table(fill: &Fill) -> String {
    let seconds = |spread: Option<Spread>| {
        spread.map_or_else(
            || "not reached".to_owned(),
            |spread| format!("{spread:.1} s"),
        )
    };
    let head = [
        "hosts",
        "cores",
        "to 95 %",
        "to 99 %",
        "in the end",
        "frames launched",
        "frames/s to 95 %",
        "best second",
        "wasted hosts",
    ];
    let figures = markdown(
        &head,
        [vec![
            fill.hosts.to_string(),
            fill.cores.to_string(),
            seconds(fill.seconds_to_95),
            seconds(fill.seconds_to_99),
            format!("{:.2} %", fill.final_percent),
            format!("{:.0}", fill.launched),
            format!("{:.0}", fill.frames_per_second),
            format!("{:.0}", fill.peak_launches_per_second),
            format!("{:.1} %", fill.wasted_percent),
        ]],
    );
    format!("{figures}\n{}", idle::table(&fill.idle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(at: Instant, cores: i32) -> LaunchRecord {
        LaunchRecord {
            host: "h".into(),
            frame_id: "f".into(),
            resource_id: String::new(),
            num_cores: cores * 100,
            at,
            traceparent: None,
            run_frame: None,
        }
    }

    #[test]
    fn a_round_is_measured_from_its_launches() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let launches = [
            launch(at(500), 90),
            launch(at(1_000), 5),
            launch(at(4_000), 4),
        ];
        let round = measure(&launches, 100, began, 0.0);
        assert_eq!(round.to_95, Some(1.0));
        assert_eq!(round.to_99, Some(4.0));
        assert!((round.percent - 99.0).abs() < 1e-9);
        assert!((round.rate - 2.0).abs() < 1e-9);
        assert!((round.peak - 2.0).abs() < 1e-9);
        assert_eq!(measure(&launches, 1_000, began, 0.0).to_95, None);
    }
}
