//! The process that schedules: it books a number of frames of a seeded database, and reports its speed and
//! memory.

use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::child::figures;
use crate::scheduler::Scheduler;
use crate::stats::{count, peak_rss_mib};

/// The subcommand that a benchmark calls itself with.
pub const COMMAND: &str = "grow-child";

/// Options of the process.
#[derive(Clone, Debug, Args)]
pub struct ChildOptions {
    /// The database
    #[arg(long)]
    pub url: String,
    /// Frames to book
    #[arg(long)]
    pub book: u64,
}

/// Figures that the process prints.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Booked {
    /// Frames booked when it stopped; some more than asked for.
    pub booked: f64,
    /// Frames booked a second, from the start of the scheduler.
    pub frames_per_second: f64,
    /// The most memory of the process, MiB.
    pub peak_rss_mib: f64,
}

/// Books, in this process.
///
/// # Errors
/// The scheduler could not start, got stuck, or did not end in good order.
pub async fn book(options: &ChildOptions) -> anyhow::Result<Booked> {
    let began = Instant::now();
    let scheduler = Scheduler::dry(&options.url, &[]).await?;
    scheduler.booked_at_least(options.book).await?;
    let (seconds, booked) = (
        began.elapsed().as_secs_f64(),
        scheduler.counter("scheduler_frames_dispatched_total"),
    );
    let peak_rss_mib = peak_rss_mib()?;
    let registry = scheduler.registry.clone();
    scheduler.end().await?;
    Ok(Booked {
        // Frames that were under way have been booked since; the database's time is shared by all of them.
        booked: cue_simfarm::metrics::sum(&registry, "scheduler_frames_dispatched_total", &[])
            .max(count(options.book)),
        frames_per_second: booked / seconds.max(1e-9),
        peak_rss_mib,
    })
}

/// Books in a fresh process of this program.
pub(super) async fn in_child(url: &str, frames: u64) -> anyhow::Result<Booked> {
    let frames = frames.to_string();
    let arguments = ["--url", url, "--book", &frames];
    figures(COMMAND, &arguments, &[]).await
}
