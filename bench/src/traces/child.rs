//! The process that schedules, with telemetry as its settings say: it books all frames of a seeded
//! database, launches them if asked to, and says how long it took and what it counted.
//!
//! Invariant: the spans are counted after the last of them has been sent or given up.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use prometheus::Registry;
use serde::{Deserialize, Serialize};

use crate::child::figures;
use crate::scheduler::{Scheduler, settings};
use crate::stats::count;

/// The subcommand that the benchmark calls itself with.
const COMMAND: &str = "traces-child";

/// How many times a second the kernel's clock of processor time ticks, for whoever reads `/proc`.
const CLOCK_TICKS: f64 = 100.0;

/// Without progress for so long, a run is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the counters are looked at. Reading all of them takes a fraction of a millisecond, which is
/// not to be what is measured.
const LOOK: Duration = Duration::from_millis(50);

const BOOKED: &str = "scheduler_frames_dispatched_total";
const LAUNCHES: &str = "scheduler_launches_total";
const LAUNCHED: (&str, &str) = ("outcome", "launched");

/// What the process is told.
#[derive(Clone, Debug, Args)]
pub struct ChildOptions {
    /// Frames to book
    #[arg(long)]
    pub book: u64,
    /// Also wait until they are launched
    #[arg(long)]
    pub launched: bool,
    /// A setting as NAME=VALUE; may be given several times
    #[arg(long, value_parser = assignment)]
    pub set: Vec<(String, String)>,
}

/// What the process says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Booked {
    /// Frames booked.
    pub frames: u64,
    /// From the start of telemetry and scheduler until the last frame was booked, or launched.
    pub seconds: f64,
    /// Processor time of the whole process, seconds; `null` where the system cannot say.
    pub cpu_seconds: Option<f64>,
    /// Turns that booked something.
    pub turns_booked: u64,
    /// Items that dispatch has handled.
    pub dispatches: u64,
    /// Frames that a host accepted.
    pub launches: u64,
    /// Spans that the receiver took.
    pub spans_exported: u64,
    /// Spans that the receiver did not take.
    pub spans_failed: u64,
    /// Spans that did not fit in the queue of the exporter.
    pub spans_left_out: u64,
}

impl Booked {
    /// Frames booked, or launched, a second.
    #[must_use]
    pub fn frames_per_second(&self) -> f64 {
        count(self.frames) / self.seconds.max(1e-9)
    }

    /// Processor time a frame, milliseconds.
    #[must_use]
    pub fn cpu_ms_per_frame(&self) -> Option<f64> {
        let frames = count(self.frames.max(1));
        self.cpu_seconds.map(|seconds| 1e3 * seconds / frames)
    }
}

/// Books, in this process.
///
/// # Errors
/// The scheduler could not start, got stuck, or did not end in good order.
pub async fn book(options: &ChildOptions) -> anyhow::Result<Booked> {
    let variables: Vec<(&str, String)> = options
        .set
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let mut settings = settings(&variables)?;
    if std::env::var_os("CUE_LOG").is_none() {
        crate::QUIET.clone_into(&mut settings.logging.filter);
    }
    let began = Instant::now();
    let telemetry = cue_scheduler::telemetry::init(&settings.telemetry, &settings.logging)?;
    let scheduler = Scheduler::start(settings).await?;
    telemetry.register(&scheduler.registry)?;
    all_done(&scheduler.registry, options).await?;
    let seconds = began.elapsed().as_secs_f64();
    let registry = scheduler.registry.clone();
    scheduler.end().await?;
    telemetry.finish().await;
    let of = |name, label, value| counted(&registry, name, Some((label, value)));
    let spans = |result| of("scheduler_spans_exported_total", "result", result);
    Ok(Booked {
        frames: options.book,
        seconds,
        cpu_seconds: cpu_seconds(),
        turns_booked: of("scheduler_pass_terminated_reason_total", "reason", "booked"),
        dispatches: of("scheduler_stage_items_total", "stage", "dispatch"),
        launches: counted(&registry, LAUNCHES, Some(LAUNCHED)),
        spans_exported: spans("ok"),
        spans_failed: spans("failed"),
        spans_left_out: spans("left_out"),
    })
}

/// Waits until so many frames are booked, or launched.
async fn all_done(registry: &Registry, options: &ChildOptions) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(LOOK);
    let mut last = (0, Instant::now());
    loop {
        ticks.tick().await;
        let done = if options.launched {
            counted(registry, LAUNCHES, Some(LAUNCHED))
        } else {
            counted(registry, BOOKED, None)
        };
        if done >= options.book {
            return Ok(());
        }
        if done > last.0 {
            last = (done, Instant::now());
        }
        ensure!(
            last.1.elapsed() < PATIENCE,
            "nothing has been booked or launched for {PATIENCE:?}: {done} of {}",
            options.book
        );
    }
}

/// The sum of a counter over its series, or over those in which a label has this value.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole, not negative, and far below 2^52"
)]
fn counted(registry: &Registry, name: &str, only: Option<(&str, &str)>) -> u64 {
    let families = registry.gather();
    let series = families
        .iter()
        .filter(|family| family.name() == name)
        .flat_map(|family| family.get_metric())
        .filter(|metric| {
            let mut labels = metric.get_label().iter();
            only.is_none_or(|wanted| labels.any(|pair| (pair.name(), pair.value()) == wanted))
        });
    series
        .map(|metric| metric.get_counter().get_value())
        .sum::<f64>() as u64
}

/// What this process has had of the processors, in user and in system mode.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may have spaces in it; after its parenthesis come plain numbers.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11);
    let user: u64 = ticks.next()?.parse().ok()?;
    let system: u64 = ticks.next()?.parse().ok()?;
    Some(count(user + system) / CLOCK_TICKS)
}

fn assignment(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?} is not NAME=VALUE"))
}

/// Books in a fresh process of this program.
pub(super) async fn in_child(
    frames: u64,
    launched: bool,
    settings: &[(&str, String)],
) -> anyhow::Result<Booked> {
    let frames = frames.to_string();
    let mut arguments = vec!["--book", &frames];
    if launched {
        arguments.push("--launched");
    }
    figures(COMMAND, &arguments, settings).await
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounterVec, Opts};

    use super::*;

    #[test]
    fn a_counter_is_summed_over_the_series_with_the_label() {
        let registry = Registry::new();
        let items = IntCounterVec::new(Opts::new("items", "Items"), &["stage", "verdict"]).unwrap();
        registry.register(Box::new(items.clone())).unwrap();
        items.with_label_values(&["dispatch", "done"]).inc_by(3);
        items.with_label_values(&["dispatch", "skip"]).inc_by(2);
        items.with_label_values(&["check_in", "done"]).inc_by(7);
        let of = |name, stage| counted(&registry, name, Some(("stage", stage)));
        assert_eq!(of("items", "dispatch"), 5);
        assert_eq!(of("items", "launch"), 0);
        assert_eq!(of("others", "dispatch"), 0);
        assert_eq!(counted(&registry, "items", None), 12);
    }

    #[test]
    fn processor_time_grows_while_the_processor_is_used() {
        let before = cpu_seconds().unwrap();
        let began = Instant::now();
        while cpu_seconds().unwrap() <= before {
            assert!(began.elapsed() < PATIENCE, "a busy loop took no time");
        }
    }
}
