//! `bench`: the benchmarks, one subcommand each. JSON on standard output, a table on standard error.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cue_bench::{book, fill, grow, index, indexes, stages, steady, traces, wake};
use serde::Serialize;

/// Benchmarks of the scheduler on databases of their own.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Book frames in a dry run, against bulk SQL without a scheduler
    Book(book::BookOptions),
    /// Fill a cold farm, launches included
    Fill(fill::FillOptions),
    /// Keep a full farm full while its frames end at a given rate
    Steady(steady::SteadyOptions),
    /// Launch jobs on an idle farm, one at a time
    Wake(wake::WakeOptions),
    /// Book on larger and larger farms
    Grow(grow::GrowOptions),
    /// Each stage alone, and the pipeline with other numbers of workers
    Stages(stages::StagesOptions),
    /// The host index alone, with several threads
    Index(index::IndexOptions),
    /// The indexes that `cue-scheduler check --indexes` offers, without and with them
    Indexes(indexes::IndexesOptions),
    /// Book with full tracing off and on in turn: what it costs
    Traces(traces::TracesOptions),
    /// Book a part of a seeded database (what `grow` calls)
    #[command(hide = true)]
    GrowChild(grow::ChildOptions),
    /// Book a seeded database with or without traces (what `traces` calls)
    #[command(hide = true)]
    TracesChild(traces::ChildOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    let what = Cli::parse().what;
    // That one sets up its log with its traces.
    if !matches!(what, What::TracesChild(_)) {
        cue_bench::logging();
    }
    let done = match what {
        What::Book(options) => say(book::run(&options).await, |rows| book::table(rows)),
        What::Fill(options) => say(fill::run(&options).await, fill::table),
        What::Steady(options) => say(steady::run(&options).await, |rows| steady::table(rows)),
        What::Wake(options) => say(wake::run(&options).await, wake::table),
        What::Grow(options) => say(grow::run(&options).await, |rows| grow::table(rows)),
        What::Stages(options) => say(stages::run(&options).await, stages::table),
        What::Index(options) => say(index::run(&options), |rows| index::table(rows)),
        What::Indexes(options) => say(indexes::run(&options).await, indexes::table),
        What::Traces(options) => say(traces::run(&options).await, traces::table),
        What::TracesChild(options) => say(traces::book(&options).await, |_| String::new()),
        What::GrowChild(options) => say(grow::book(&options).await, |_| String::new()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
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
