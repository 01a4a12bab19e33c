//! The program: command line, settings, runtime, service, exit code.
//!
//! Invariant: this is the only place that reads the arguments and the environment of the process.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use cue_scheduler::cli::{self, Command, Overrides};
use cue_scheduler::lifecycle::Exit;
use cue_scheduler::{service, start};

/// How long threads that cannot be stopped may hold up the end of the process.
const RUNTIME_GRACE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // A name or value that is not UTF-8 keeps its readable part, so that a fault can show it.
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .map(|(name, value)| (lossy(&name), lossy(&value)))
        .collect();
    let exit = match cli::parse(std::env::args_os()) {
        Ok(Command::Run(overrides)) => run(&overrides, &environment),
        Ok(Command::Config {
            reference,
            overrides,
        }) => {
            let loaded = overrides.load(&environment);
            cli::show(
                &loaded,
                reference,
                &mut std::io::stdout(),
                &mut std::io::stderr(),
            )
            .unwrap_or(Exit::FailedStart)
        }
        Err(exit) => exit,
    };
    exit.into()
}

fn run(overrides: &Overrides, environment: &BTreeMap<String, String>) -> Exit {
    let settings = match overrides.load(environment).settings {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::BadSettings;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cue-scheduler cannot start its threads: {error}");
            return Exit::FailedStart;
        }
    };
    let exit = runtime.block_on(service::run(&settings, start::start));
    runtime.shutdown_timeout(RUNTIME_GRACE);
    exit
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}
