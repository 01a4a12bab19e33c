//! `bench book`: how fast frames are booked, against the floor, in the same run on equal servers.
//!
//! Dry run: nothing is launched, so what is measured is everything up to the commit. Floor and
//! scheduler each get a freshly seeded database that `ANALYZE` has not seen, in turn, several times;
//! the figures are medians, and the ratio is of medians.

use std::time::Instant;

use anyhow::ensure;
use clap::Args;
use cue_simfarm::seed::{FarmSpec, HostClass, Span};
use serde::Serialize;

use crate::dbtime::DbTime;
use crate::floor;
use crate::ground::Ground;
use crate::scheduler::Scheduler;
use crate::stats::Spread;

/// What the benchmark can be told.
#[derive(Clone, Debug, Args)]
pub struct BookOptions {
    /// Frames to book; may be given several times
    #[arg(long, default_values_t = [6_000, 60_000])]
    pub frames: Vec<u64>,
    /// Hosts of the farm, 64 cores each
    #[arg(long, default_value_t = 1_200)]
    pub hosts: usize,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
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
    /// Hosts tried in vain, percent of all that were tried; `null` for the floor, which tries none.
    pub wasted_percent: Option<f64>,
    /// From the least to the most frames a second of the rounds.
    pub spread: (f64, f64),
}

/// What was measured for one number of frames.
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
}

struct Run {
    frames: u64,
    seconds: f64,
    wasted_percent: Option<f64>,
    db: Option<DbTime>,
}

/// Measures.
///
/// # Errors
/// Something could not be started, or not every frame was booked.
pub async fn run(options: &BookOptions) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for frames in &options.frames {
        let spec = farm(options.hosts, *frames);
        let (mut floors, mut ours) = (Vec::new(), Vec::new());
        for round in 1..=options.rounds {
            floors.push(on_fresh_farm(&spec, Way::Floor).await?);
            ours.push(on_fresh_farm(&spec, Way::Scheduler).await?);
            let rate = |run: Option<&Run>| run.map_or(0.0, Run::rate);
            eprintln!(
                "{frames} frames, round {round} of {}: floor {:.0}/s, scheduler {:.0}/s",
                options.rounds,
                rate(floors.last()),
                rate(ours.last())
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
        });
    }
    Ok(rows)
}

#[derive(Clone, Copy)]
enum Way {
    Floor,
    Scheduler,
}

async fn on_fresh_farm(spec: &FarmSpec, way: Way) -> anyhow::Result<Run> {
    let ground = Ground::seeded(spec).await?;
    let frames = ground.seeded.frames;
    let before = ground.work().await?;
    let (seconds, wasted_percent) = match way {
        Way::Floor => (floor::run(ground.url()).await?.1.as_secs_f64(), None),
        Way::Scheduler => {
            let scheduled = schedule(ground.url(), frames, &[]).await?;
            (scheduled.seconds, Some(scheduled.wasted_percent))
        }
    };
    let db = ground.work().await?.since(&before).all;
    let booked = ground.frames_in("RUNNING").await?;
    ensure!(booked == frames, "{booked} of {frames} frames were booked");
    if matches!(way, Way::Scheduler) {
        ground.ensure_sound(None).await?;
    }
    ground.close().await?;
    Ok(Run {
        frames,
        seconds,
        wasted_percent,
        db,
    })
}

/// What the scheduler did.
#[derive(Clone, Copy, Debug)]
pub struct Scheduled {
    /// Seconds from its start to the last frame.
    pub seconds: f64,
    /// Hosts tried in vain, percent of all that were tried.
    pub wasted_percent: f64,
}

/// Runs the scheduler with these settings until so many frames are booked.
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
    let wasted: Option<Vec<f64>> = runs.iter().map(|run| run.wasted_percent).collect();
    Booking {
        frames_per_second: Spread::of(&rates).median,
        statements_per_frame: per_frame(|db| db.statements as f64),
        db_ms_per_frame: per_frame(|db| db.milliseconds),
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
    let mut text = "| frames | hosts | | frames/s (least to most) | statements a frame | database ms a frame | hosts in vain | ratio |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    let number =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let percent =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} %"));
    for row in rows {
        for (name, booking, ratio) in [
            ("floor", &row.floor, 1.0),
            ("scheduler", &row.scheduler, row.ratio),
        ] {
            text.push_str(&format!(
                "| {} | {} | {name} | {:.0} ({:.0} to {:.0}) | {} | {} | {} | {ratio:.2} |\n",
                row.frames,
                row.hosts,
                booking.frames_per_second,
                booking.spread.0,
                booking.spread.1,
                number(booking.statements_per_frame),
                number(booking.db_ms_per_frame),
                percent(booking.wasted_percent),
            ));
        }
    }
    text
}
