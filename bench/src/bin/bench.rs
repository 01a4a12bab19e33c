//! `bench`: the benchmarks, one subcommand each. JSON on standard output, a table on standard error.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cue_bench::{fill, grow, latency, quality, replay, speed};
use serde::Serialize;

/// Benchmarks of the scheduler on databases of their own.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Book frames in a dry run, against bulk SQL without a scheduler
    Speed(speed::SpeedOptions),
    /// Fill a cold farm, launches included
    Fill(fill::FillOptions),
    /// Launch jobs on an idle farm, and end frames on a full one
    Latency(latency::LatencyOptions),
    /// Book on larger and larger farms
    Grow(grow::GrowOptions),
    /// Play scenarios and judge the decisions: who gets a core, and where
    Quality(quality::QualityOptions),
    /// Book a recorded farm (`cue-scheduler record`) from idle, in a dry run
    Replay(replay::ReplayOptions),
    /// Schedule until standard input is closed (what `quality` calls)
    #[command(hide = true)]
    QualityChild(quality::ChildOptions),
    /// Book a part of a seeded database (what `grow` calls)
    #[command(hide = true)]
    GrowChild(grow::ChildOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    let benchmark = Cli::parse().benchmark;
    let done = match cue_bench::telemetry() {
        Ok(telemetry) => {
            let done = run(benchmark).await;
            telemetry.finish().await;
            done
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(benchmark: Benchmark) -> anyhow::Result<()> {
    match benchmark {
        Benchmark::Speed(options) => say(speed::run(&options).await, |rows| speed::table(rows)),
        Benchmark::Fill(options) => say(fill::run(&options).await, fill::table),
        Benchmark::Latency(options) => say(latency::run(&options).await, latency::table),
        Benchmark::Grow(options) => say(grow::run(&options).await, |rows| grow::table(rows)),
        Benchmark::Quality(options) => judge(quality::run(&options).await),
        Benchmark::Replay(options) => say(replay::run(&options).await, replay::table),
        Benchmark::QualityChild(options) => quality::schedule(&options).await,
        Benchmark::GrowChild(options) => say(grow::book(&options).await, |_| String::new()),
    }
}

/// Prints the scenarios, and fails unless all passed.
fn judge(played: anyhow::Result<Vec<quality::Played>>) -> anyhow::Result<()> {
    let played = played?;
    say(Ok(&played), |rows| quality::table(rows))?;
    quality::ensure_passed(&played)
}

fn say<R: Serialize>(
    result: anyhow::Result<R>,
    table: impl FnOnce(&R) -> String,
) -> anyhow::Result<()> {
    let result = result?;
    let table = table(&result);
    if !table.is_empty() {
        eprintln!("{table}");
    }
    println!("{}", serde_json::to_string_pretty(&result)?);
    Ok(())
}
