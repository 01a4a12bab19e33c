//! Wake: how long a job waits on an idle farm.
//!
//! The farm of `fill` with nothing to do. A job of one frame is launched; the clock runs from the
//! moment its transaction has committed to the moment a host accepts the frame. Then the frame ends,
//! and after a random pause the next job comes: an idle scheduler looks around
//! in a rhythm, and a measurement in step with it would see only its best or its worst moment. The
//! pauses are spread evenly over the length of the longest backoff of a cluster.
//!
//! The cost of an idle scheduler is measured first, because more questions make a wait short.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use cue_simfarm::completion::{Completer, CompleterSettings};
use cue_simfarm::seed::{JobSpec, LayerSpec, Place, launch_job};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use sqlx::Row;

use crate::stats::{count, markdown, number, percentile};
use crate::yard::{self, Yard};

/// After so long a job counts as forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Longest time for a completion to be recorded.
const RECORDED: Duration = Duration::from_secs(30);

/// Options of this part.
#[derive(Clone, Debug, Args)]
pub struct WakeOptions {
    /// Jobs launched on the idle farm, one after the other; 0 leaves the idle farm out
    #[arg(long, default_value_t = 100)]
    pub jobs: usize,
    /// The longest pause before a job
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    pub pause: Duration,
    /// Time for which the idle scheduler is watched first
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub idle: Duration,
    /// Shows of the farm, each with turns of its own
    #[arg(long, default_value_t = 5)]
    pub shows: usize,
}

/// Results.
#[derive(Clone, Debug, Serialize)]
pub struct Wake {
    /// Jobs launched.
    pub jobs: usize,
    /// Hosts of the farm.
    pub hosts: usize,
    /// Milliseconds from the job's commit to the launch of its frame: the median.
    pub p50_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// The most.
    pub most_ms: Option<f64>,
    /// Statements a second of the scheduler while it had nothing to do.
    pub idle_statements_per_second: Option<f64>,
    /// Their execution time, percent of one core.
    pub idle_db_percent_of_a_core: Option<f64>,
}

/// Measures.
///
/// # Errors
/// Something could not be started, a job was forgotten, or the audit found something.
pub async fn run(scale: f64, options: &WakeOptions) -> anyhow::Result<Wake> {
    let mut yard = Yard::open(&yard::spec(scale, options.shows, true)).await?;
    let Some(reports) = yard.rqd.completions() else {
        anyhow::bail!("somebody else takes the ends of frames");
    };
    let pool = yard.ground.pool.clone();
    let completer = Completer::start(pool, reports, CompleterSettings::default());
    let scheduler = yard.schedule().await?;
    let (statements, percent) = idle(&yard, options.idle).await?;
    let mut draw = StdRng::seed_from_u64(1);
    let mut waits = Vec::new();
    for number in 0..options.jobs {
        tokio::time::sleep(options.pause.mul_f64(draw.random_range(0.0..1.0))).await;
        let job = job(&yard, number).await?;
        waits.push(wake(&yard, &completer, (number, &job)).await?);
    }
    scheduler.end().await?;
    let hosts = yard.ground.seeded.hosts;
    yard.close(Some(completer)).await?;
    Ok(Wake {
        jobs: options.jobs,
        hosts,
        p50_ms: percentile(&waits, 0.5),
        p99_ms: percentile(&waits, 0.99),
        most_ms: percentile(&waits, 1.0),
        idle_statements_per_second: statements,
        idle_db_percent_of_a_core: percent,
    })
}

/// Statements a second and percent of a core that the scheduler costs while no frame waits.
async fn idle(yard: &Yard, time: Duration) -> anyhow::Result<(Option<f64>, Option<f64>)> {
    let before = yard.ground.work().await?;
    let began = Instant::now();
    tokio::time::sleep(time).await;
    let cost = yard.ground.work().await?.since(&before).ours;
    let seconds = began.elapsed().as_secs_f64();
    Ok((
        cost.map(|cost| count(cost.statements.unsigned_abs()) / seconds),
        cost.map(|cost| cost.milliseconds / 10.0 / seconds),
    ))
}

/// Launches the job, waits for its frame, ends it. Milliseconds it waited.
async fn wake(
    yard: &Yard,
    completer: &Completer,
    (number, job): (usize, &JobSpec),
) -> anyhow::Result<f64> {
    let launched = launch_job(&yard.ground.pool, job).await?;
    // The commit is over when `launch_job` returns; a launch may even have come before this line.
    let committed = Instant::now();
    tokio::time::timeout(FORGOTTEN, yard.rqd.launched(number + 1))
        .await
        .with_context(|| format!("job {} was not launched in {FORGOTTEN:?}", launched.name))?;
    let first = yard.rqd.launches_since(number);
    let first = first.first().context("a launch left no record")?;
    let waited = first.at.saturating_duration_since(committed);
    ensure!(
        yard.rqd.finish(&first.frame_id, 0).await,
        "frame {} was launched and does not run",
        first.frame_id
    );
    let recorded = number as u64 + 1;
    tokio::time::timeout(RECORDED, completer.completed_at_least(recorded))
        .await
        .context("a completion was not recorded")?;
    Ok(waited.as_secs_f64() * 1e3)
}

/// A job of one frame, of the shows in turn, on the first allocation.
async fn job(yard: &Yard, number: usize) -> anyhow::Result<JobSpec> {
    let seeded = &yard.ground.seeded;
    let show = seeded
        .shows
        .get(number % seeded.shows.len().max(1))
        .context("the farm has no show")?;
    let allocation = seeded
        .allocations
        .first()
        .context("the farm has no allocation")?;
    let row = sqlx::query(
        "SELECT pk_folder, pk_dept FROM folder WHERE pk_show = $1 AND pk_parent_folder IS NULL",
    )
    .bind(&show.id)
    .fetch_one(&yard.ground.pool)
    .await?;
    let place = Place {
        facility: seeded.facility.id.clone(),
        show: show.id.clone(),
        show_name: show.name.clone(),
        dept: row.try_get("pk_dept")?,
        folder: row.try_get("pk_folder")?,
    };
    let mut job = JobSpec::new(place, &format!("{}-wake-{number}", show.name));
    job.layers.push(LayerSpec::new("render", &allocation.name));
    Ok(job)
}

/// The figures as a Markdown table.
#[must_use]
pub fn table(wake: &Wake) -> String {
    let ms = |value| format!("{} ms", number(value, 0));
    markdown(
        &[
            "jobs",
            "hosts",
            "p50",
            "p99",
            "most",
            "idle: statements/s",
            "idle: of a core",
        ],
        [vec![
            wake.jobs.to_string(),
            wake.hosts.to_string(),
            ms(wake.p50_ms),
            ms(wake.p99_ms),
            ms(wake.most_ms),
            number(wake.idle_statements_per_second, 1),
            format!("{} %", number(wake.idle_db_percent_of_a_core, 1)),
        ]],
    )
}
