//! `bench grow`: what happens to speed and memory when the farm grows, one dimension at a time.
//!
//! From one base the hosts, the waiting frames, the shows, the manual tags and the length of layers grow
//! each by itself. At every point the same number of frames is booked in a dry run, so the cost should
//! follow the work done and not the work that waits. The scheduler runs in a fresh process of its own
//! that has seeded nothing: its peak memory is the scheduler's. Seeding is not timed, and the database
//! has not been analyzed.

mod child;
mod point;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

pub use child::{Booked, ChildOptions, book};
pub use point::{Dimension, Point};

use crate::dbtime::Slowest;
use crate::ground::Ground;
use crate::stats::{Spread, markdown};

/// Options of the benchmark.
#[derive(Clone, Debug, Args)]
pub struct GrowOptions {
    /// Frames booked at each point
    #[arg(long, default_value_t = 20_000)]
    pub book: u64,
    /// Measurements of each point
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
    /// Only these dimensions, and the base; may be given several times
    #[arg(long, value_enum)]
    pub dimension: Vec<Dimension>,
    /// Create OpenCue's index on the waiting frames of a layer (V51), at every point
    #[arg(long)]
    pub with_indexes: bool,
    /// A small base and the ends of each dimension, fifty times smaller: to see that it works
    #[arg(long)]
    pub quick: bool,
}

/// Results at one point.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Dimension that grows; `null` for the base.
    pub dimension: Option<Dimension>,
    /// The farm.
    pub point: Point,
    /// Frames booked in each round.
    pub booked: u64,
    /// Frames booked a second, from the start of the scheduler.
    pub frames_per_second: Spread,
    /// Frames a second over those of the base.
    pub ratio: f64,
    /// The most memory of the process that schedules, MiB.
    pub peak_rss_mib: Spread,
    /// Database execution time a frame, milliseconds.
    pub db_ms_per_frame: Option<Spread>,
    /// The scheduler's statement with the highest mean time, of the last round.
    pub slowest: Option<Slowest>,
}

/// Measures.
///
/// # Errors
/// Something could not be started, a point got stuck, or the audit found something.
pub async fn run(options: &GrowOptions) -> anyhow::Result<Vec<Row>> {
    ensure!(options.rounds > 0, "a benchmark needs at least one round");
    let base = Point::base(options.quick);
    let mut points = vec![(None, base)];
    for dimension in Dimension::ALL {
        if options.dimension.is_empty() || options.dimension.contains(&dimension) {
            let grown = dimension.points(&base, options.quick);
            points.extend(grown.into_iter().map(|point| (Some(dimension), point)));
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for (dimension, point) in points {
        let mut row = measure(dimension, point, options).await?;
        let base = rows.first().map_or(row.frames_per_second.median, |base| {
            base.frames_per_second.median
        });
        row.ratio = row.frames_per_second.median / base;
        eprintln!(
            "{point}: {:.0} frames/s, ratio {:.2}, {:.0} MiB",
            row.frames_per_second, row.ratio, row.peak_rss_mib
        );
        rows.push(row);
    }
    Ok(rows)
}

async fn measure(
    dimension: Option<Dimension>,
    point: Point,
    options: &GrowOptions,
) -> anyhow::Result<Row> {
    let (mut rates, mut memory, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let (mut booked, mut slowest) = (0, None);
    for _ in 0..options.rounds {
        let ground = Ground::settled(&point.spec()).await?;
        point.tag_hosts(&ground).await?;
        if options.with_indexes {
            ground.create_waiting_index().await?;
        }
        let frames = options.book.min(ground.seeded.frames);
        let before = ground.work().await?;
        let found = child::in_child(ground.url(), frames).await?;
        let work = ground.work().await?.since(&before);
        slowest = ground.slowest().await?;
        ground.ensure_sound(None).await?;
        ground.close().await?;
        rates.push(found.frames_per_second);
        memory.push(found.peak_rss_mib);
        times.extend(work.all.map(|all| all.milliseconds / found.booked));
        booked = frames;
    }
    Ok(Row {
        dimension,
        point,
        booked,
        frames_per_second: Spread::of(&rates),
        ratio: 1.0,
        peak_rss_mib: Spread::of(&memory),
        db_ms_per_frame: (!times.is_empty()).then(|| Spread::of(&times)),
        slowest,
    })
}

/// The figures as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let head = [
        "grows",
        "to",
        "frames/s",
        "ratio",
        "peak memory",
        "database ms a frame",
        "slowest statement",
    ];
    let row = |row: &Row| {
        let slowest = row.slowest.as_ref().map_or_else(
            || "-".to_owned(),
            |slowest| format!("{} {:.1} ms", slowest.name, slowest.mean_ms),
        );
        vec![
            row.dimension.map_or("base", Dimension::name).to_owned(),
            row.dimension.map_or_else(
                || row.point.to_string(),
                |dimension| dimension.of(&row.point),
            ),
            format!("{:.0}", row.frames_per_second),
            format!("{:.2}", row.ratio),
            format!("{:.0} MiB", row.peak_rss_mib),
            row.db_ms_per_frame
                .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}")),
            slowest,
        ]
    };
    markdown(&head, rows.iter().map(row))
}
