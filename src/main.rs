//! The program: command line, settings, runtime, service, exit code.
//!
//! Invariant: this is the only place that reads the arguments and the environment of the process.

#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use cue_scheduler::cli::{self, Command, Overrides, Whom};
use cue_scheduler::config::{Loaded, Settings};
use cue_scheduler::lifecycle::Exit;
use cue_scheduler::output::{chain, complain};
use cue_scheduler::pause::{self, Asked};
use cue_scheduler::why::Question;
use cue_scheduler::{check, hosts, manuals, record, service, start, top, why};

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
            printed(cli::show(
                &loaded,
                reference,
                &mut std::io::stdout(),
                &mut std::io::stderr(),
            ))
        }
        Ok(Command::Check { json, overrides }) => {
            with_settings(&overrides, &environment, async |settings| {
                check::run(settings, json, &mut std::io::stdout()).await
            })
        }
        Ok(Command::Record { names, overrides }) => {
            with_settings(&overrides, &environment, async |settings| {
                record::run(settings, names, &mut std::io::stdout()).await
            })
        }
        Ok(Command::Top { once, whom }) => match whom.address(&environment) {
            Ok(address) => look(&address, once),
            Err(fault) => {
                complain(fault);
                Exit::BadSettings
            }
        },
        Ok(Command::Hosts { query, whom }) => with_service(&whom, &environment, async |asked| {
            let by = (asked.user, asked.token);
            hosts::show(asked.address, &query, by, &mut std::io::stdout()).await
        }),
        Ok(Command::Pause { query, whom }) => with_service(&whom, &environment, async |asked| {
            pause::pause(asked, &query, &mut std::io::stdout()).await
        }),
        Ok(Command::Resume { scope, whom }) => with_service(&whom, &environment, async |asked| {
            pause::resume(asked, &scope, &mut std::io::stdout()).await
        }),
        Ok(Command::Why {
            question,
            json,
            addr,
            overrides,
        }) => {
            let loaded = overrides.load(&environment);
            ask(&question, json, addr.as_deref(), &loaded)
        }
        Ok(Command::Manuals { folder }) => printed(manuals::write(&folder).map(|()| Exit::Clean)),
        Err(exit) => exit,
    };
    exit.into()
}

fn run(overrides: &Overrides, environment: &BTreeMap<String, String>) -> Exit {
    let settings = match overrides.load(environment).settings {
        Ok(settings) => settings,
        Err(faults) => {
            complain(faults);
            return Exit::BadSettings;
        }
    };
    let reread = || overrides.load(environment);
    in_runtime(service::run(&settings, reread, start::start))
}

/// Runs a command that prints its answer from the database of the settings.
fn with_settings(
    overrides: &Overrides,
    environment: &BTreeMap<String, String>,
    command: impl AsyncFnOnce(&Settings) -> std::io::Result<Exit>,
) -> Exit {
    let settings = match overrides.load(environment).settings {
        Ok(settings) => settings,
        Err(faults) => {
            complain(faults);
            return Exit::BadSettings;
        }
    };
    in_runtime(async { printed(command(&settings).await) })
}

fn look(address: &str, once: bool) -> Exit {
    in_runtime(async {
        let shown = if once {
            top::once(address).await.map(|()| None)
        } else {
            top::watch(address).await
        };
        match shown {
            Ok(None) => Exit::Clean,
            Ok(Some(signal)) => Exit::Signal(signal),
            Err(error) => {
                complain(chain(&error));
                Exit::FailedStart
            }
        }
    })
}

/// Asks a service in the name of the user, with the token of the environment or the settings.
fn with_service(
    whom: &Whom,
    environment: &BTreeMap<String, String>,
    ask: impl AsyncFnOnce(Asked<'_>) -> std::io::Result<Exit>,
) -> Exit {
    let address = match whom.address(environment) {
        Ok(address) => address,
        Err(fault) => {
            complain(fault);
            return Exit::BadSettings;
        }
    };
    let user = user(environment);
    let token = whom.token(environment);
    let asked = Asked {
        address: &address,
        user: &user,
        token: token.as_deref(),
    };
    in_runtime(async { printed(ask(asked).await) })
}

/// Name of the user who asks: containers and units often have none, only a number.
fn user(environment: &BTreeMap<String, String>) -> String {
    let names = ["USER", "LOGNAME"].into_iter();
    let mut names = names.filter_map(|name| environment.get(name));
    let named = names.find(|name| !name.is_empty()).cloned();
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// Asks the named service, or else that of the settings, or else the database.
fn ask(question: &Question, json: bool, addr: Option<&str>, loaded: &Loaded) -> Exit {
    in_runtime(async {
        let address = match addr {
            Some(addr) => Ok(addr.to_owned()),
            None => cli::admin_address(loaded),
        };
        let away = match address {
            Ok(address) => match why::ask_service(&address, question).await {
                Ok(answer) => return printed(why::tell(answer, json)),
                Err(error) => chain(&error),
            },
            Err(unknown) => unknown,
        };
        match &loaded.settings {
            _ if addr.is_some() => printed(why::tell(Err(away), json)),
            Ok(settings) => {
                let answer = why::ask_database(settings, question).await;
                printed(why::tell(answer, json))
            }
            Err(faults) => {
                complain(format_args!(
                    "{away}\nthe database cannot be asked instead: {faults}"
                ));
                Exit::BadSettings
            }
        }
    })
}

/// The exit of a command that printed its answer, or could not.
fn printed(exit: std::io::Result<Exit>) -> Exit {
    exit.unwrap_or_else(|error| {
        complain(format_args!("the answer cannot be printed: {error}"));
        Exit::FailedStart
    })
}

fn in_runtime(work: impl Future<Output = Exit>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!(
                "cue-scheduler cannot start its threads: {error}"
            ));
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
