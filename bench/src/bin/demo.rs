//! `demo`: a farm in a box, scheduled end to end.

use std::process::ExitCode;

use clap::Parser;
use cue_bench::demo::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let telemetry = match cue_bench::telemetry() {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("the demo cannot start: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let ran = demo::run(&options, &telemetry).await;
    telemetry.finish().await;
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
