//! Watching the farm drain: samples for the report, a bar for the eye.

use std::time::{Duration, Instant};

use cue_flow::{Control, StageStatus};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::farm::Farm;
use super::options::Options;
use super::outage::{Ended, Outage};
use crate::scheduler::Scheduler;

/// Time between two looks at the farm.
const EVERY: Duration = Duration::from_millis(200);

/// Without a completed frame for so long, the farm is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Observations while the farm drained.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// From the start of the scheduler to the last completion.
    pub drained_in: Duration,
    /// Time until 95 % of the cores were booked for the first time.
    pub filled_in: Option<Duration>,
    /// The most cores booked at once, in percent.
    pub peak_percent: f64,
    /// Cores booked, in percent, on average until frames ran out.
    pub mean_percent: f64,
    /// The most busy workers seen, by stage.
    pub busiest: Vec<(&'static str, u64)>,
    /// The outage that was asked for.
    pub outage: Option<Ended>,
}

/// Watches until every frame has completed, or until nothing moves any more.
///
/// # Errors
/// The database did not answer, or the farm is stuck.
pub async fn watch(
    farm: &mut Farm,
    scheduler: &Scheduler,
    began: Instant,
    options: &Options,
) -> anyhow::Result<Seen> {
    let control = scheduler.pipeline.flow.control();
    let bar = bar(farm.seeded.frames, options.quiet);
    let mut seen = Seen::default();
    let mut samples: Vec<f64> = Vec::new();
    let mut last = (0u64, Instant::now());
    let mut outage = options.database_outage.map(Outage::planned);
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let done = farm.completer.completed();
        let booked = scheduler.counter("scheduler_frames_dispatched_total");
        if let Some(outage) = &mut outage
            && outage.step(farm, done, booked)?
        {
            last = (done, Instant::now());
            continue;
        }
        let (used, total) = farm.cores().await?;
        #[expect(clippy::cast_precision_loss, reason = "a percentage for the eye")]
        let percent = 100.0 * used.0 as f64 / total.0.max(1) as f64;
        note(&mut seen, &control.snapshot(), percent, began.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a count for the eye")]
        if booked < farm.seeded.frames as f64 {
            samples.push(percent);
        }
        if done != last.0 {
            last = (done, Instant::now());
        }
        show(&bar, done, booked, percent, &control, began.elapsed());
        if done >= farm.seeded.frames {
            break;
        }
        if last.1.elapsed() > STUCK {
            bar.abandon();
            anyhow::bail!(
                "nothing has completed for {STUCK:?}: {done} of {} frames are done, {percent:.1} % of the cores are booked",
                farm.seeded.frames
            );
        }
    }
    bar.finish_and_clear();
    seen.drained_in = began.elapsed();
    seen.outage = outage.and_then(|outage| outage.ended());
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean of a few hundred samples"
    )]
    let mean = samples.iter().sum::<f64>() / samples.len().max(1) as f64;
    seen.mean_percent = mean;
    Ok(seen)
}

fn note(seen: &mut Seen, stages: &[StageStatus], percent: f64, at: Duration) {
    seen.peak_percent = seen.peak_percent.max(percent);
    if percent >= 95.0 {
        seen.filled_in.get_or_insert(at);
    }
    for stage in stages {
        match seen
            .busiest
            .iter_mut()
            .find(|(name, _)| *name == stage.name)
        {
            Some((_, most)) => *most = (*most).max(stage.busy),
            None => seen.busiest.push((stage.name, stage.busy)),
        }
    }
}

fn bar(frames: u64, quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(frames), target);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} frames done  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar
}

fn show(
    bar: &ProgressBar,
    done: u64,
    booked: f64,
    percent: f64,
    control: &Control,
    elapsed: Duration,
) {
    bar.set_position(done);
    let line: Vec<String> = control
        .snapshot()
        .iter()
        .filter(|stage| stage.queue_capacity > 0)
        .map(|stage| {
            format!(
                "{} {}/{}+{}",
                stage.name, stage.busy, stage.workers, stage.queue_depth
            )
        })
        .collect();
    let rate = booked / elapsed.as_secs_f64().max(0.001);
    bar.set_message(format!(
        "{booked:.0} booked, {rate:.0}/s, {percent:.0} % of cores\n  busy/workers+queued: {}",
        line.join("  ")
    ));
}
