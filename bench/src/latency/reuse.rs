//! Reuse: a full farm whose frames end at an exact rate.
//!
//! The farm of `fill` is filled; then a number of running frames a second is picked by lot and ended. A
//! frame's end takes the way it takes on a real farm: the host reports, the stand-in for Cuebot stops
//! the frame and releases its proc in two transactions, the scheduler sees the host with idle cores,
//! books, launches. All times are of one clock in this process, at the hosts: a core is empty from
//! the moment its frame ends to the moment its host accepts the launch that takes it. That includes
//! the way of the report into the database, which is given beside it, so both can be separated.

mod empty;
mod ender;

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use cue_simfarm::completion::{Completer, CompleterSettings};
use serde::Serialize;

use crate::ground::Work;
use crate::stats::{count, markdown, number, percentile};
use crate::yard::{self, Launches, Load, Yard, cores_of};
pub use empty::Emptiness;
pub use ender::End;
use ender::Ender;

/// Time for which the scheduler may go on filling after the last completion, before empty cores count as
/// such.
const REST: Duration = Duration::from_secs(5);

/// Time after the last end in which all completions must be in the database.
const RECORDED: Duration = Duration::from_secs(30);

/// Options of this part.
#[derive(Clone, Debug, Args)]
pub struct ReuseOptions {
    /// Frames that end in a second; may be given several times
    #[arg(long, default_values_t = [50.0, 100.0, 200.0])]
    pub rate: Vec<f64>,
    /// Seconds for which each rate is held; 0 leaves the full farm out
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
}

/// Results at one rate.
#[derive(Clone, Debug, Serialize)]
pub struct Reuse {
    /// Frames to end in a second.
    pub rate: f64,
    /// Frames that ended in a second.
    pub ended_per_second: f64,
    /// Frames that ended.
    pub ended: u64,
    /// Cores in use, percent of all, on average over time.
    pub utilisation_mean: f64,
    /// The same in the worst moment.
    pub utilisation_min: f64,
    /// Milliseconds a freed core stayed empty, the median over cores.
    pub empty_p50_ms: Option<f64>,
    /// The 99th percentile.
    pub empty_p99_ms: Option<f64>,
    /// Freed cores that nothing had taken when the measurement ended; they count above with the time
    /// until then.
    pub never_taken: u64,
    /// Milliseconds from a frame's end until the database has all of its completion, median.
    pub recorded_p50_ms: Option<f64>,
    /// The 99th percentile.
    pub recorded_p99_ms: Option<f64>,
    /// Execution time of all statements a completed frame, milliseconds: completions, host reports
    /// and scheduler.
    pub db_ms_per_frame: Option<f64>,
    /// That of the scheduler's statements.
    pub db_ms_per_frame_scheduler: Option<f64>,
    /// Execution time of all statements, percent of one core.
    pub db_percent_of_a_core: Option<f64>,
    /// Rows read a completed frame, by everybody.
    pub rows_read_per_frame: f64,
    /// Frames that still waited in the end.
    pub waiting: u64,
}

/// Measures.
///
/// # Errors
/// Something could not be started, the backlog ran dry, or the audit found something.
pub async fn run(scale: f64, options: &ReuseOptions) -> anyhow::Result<Vec<Reuse>> {
    let mut yard = Yard::open(&yard::spec(scale, 5, false)).await?;
    let Some(reports) = yard.rqd.completions() else {
        anyhow::bail!("somebody else takes the ends of frames");
    };
    let pool = yard.ground.pool.clone();
    let completer = Completer::start(pool, reports, CompleterSettings::default());
    let scheduler = yard.schedule().await?;
    let mut launches = Launches::default();
    yard.full(&mut launches, 0, REST).await;
    let mut ender = Ender::new();
    let mut rows = Vec::new();
    for rate in &options.rate {
        let row = hold(
            &yard,
            &completer,
            &mut launches,
            &mut ender,
            (*rate, options.seconds),
        )
        .await?;
        eprintln!(
            "{rate} a second: {:.2} % of the cores in use, {} frames ended",
            row.utilisation_mean, row.ended
        );
        rows.push(row);
    }
    scheduler.end().await?;
    yard.close(Some(completer)).await?;
    Ok(rows)
}

/// Holds one rate, and measures its effect.
async fn hold(
    yard: &Yard,
    completer: &Completer,
    launches: &mut Launches,
    ender: &mut Ender,
    (rate, seconds): (f64, u64),
) -> anyhow::Result<Reuse> {
    let work = yard.ground.work().await?;
    let (began, first) = (Instant::now(), ender.ends.len());
    let completed = completer.completed();
    let time = Duration::from_secs(seconds);
    let recorded = ender.run(yard, completer, launches, (rate, time)).await?;
    let stopped = Instant::now();
    let ended = (ender.ends.len() - first) as u64;
    let all = completer.completed_at_least(completed + ended);
    ensure!(
        tokio::time::timeout(RECORDED, all).await.is_ok(),
        "completions fall behind: {} of {ended} are recorded {RECORDED:?} after the last end",
        completer.completed() - completed,
    );
    tokio::time::sleep(REST).await;
    launches.look(&yard.rqd);
    let work = yard.ground.work().await?.since(&work);
    let waiting = yard.ground.frames_in("WAITING").await?;
    ensure!(
        waiting > 0,
        "the backlog ran dry: give fewer seconds or a larger --scale"
    );
    let window = Window {
        began,
        stopped,
        over: Instant::now(),
        ends: &ender.ends[first..],
    };
    Ok(window.row(yard, launches, ender, (rate, &recorded, &work, waiting)))
}

/// The time in which a rate was held.
struct Window<'a> {
    began: Instant,
    stopped: Instant,
    over: Instant,
    ends: &'a [End],
}

impl Window<'_> {
    fn row(
        &self,
        yard: &Yard,
        launches: &Launches,
        ender: &Ender,
        (rate, recorded, work, waiting): (f64, &[f64], &Work, u64),
    ) -> Reuse {
        let mut load = Load::default();
        launches
            .all
            .iter()
            .for_each(|launch| load.taken(launch.at, cores_of(launch)));
        ender
            .ends
            .iter()
            .for_each(|end| load.freed(end.at, end.cores));
        let (mean, least) = load.between(self.began, self.stopped);
        let empty = Emptiness::of(self.ends, &launches.all, self.over);
        let frames = count(self.ends.len() as u64).max(1.0);
        let time = (self.stopped - self.began).as_secs_f64();
        let whole = (self.over - self.began).as_secs_f64();
        let percent = |cores: f64| 100.0 * cores / count(yard.cores.max(1));
        let all = work.all.map(|all| all.milliseconds);
        Reuse {
            rate,
            ended_per_second: frames / time,
            ended: self.ends.len() as u64,
            utilisation_mean: percent(mean),
            utilisation_min: percent(least),
            empty_p50_ms: percentile(&empty.milliseconds, 0.5),
            empty_p99_ms: percentile(&empty.milliseconds, 0.99),
            never_taken: empty.never_taken,
            recorded_p50_ms: percentile(recorded, 0.5),
            recorded_p99_ms: percentile(recorded, 0.99),
            db_ms_per_frame: all.map(|ms| ms / frames),
            db_ms_per_frame_scheduler: work.ours.map(|ours| ours.milliseconds / frames),
            db_percent_of_a_core: all.map(|ms| ms / 10.0 / whole),
            rows_read_per_frame: count(u64::try_from(work.rows_read).unwrap_or(0)) / frames,
            waiting,
        }
    }
}

/// The figures as a Markdown table.
#[must_use]
pub fn table(rows: &[Reuse]) -> String {
    let head = [
        "ends/s",
        "utilisation mean",
        "least",
        "core empty p50",
        "p99",
        "never taken",
        "of which recorded p50",
        "p99",
        "database ms a frame (scheduler's)",
        "of a core",
        "rows read a frame",
    ];
    let row = |row: &Reuse| {
        let ms = |value| format!("{} ms", number(value, 0));
        vec![
            format!("{:.1}", row.ended_per_second),
            format!("{:.2} %", row.utilisation_mean),
            format!("{:.2} %", row.utilisation_min),
            ms(row.empty_p50_ms),
            ms(row.empty_p99_ms),
            format!("{} cores", row.never_taken),
            ms(row.recorded_p50_ms),
            ms(row.recorded_p99_ms),
            format!(
                "{} ({})",
                number(row.db_ms_per_frame, 2),
                number(row.db_ms_per_frame_scheduler, 2)
            ),
            format!("{} %", number(row.db_percent_of_a_core, 0)),
            format!("{:.0}", row.rows_read_per_frame),
        ]
    };
    markdown(&head, rows.iter().map(row))
}
