//! `bench speed`: how fast frames are booked, against the floor, in the same run on equal servers.
//!
//! Dry run: nothing is launched, so what is measured is everything up to the commit. Floor and
//! scheduler each get a freshly seeded database that `ANALYZE` has not seen, in turn, several times;
//! the figures are medians, and the ratio is of medians.

use std::time::Instant;

use anyhow::ensure;
use clap::Args;
use cue_simfarm::schema::statement_triggers::INSTALL;
use cue_simfarm::seed::{FarmSpec, HostClass, Span};
use serde::Serialize;

use crate::dbtime::DbTime;
use crate::floor;
use crate::ground::Ground;
use crate::scheduler::Scheduler;
use crate::stats::Spread;

/// Options of the benchmark.
#[derive(Clone, Debug, Args)]
pub struct SpeedOptions {
    /// Frames to book; may be given several times
    #[arg(long, default_values_t = [6_000, 60_000])]
    pub frames: Vec<u64>,
    /// Hosts of the farm, 64 cores each
    #[arg(long, default_value_t = 1_200)]
    pub hosts: usize,
    /// Measurements of each
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Measure the scheduler once more with the statement triggers of config/sql/statement-triggers.sql
    #[arg(long)]
    pub statement_triggers: bool,
}

/// One way to book, measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Booking {
    /// Frames a second over the booking window.
    pub frames_per_second: f64,
    /// Statements a frame, `BEGIN` and `COMMIT` included; `null` where the server cannot say.
    pub statements_per_frame: Option<f64>,
    /// Database execution time a frame, milliseconds; `null` where the server cannot say.
    pub db_ms_per_frame: Option<f64>,
    /// Processor time of all processes of the database server a frame, milliseconds; `null` where it is not ours.
    pub db_cpu_ms_per_frame: Option<f64>,
    /// Hosts on which nothing could be booked, percent of all that were tried; `null` for the floor, which tries none.
    pub wasted_percent: Option<f64>,
    /// From the least to the most frames a second of the rounds.
    pub spread: (f64, f64),
}

/// Results for one number of frames.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Frames booked in each round.
    pub frames: u64,
    /// Hosts of the farm.
    pub hosts: usize,
    /// Rounds.
    pub rounds: usize,
    /// The floor.
    pub floor: Booking,
    /// The scheduler.
    pub scheduler: Booking,
    /// Frames a second of the scheduler over those of the floor.
    pub ratio: f64,
    /// The scheduler on a database with the statement triggers, if that was asked for.
    pub statement_triggers: Option<Booking>,
}

struct Run {
    frames: u64,
    seconds: f64,
    wasted_percent: Option<f64>,
    db: Option<DbTime>,
    db_cpu_seconds: Option<f64>,
}

/// Measures.
///
/// # Errors
/// Something could not be started, or not every frame was booked.
pub async fn run(options: &SpeedOptions) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for frames in &options.frames {
        let spec = farm(options.hosts, *frames);
        let (mut floors, mut ours, mut offered) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=options.rounds {
            floors.push(on_fresh_farm(&spec, Way::Floor).await?);
            ours.push(on_fresh_farm(&spec, Way::Scheduler).await?);
            if options.statement_triggers {
                offered.push(on_fresh_farm(&spec, Way::StatementTriggers).await?);
            }
            let rate = |runs: &[Run]| runs.last().map_or(0.0, Run::rate);
            eprintln!(
                "{frames} frames, round {round} of {}: floor {:.0}/s, scheduler {:.0}/s, with statement triggers {:.0}/s",
                options.rounds,
                rate(&floors),
                rate(&ours),
                rate(&offered)
            );
        }
        let (floor, scheduler) = (booking(&floors), booking(&ours));
        let ratio = scheduler.frames_per_second / floor.frames_per_second;
        rows.push(Row {
            frames: *frames,
            hosts: options.hosts,
            rounds: options.rounds,
            floor,
            scheduler,
            ratio,
            statement_triggers: (!offered.is_empty()).then(|| booking(&offered)),
        });
    }
    Ok(rows)
}

#[derive(Clone, Copy)]
enum Way {
    Floor,
    Scheduler,
    StatementTriggers,
}

async fn on_fresh_farm(spec: &FarmSpec, way: Way) -> anyhow::Result<Run> {
    let ground = Ground::seeded(spec).await?;
    let frames = ground.seeded.frames;
    if matches!(way, Way::StatementTriggers) {
        sqlx::raw_sql(INSTALL).execute(&ground.pool).await?;
    }
    let (before, cpu_before) = (ground.work().await?, ground.cpu_seconds());
    let (seconds, wasted_percent) = match way {
        Way::Floor => (floor::run(ground.url()).await?.1.as_secs_f64(), None),
        Way::Scheduler | Way::StatementTriggers => {
            let scheduled = schedule(ground.url(), frames, &[]).await?;
            (scheduled.seconds, Some(scheduled.wasted_percent))
        }
    };
    let cpu = ground.cpu_seconds().zip(cpu_before);
    let db_cpu_seconds = cpu.map(|(after, before)| after - before);
    let db = ground.work().await?.since(&before).all;
    let booked = ground.frames_in("RUNNING").await?;
    ensure!(booked == frames, "{booked} of {frames} frames were booked");
    if !matches!(way, Way::Floor) {
        ground.ensure_sound(None).await?;
    }
    ground.close().await?;
    Ok(Run {
        frames,
        seconds,
        wasted_percent,
        db,
        db_cpu_seconds,
    })
}

/// Work of the scheduler.
#[derive(Clone, Copy, Debug)]
pub struct Scheduled {
    /// Seconds from its start to the last frame.
    pub seconds: f64,
    /// Hosts on which nothing could be booked, percent of all that were tried.
    pub wasted_percent: f64,
}

/// Runs the scheduler with these settings until this number of frames is booked.
///
/// # Errors
/// It could not be started, got stuck, or did not end in good order.
pub async fn schedule(
    url: &str,
    frames: u64,
    variables: &[(&str, String)],
) -> anyhow::Result<Scheduled> {
    let began = Instant::now();
    let scheduler = Scheduler::dry(url, variables).await?;
    scheduler.booked_at_least(frames).await?;
    let seconds = began.elapsed().as_secs_f64();
    let wasted_percent = scheduler.wasted_percent();
    scheduler.end().await?;
    Ok(Scheduled {
        seconds,
        wasted_percent,
    })
}

/// 300 jobs of 4 layers, one core a frame, on hosts of 64 cores that have room for all of them.
#[must_use]
pub fn farm(hosts: usize, frames: u64) -> FarmSpec {
    let mut spec = FarmSpec {
        shows: 1,
        allocations: 1,
        hosts: vec![HostClass {
            count: hosts,
            cores: 64,
            memory_gib: 256,
            ..HostClass::default()
        }],
        limits: Vec::new(),
        ..FarmSpec::default()
    };
    let jobs = 300.min(frames.div_ceil(4)).max(1);
    let per_layer = frames.div_ceil(jobs * 4);
    spec.subscription.burst = i64::MAX / 1_000_000_000;
    spec.jobs.per_show = Span::exactly(i64::try_from(jobs).unwrap_or(i64::MAX));
    spec.jobs.max_cores = 20_000;
    spec.jobs.os_share = 0.0;
    spec.layers.per_job = Span::exactly(4);
    spec.layers.frames = Span::exactly(i64::try_from(per_layer).unwrap_or(i64::MAX));
    spec.layers.cores_min = vec![100];
    spec.layers.mem_min_mib = vec![1024, 2048];
    spec.layers.threadable_share = 0.0;
    spec.layers.gpu_share = 0.0;
    spec.layers.two_tags_share = 0.0;
    spec.layers.special_tag_share = 0.0;
    spec
}

impl Run {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of frames are far below 2^52"
    )]
    fn rate(&self) -> f64 {
        self.frames as f64 / self.seconds.max(1e-9)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of frames and statements are far below 2^52"
)]
fn booking(runs: &[Run]) -> Booking {
    let rates: Vec<f64> = runs.iter().map(Run::rate).collect();
    let per_frame = |of: fn(&DbTime) -> f64| {
        let values: Option<Vec<f64>> = runs
            .iter()
            .map(|run| run.db.map(|db| of(&db) / run.frames as f64))
            .collect();
        values.map(|values| Spread::of(&values).median)
    };
    let cpu: Option<Vec<f64>> = runs
        .iter()
        .map(|run| Some(run.db_cpu_seconds? * 1_000.0 / run.frames as f64))
        .collect();
    let wasted: Option<Vec<f64>> = runs.iter().map(|run| run.wasted_percent).collect();
    Booking {
        frames_per_second: Spread::of(&rates).median,
        statements_per_frame: per_frame(|db| db.statements as f64),
        db_ms_per_frame: per_frame(|db| db.milliseconds),
        db_cpu_ms_per_frame: cpu.map(|cpu| Spread::of(&cpu).median),
        wasted_percent: wasted.map(|wasted| Spread::of(&wasted).median),
        spread: (
            rates.iter().copied().fold(f64::INFINITY, f64::min),
            rates.iter().copied().fold(0.0, f64::max),
        ),
    }
}

/// The figures as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = "| frames | hosts | | frames/s (least to most) | statements a frame | database ms a frame | database CPU ms a frame | wasted hosts | ratio |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    let number =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let percent =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} %"));
    for row in rows {
        let offered = row.statement_triggers.as_ref();
        let ways = [
            Some(("floor", &row.floor)),
            Some(("scheduler", &row.scheduler)),
            offered.map(|offered| ("scheduler, statement triggers", offered)),
        ];
        for (name, booking) in ways.into_iter().flatten() {
            text.push_str(&format!(
                "| {} | {} | {name} | {:.0} ({:.0} to {:.0}) | {} | {} | {} | {} | {:.2} |\n",
                row.frames,
                row.hosts,
                booking.frames_per_second,
                booking.spread.0,
                booking.spread.1,
                number(booking.statements_per_frame),
                number(booking.db_ms_per_frame),
                number(booking.db_cpu_ms_per_frame),
                percent(booking.wasted_percent),
                booking.frames_per_second / row.floor.frames_per_second,
            ));
        }
    }
    text
}
