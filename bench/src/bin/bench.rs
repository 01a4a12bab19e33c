//! `bench`: the benchmarks, one subcommand each. JSON on standard output, a table on standard error.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cue_bench::book::{self, BookOptions};

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
    Book(BookOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    cue_bench::logging();
    let Cli {
        what: What::Book(options),
    } = Cli::parse();
    let done = book::run(&options).await.and_then(|rows| {
        eprintln!("{}", book::table(&rows));
        println!("{}", serde_json::to_string_pretty(&rows)?);
        Ok(())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
