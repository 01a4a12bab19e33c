//! `demo`: a farm in a box, scheduled end to end.

use std::process::ExitCode;

use clap::Parser;
use cue_bench::demo::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    cue_bench::logging();
    match demo::run(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
