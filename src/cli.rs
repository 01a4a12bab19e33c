//! The command line.
//!
//! Invariant: a flag sets a setting and nothing else; each stands for one key, so the file and the
//! environment can set it too. A command line that cannot be read ends like bad settings.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use secrecy::ExposeSecret as _;

use crate::config::{
    Effective, Environment, Fault, Faults, Flag, Loaded, listing, load, reference,
};
use crate::hosts::HostsQuery;
use crate::lifecycle::Exit;
use crate::output;
use crate::pause::{PauseQuery, Scope};
use crate::why::Question;

/// Books the frames of an OpenCue render farm.
#[derive(Debug, Parser)]
#[command(name = "cue-scheduler", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Command of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Book frames until a signal to stop.
    Run(Overrides),
    /// Print the effective settings, and the source of each.
    Config {
        /// Print the reference of all settings instead, as Markdown.
        #[arg(long)]
        reference: bool,
        /// The settings to print.
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Check that the database is fit for the scheduler, and change nothing.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// The settings.
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Show a running service in the terminal: its stages, queues and clusters.
    Top {
        /// Print one view as plain text and end.
        #[arg(long)]
        once: bool,
        /// The service.
        #[command(flatten)]
        whom: Whom,
    },
    /// Print hosts, caps and work of the farm as JSON, to give away and to replay; change nothing.
    Record {
        /// Keep the names of hosts, shows, tags, jobs and limits; without this they are hashed.
        #[arg(long)]
        names: bool,
        /// The settings.
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Write manual pages and shell completions into a folder.
    #[command(hide = true)]
    Manuals {
        /// The folder.
        folder: PathBuf,
    },
    /// List the hosts of a running service, with what keeps work from them, or show one host.
    Hosts {
        /// The hosts.
        #[command(flatten)]
        query: HostsQuery,
        /// The service.
        #[command(flatten)]
        whom: Whom,
    },
    /// Pause booking on all replicas until a time; what has begun is finished. Needs the token of the service
    /// (CUE_ADMIN_TOKEN).
    Pause {
        /// The pause.
        #[command(flatten)]
        query: PauseQuery,
        /// The service.
        #[command(flatten)]
        whom: Whom,
    },
    /// End a pause of booking on all replicas. Needs the token of the service (CUE_ADMIN_TOKEN).
    Resume {
        /// The work.
        #[command(flatten)]
        scope: Scope,
        /// The service.
        #[command(flatten)]
        whom: Whom,
    },
    /// Explain why a job, a layer or a frame does not run, what a show waits for, or what a host could run.
    Why {
        /// The question.
        #[command(flatten)]
        question: Question,
        /// Print JSON: the code of the reason, its facts, the expected start.
        #[arg(long)]
        json: bool,
        /// The service to ask; without it the one of the settings, and the database if that is away.
        #[arg(long, value_name = "HOST:PORT")]
        addr: Option<String>,
        /// The settings.
        #[command(flatten)]
        overrides: Overrides,
    },
}

/// A running service.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct Whom {
    /// The address of its admin server; without it, the one of the settings.
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<String>,
    /// The settings file (TOML); without it, the one that `CUE_CONFIG` names.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Whom {
    /// Address of the service. The settings may be incomplete: only this one is read.
    ///
    /// # Errors
    /// There is none, or the settings about it cannot be read.
    pub fn address(&self, environment: &Environment) -> Result<String, String> {
        match &self.addr {
            Some(addr) => Ok(addr.clone()),
            None => admin_address(&load(self.config.as_deref(), environment, &[])),
        }
    }

    /// Token of the service, from the environment or else from the settings.
    #[must_use]
    pub fn token(&self, environment: &Environment) -> Option<String> {
        let given = environment
            .get("CUE_ADMIN_TOKEN")
            .filter(|token| !token.is_empty());
        given.cloned().or_else(|| {
            let loaded = load(self.config.as_deref(), environment, &[]);
            let token = loaded.settings.ok()?.admin.token?;
            Some(token.expose_secret().to_owned())
        })
    }
}

/// Address of the admin server of these settings, even if others of them are wrong.
///
/// # Errors
/// It does not listen, or the settings about it cannot be read: another service must not be shown for it.
pub fn admin_address(loaded: &Loaded) -> Result<String, String> {
    if let Err(Faults(faults)) = &loaded.settings {
        let about_it = |fault: &&Fault| {
            matches!(
                fault,
                Fault::File { .. }
                    | Fault::Value {
                        key: "admin.addr",
                        ..
                    }
            )
        };
        if let Some(fault) = faults.iter().find(about_it) {
            return Err(format!("{fault}; or give --addr HOST:PORT"));
        }
    }
    let is_addr = |entry: &&Effective| entry.setting.key == "admin.addr";
    let entry = loaded.effective.iter().find(is_addr);
    let addr = entry.and_then(|entry| entry.value.clone());
    addr.filter(|addr| addr.parse::<SocketAddr>().is_ok())
        .ok_or_else(|| {
            "the admin server of these settings is switched off (admin.addr); give --addr HOST:PORT"
                .to_owned()
        })
}

/// Settings given on the command line.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct Overrides {
    /// The settings file (TOML); without it, the one that `CUE_CONFIG` names.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Book frames in the database without launching them.
    #[arg(long)]
    dry_run: bool,
    /// Book for this facility only.
    #[arg(long, short, value_name = "NAME")]
    facility: Option<String>,
    /// Book nothing for these tags, separated by commas.
    #[arg(long, short, value_name = "TAGS")]
    ignore_tags: Option<String>,
    /// End after this many rounds without work.
    #[arg(long, value_name = "ROUNDS")]
    exit_when_idle: Option<String>,
    /// The database.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Set any setting by its key; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    sets: Vec<(String, String)>,
}

impl Overrides {
    /// Reads the settings with these on top.
    pub fn load(&self, environment: &Environment) -> Loaded {
        load(self.config.as_deref(), environment, &self.flags())
    }

    /// The later wins, so that a flag of its own wins over `--set`.
    fn flags(&self) -> Vec<Flag> {
        let dry_run = self.dry_run.then(|| "true".to_owned());
        let named = [
            ("--dry-run", "booking.dry_run", &dry_run),
            ("--facility", "feed.facility", &self.facility),
            ("--ignore-tags", "feed.ignore_tags", &self.ignore_tags),
            (
                "--exit-when-idle",
                "feed.exit_when_idle",
                &self.exit_when_idle,
            ),
            ("--database-url", "database.url", &self.database_url),
        ];
        let named = named.into_iter();
        let named = named.filter_map(|(name, key, value)| Some((name, key, value.as_ref()?)));
        let sets = self.sets.iter();
        sets.map(|(key, value)| ("--set", key.as_str(), value))
            .chain(named)
            .map(|(name, key, value)| Flag {
                name: name.to_owned(),
                key: key.to_owned(),
                value: value.clone(),
            })
            .collect()
    }
}

/// Description of the command line.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line. Help, the version and mistakes are printed here, and end the program.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Exit> {
    Cli::try_parse_from(words)
        .map(|cli| cli.command)
        .map_err(|error| {
            // Nobody reads the message when the terminal is gone.
            let _ = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Clean,
                _ => Exit::BadSettings,
            }
        })
}

/// Prints the effective settings or the reference to `out`, and the faults to `err`.
pub fn show(
    loaded: &Loaded,
    as_reference: bool,
    out: &mut impl std::io::Write,
    err: &mut impl std::io::Write,
) -> std::io::Result<Exit> {
    if as_reference {
        output::answer(out, &reference(&loaded.effective))?;
        return Ok(Exit::Clean);
    }
    output::answer(out, &listing(&loaded.effective))?;
    match &loaded.settings {
        Ok(_) => Ok(Exit::Clean),
        Err(faults) => {
            output::answer(err, &format!("{faults}\n"))?;
            Ok(Exit::BadSettings)
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as KEY=VALUE".to_owned())
}

#[cfg(test)]
mod tests;
