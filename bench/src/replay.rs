//! `bench replay FILE`: a recorded farm (`cue-scheduler record`), booked from idle in a dry run.
//!
//! Everything that ran or waited when the farm was recorded waits now, so the result is the scheduler's decision
//! about the whole farm: the cores that each show gets, and the frames that find none. Frames do not end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use sqlx::Row as _;

use crate::ground::Ground;
use crate::scheduler::Scheduler;

/// Options of the replay.
#[derive(Clone, Debug, Args)]
pub struct ReplayOptions {
    /// The recording
    pub file: PathBuf,
    /// End after this time without a booking
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub patience: Duration,
}

/// A show after the replay.
#[derive(Clone, Debug, Serialize)]
pub struct Show {
    /// Its name, as recorded.
    pub show: String,
    /// Frames that ran or waited.
    pub frames: i64,
    /// Frames that were booked.
    pub booked: i64,
    /// Cores that it got.
    pub cores: f64,
    /// Cores guaranteed by its subscriptions.
    pub size: f64,
    /// Most cores by its subscriptions.
    pub burst: f64,
}

/// A recorded farm after the replay.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// Hosts.
    pub hosts: usize,
    /// Cores of all hosts.
    pub cores: u64,
    /// Cores booked, percent.
    pub used_percent: f64,
    /// Frames booked.
    pub booked: u64,
    /// Seconds from the start of the scheduler to the last booking.
    pub seconds: f64,
    /// Statements a frame; `null` where the server cannot say.
    pub statements_per_frame: Option<f64>,
    /// Database execution time a frame, milliseconds; `null` where the server cannot say.
    pub db_ms_per_frame: Option<f64>,
    /// Shows, the one with the most cores first.
    pub shows: Vec<Show>,
}

/// Replays a recording.
///
/// # Errors
/// It cannot be read, or the scheduler did not end in good order, or the audit found something.
pub async fn run(options: &ReplayOptions) -> anyhow::Result<Replay> {
    let path = options.file.display();
    let text =
        std::fs::read_to_string(&options.file).with_context(|| format!("cannot read {path}"))?;
    let ground = Ground::recorded(&text).await?;
    let before = ground.work().await?;
    let scheduler = Scheduler::dry(ground.url(), &[]).await?;
    let seconds = settle(&scheduler, options.patience).await;
    let booked = ground.frames_in("RUNNING").await?;
    let db = ground.work().await?.since(&before).all;
    scheduler.end().await?;
    let shows = shows(&ground).await?;
    ground.ensure_sound(None).await?;
    let (hosts, cores) = (ground.seeded.hosts, ground.seeded.cores);
    ground.close().await?;
    let used: f64 = shows.iter().map(|show| show.cores).sum();
    let per_frame = |value: f64| value / crate::stats::count(booked).max(1.0);
    Ok(Replay {
        hosts,
        cores,
        used_percent: 100.0 * used / crate::stats::count(cores).max(1.0),
        booked,
        seconds,
        statements_per_frame: db
            .map(|db| per_frame(crate::stats::count(db.statements.unsigned_abs()))),
        db_ms_per_frame: db.map(|db| per_frame(db.milliseconds)),
        shows,
    })
}

/// Waits until nothing has been booked for `patience`. Returns the seconds to the last booking.
async fn settle(scheduler: &Scheduler, patience: Duration) -> f64 {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut last = (0.0, began);
    loop {
        ticks.tick().await;
        let booked = scheduler.counter("scheduler_frames_dispatched_total");
        if booked > last.0 {
            last = (booked, Instant::now());
        } else if last.1.elapsed() >= patience {
            return last.1.duration_since(began).as_secs_f64();
        }
    }
}

async fn shows(ground: &Ground) -> anyhow::Result<Vec<Show>> {
    let rows = sqlx::query(include_str!("../sql/replayed_shows.sql"))
        .fetch_all(&ground.pool)
        .await?;
    let shows = rows.iter().map(|row| {
        Ok(Show {
            show: row.try_get("show")?,
            frames: row.try_get("frames")?,
            booked: row.try_get("booked")?,
            cores: row.try_get("cores")?,
            size: row.try_get("size")?,
            burst: row.try_get("burst")?,
        })
    });
    shows.collect()
}

/// The result as Markdown tables.
#[must_use]
pub fn table(replay: &Replay) -> String {
    let number =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let mut text = format!(
        "| hosts | cores | booked | used | seconds | statements a frame | database ms a frame |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n\
         | {} | {} | {} | {:.1} % | {:.1} | {} | {} |\n\n\
         | show | frames | booked | cores | size | burst |\n| --- | --- | --- | --- | --- | --- |\n",
        replay.hosts,
        replay.cores,
        replay.booked,
        replay.used_percent,
        replay.seconds,
        number(replay.statements_per_frame),
        number(replay.db_ms_per_frame),
    );
    for show in &replay.shows {
        text.push_str(&format!(
            "| {} | {} | {} | {:.0} | {:.0} | {:.0} |\n",
            show.show, show.frames, show.booked, show.cores, show.size, show.burst
        ));
    }
    text
}
