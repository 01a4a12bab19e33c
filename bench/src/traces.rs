//! `bench traces`: what full tracing costs.
//!
//! The farm of `bench book` is booked with tracing off and on in turn, each time freshly seeded and in a
//! fresh process, for telemetry is set up once in a process. On means every turn is traced and every
//! span is sent in OTLP over gRPC to a receiver that decodes and counts it. With `--launch` the frames
//! are launched on simulated hosts, one span each; without, nothing is launched. Receiver and hosts
//! share the cores with the scheduler and the database, so the cost in throughput includes what it takes
//! to receive the spans; the processor time of the scheduler alone is told beside it.
//!
//! Invariant: a round whose spans do not account for the work that was done has no figures.

mod child;
mod receiver;

use anyhow::ensure;
use clap::Args;
use cue_simfarm::seed::FarmSpec;
use serde::Serialize;

pub use child::{Booked, ChildOptions, book};
pub use receiver::{Receiver, Spans};

use crate::ground::Ground;
use crate::stats::{Spread, count, markdown, number};
use crate::yard::Yard;

/// What the benchmark can be told.
#[derive(Clone, Debug, Args)]
pub struct TracesOptions {
    /// Frames to book
    #[arg(long, default_value_t = 60_000)]
    pub frames: u64,
    /// Hosts of the farm, 64 cores each
    #[arg(long, default_value_t = 1_200)]
    pub hosts: usize,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Launch the frames on simulated hosts, and measure until the last is launched
    #[arg(long)]
    pub launch: bool,
}

/// One run off and one on, in that order.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// Tracing off.
    pub off: Booked,
    /// Tracing on.
    pub on: Booked,
    /// What arrived of the run with tracing on.
    pub spans: Spans,
    /// Throughput lost, percent of that with tracing off.
    pub cost_percent: f64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Traces {
    /// Frames booked in each run.
    pub frames: u64,
    /// Hosts of the farm.
    pub hosts: usize,
    /// Whether the frames were launched.
    pub launched: bool,
    /// Frames a second, from the start of the scheduler, with tracing off.
    pub off: Spread,
    /// The same with tracing on.
    pub on: Spread,
    /// Throughput lost in a round, percent of that with tracing off.
    pub cost_percent: Spread,
    /// Processor time of the scheduler with tracing off, milliseconds a frame; `null` where the system
    /// cannot say.
    pub cpu_off: Option<Spread>,
    /// The same with tracing on, until the last span is sent.
    pub cpu_on: Option<Spread>,
    /// Spans received in a run.
    pub spans: Spread,
    /// Spans received a frame.
    pub spans_per_frame: Spread,
    /// Spans that did not fit in the queue of the exporter.
    pub left_out: Spread,
    /// Every round.
    pub rounds: Vec<Round>,
}

/// Measures.
///
/// # Errors
/// Something could not be started, not every frame was booked, or spans are missing.
pub async fn run(options: &TracesOptions) -> anyhow::Result<Traces> {
    ensure!(options.rounds > 0, "a benchmark needs at least one round");
    let spec = crate::book::farm(options.hosts, options.frames);
    let mut rounds = Vec::new();
    let mut frames = 0;
    for number in 1..=options.rounds {
        let off = on_fresh_farm(&spec, options.launch, None).await?;
        let receiver = Receiver::start().await?;
        let on = on_fresh_farm(&spec, options.launch, Some(&receiver)).await?;
        let spans = receiver.finish();
        ensure_accounted_for(&on, &spans)?;
        frames = on.frames;
        let round = Round {
            cost_percent: 100.0 * (1.0 - on.frames_per_second() / off.frames_per_second()),
            off,
            on,
            spans,
        };
        eprintln!(
            "round {number} of {}: off {:.0}/s, on {:.0}/s, cost {:.1} %, {} spans",
            options.rounds,
            round.off.frames_per_second(),
            round.on.frames_per_second(),
            round.cost_percent,
            round.spans.all
        );
        rounds.push(round);
    }
    Ok(summary(options, frames, rounds))
}

fn summary(options: &TracesOptions, frames: u64, rounds: Vec<Round>) -> Traces {
    let of = |value: fn(&Round) -> f64| Spread::of(&rounds.iter().map(value).collect::<Vec<_>>());
    let cpu = |run: fn(&Round) -> &Booked| {
        let all: Option<Vec<f64>> = rounds
            .iter()
            .map(|round| run(round).cpu_ms_per_frame())
            .collect();
        all.map(|all| Spread::of(&all))
    };
    Traces {
        frames,
        hosts: options.hosts,
        launched: options.launch,
        off: of(|round| round.off.frames_per_second()),
        on: of(|round| round.on.frames_per_second()),
        cost_percent: of(|round| round.cost_percent),
        cpu_off: cpu(|round| &round.off),
        cpu_on: cpu(|round| &round.on),
        spans: of(|round| count(round.spans.all)),
        spans_per_frame: of(|round| count(round.spans.all) / count(round.on.frames.max(1))),
        left_out: of(|round| count(round.on.spans_left_out)),
        rounds,
    }
}

async fn on_fresh_farm(
    spec: &FarmSpec,
    launch: bool,
    receiver: Option<&Receiver>,
) -> anyhow::Result<Booked> {
    let mut settings = tracing_settings(receiver);
    settings.push(("CUE_ADMIN_ADDR", "off".to_owned()));
    if !launch {
        let ground = Ground::seeded(spec).await?;
        settings.push(("CUE_DATABASE_URL", ground.url().to_owned()));
        settings.push(("CUE_DRY_RUN", "true".to_owned()));
        settings.push(("CUE_HOST_STALE_AFTER", "0".to_owned()));
        let booked = child::in_child(ground.seeded.frames, launch, &settings).await?;
        ensure_all_booked(&ground).await?;
        ground.ensure_sound(None).await?;
        ground.close().await?;
        return Ok(booked);
    }
    let yard = Yard::open(spec).await?;
    settings.push(("CUE_DATABASE_URL", yard.ground.url().to_owned()));
    settings.push(("CUE_RQD_ADDRESS", yard.rqd.address().to_string()));
    let booked = child::in_child(yard.ground.seeded.frames, launch, &settings).await?;
    ensure_all_booked(&yard.ground).await?;
    yard.close(None).await?;
    Ok(booked)
}

/// Whether spans are made and where they go is said in full, so that no setting of the caller's changes it.
fn tracing_settings(receiver: Option<&Receiver>) -> Vec<(&'static str, String)> {
    let Some(receiver) = receiver else {
        return vec![("OTEL_SDK_DISABLED", "true".to_owned())];
    };
    vec![
        ("OTEL_SDK_DISABLED", "false".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
        ("OTEL_TRACES_SAMPLER", "always_on".to_owned()),
    ]
}

async fn ensure_all_booked(ground: &Ground) -> anyhow::Result<()> {
    let (booked, frames) = (ground.frames_in("RUNNING").await?, ground.seeded.frames);
    ensure!(booked == frames, "{booked} of {frames} frames were booked");
    Ok(())
}

/// Holds what arrived against what was done, by the scheduler's own counters: every turn that booked has
/// a span, and so has every item of dispatch and every launch. What the scheduler says it could not
/// send may be missing, and nothing else.
fn ensure_accounted_for(on: &Booked, spans: &Spans) -> anyhow::Result<()> {
    ensure!(spans.turns > 0, "no span of a turn was received");
    ensure!(
        spans.all >= on.spans_exported,
        "{} spans were received of {} that were sent",
        spans.all,
        on.spans_exported
    );
    let lost = on.spans_left_out + on.spans_failed;
    for (what, received, done) in [
        ("turns that booked", spans.turns, on.turns_booked),
        ("items of dispatch", spans.dispatches, on.dispatches),
        ("launches", spans.launches, on.launches),
    ] {
        ensure!(
            received + lost >= done,
            "{received} spans were received of {done} {what}, and {lost} spans were not sent"
        );
    }
    Ok(())
}

/// The figures as a Markdown table.
#[must_use]
pub fn table(traces: &Traces) -> String {
    let head = [
        "frames",
        "launched",
        "off, frames/s",
        "on, frames/s",
        "cost",
        "off, CPU ms a frame",
        "on, CPU ms a frame",
        "spans",
        "spans a frame",
        "left out",
    ];
    let launched = if traces.launched { "yes" } else { "no" };
    let cells = |of: &Round| {
        vec![
            of.on.frames.to_string(),
            launched.to_owned(),
            format!("{:.0}", of.off.frames_per_second()),
            format!("{:.0}", of.on.frames_per_second()),
            format!("{:.1} %", of.cost_percent),
            number(of.off.cpu_ms_per_frame(), 3),
            number(of.on.cpu_ms_per_frame(), 3),
            of.spans.all.to_string(),
            format!("{:.2}", count(of.spans.all) / count(of.on.frames.max(1))),
            of.on.spans_left_out.to_string(),
        ]
    };
    let spread = |spread: Option<Spread>| {
        spread.map_or_else(|| "-".to_owned(), |spread| format!("{spread:.3}"))
    };
    let medians = vec![
        "**median**".to_owned(),
        launched.to_owned(),
        format!("{:.0}", traces.off),
        format!("{:.0}", traces.on),
        format!("{:.1} %", traces.cost_percent),
        spread(traces.cpu_off),
        spread(traces.cpu_on),
        format!("{:.0}", traces.spans),
        format!("{:.2}", traces.spans_per_frame),
        format!("{:.0}", traces.left_out),
    ];
    let rounds = traces.rounds.iter().map(cells);
    markdown(&head, rounds.chain(std::iter::once(medians)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> (Booked, Spans) {
        let on = Booked {
            frames: 100,
            seconds: 2.0,
            cpu_seconds: Some(0.5),
            turns_booked: 3,
            dispatches: 10,
            launches: 100,
            spans_exported: 200,
            spans_failed: 0,
            spans_left_out: 0,
        };
        let spans = Spans {
            all: 200,
            turns: 3,
            dispatches: 10,
            launches: 100,
        };
        (on, spans)
    }

    #[test]
    fn a_run_is_measured_by_its_time_and_by_its_processor_time() {
        let (on, _) = done();
        assert!((on.frames_per_second() - 50.0).abs() < 1e-9);
        assert!((on.cpu_ms_per_frame().unwrap() - 5.0).abs() < 1e-9);
    }

    #[test]
    fn spans_that_are_missing_without_a_reason_end_the_benchmark() {
        let (mut on, spans) = done();
        assert!(ensure_accounted_for(&on, &spans).is_ok());
        let without = |change: fn(&mut Spans)| {
            let mut some = spans;
            change(&mut some);
            some
        };
        let lacking = [
            without(|some| some.all = 199),
            without(|some| some.turns = 0),
            without(|some| some.turns = 2),
            without(|some| some.dispatches = 9),
            without(|some| some.launches = 99),
        ];
        for some in &lacking {
            assert!(ensure_accounted_for(&on, some).is_err(), "{some:?}");
        }
        (on.spans_left_out, on.spans_exported) = (1, 199);
        for some in &lacking[2..] {
            assert!(ensure_accounted_for(&on, some).is_ok(), "{some:?}");
        }
    }
}
