//! The program: command line, settings, runtime, service, exit code.
//!
//! Invariant: this is the only place that reads the arguments and the environment of the process.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use cue_scheduler::cli::{self, Command, Overrides};
use cue_scheduler::config::Loaded;
use cue_scheduler::lifecycle::Exit;
use cue_scheduler::{check, service, start, top, why};

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
        Ok(Command::Check { form, overrides }) => inspect(form, &overrides, &environment),
        Ok(Command::Top { once, whom }) => match whom.address(&environment) {
            Ok(address) => look(&address, once),
            Err(fault) => {
                eprintln!("{fault}");
                Exit::BadSettings
            }
        },
        Ok(Command::Why {
            what,
            addr,
            overrides,
        }) => ask(&what, addr.as_deref(), &overrides.load(&environment)),
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
    in_runtime(service::run(&settings, start::start))
}

fn inspect(
    form: check::Form,
    overrides: &Overrides,
    environment: &BTreeMap<String, String>,
) -> Exit {
    let settings = match overrides.load(environment).settings {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return Exit::BadSettings;
        }
    };
    in_runtime(async {
        check::run(&settings, form, &mut std::io::stdout())
            .await
            .unwrap_or(Exit::FailedStart)
    })
}

fn look(address: &str, once: bool) -> Exit {
    in_runtime(async {
        let shown = if once {
            top::once(address).await
        } else {
            top::watch(address).await
        };
        match shown {
            Ok(()) => Exit::Clean,
            Err(error) => {
                eprintln!("{}", service::chain(&error));
                Exit::FailedStart
            }
        }
    })
}

/// Asks the named service, or else that of the settings, or else the database.
fn ask(what: &str, addr: Option<&str>, loaded: &Loaded) -> Exit {
    in_runtime(async {
        let address = match addr {
            Some(addr) => Ok(addr.to_owned()),
            None => cli::admin_address(loaded),
        };
        let away = match address {
            Ok(address) => match why::ask_service(&address, what).await {
                Ok(answer) => return why::tell(answer),
                Err(error) => service::chain(&error),
            },
            Err(unknown) => unknown,
        };
        match &loaded.settings {
            _ if addr.is_some() => why::tell(Err(away)),
            Ok(settings) => why::tell(why::ask_database(settings, what).await),
            Err(faults) => {
                eprintln!("{away}\nthe database cannot be asked instead: {faults}");
                Exit::BadSettings
            }
        }
    })
}

fn in_runtime(work: impl Future<Output = Exit>) -> Exit {
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
    let exit = runtime.block_on(work);
    runtime.shutdown_timeout(RUNTIME_GRACE);
    exit
}

fn lossy(text: &std::ffi::OsStr) -> String {
    text.to_string_lossy().into_owned()
}
