//! The command line.
//!
//! Invariant: a flag sets a setting and nothing else; each stands for one key, so what a flag can say
//! the file and the environment can say too. A command line that cannot be read ends like bad
//! settings.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};

use crate::check;
use crate::config::{
    Effective, Environment, Fault, Faults, Flag, Loaded, listing, load, reference,
};
use crate::lifecycle::Exit;

/// Books the frames of an OpenCue render farm.
#[derive(Debug, Parser)]
#[command(name = "cue-scheduler", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What the program is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Book frames until told to stop.
    Run(Overrides),
    /// Print the effective settings and where each came from.
    Config {
        /// Print the reference of all settings instead, as Markdown.
        #[arg(long)]
        reference: bool,
        /// The settings to print.
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Look whether the database is fit for the scheduler, and change nothing.
    Check {
        /// How it is told.
        #[command(flatten)]
        form: check::Form,
        /// The settings.
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Show a running service in the terminal: its stages, queues and clusters.
    Top {
        /// Print one view as plain text and end.
        #[arg(long)]
        once: bool,
        /// The service to look at.
        #[command(flatten)]
        whom: Whom,
    },
    /// Say why a job, a layer or a frame does not run.
    Why {
        /// Its id, or its name: JOB, JOB/LAYER or JOB/FRAME.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        what: String,
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
    /// Its address. The settings may be incomplete: only this one is read.
    ///
    /// # Errors
    /// There is none, or what the settings say about it cannot be read.
    pub fn address(&self, environment: &dyn Environment) -> Result<String, String> {
        match &self.addr {
            Some(addr) => Ok(addr.clone()),
            None => admin_address(&load(self.config.as_deref(), environment, &[])),
        }
    }
}

/// Where the admin server of these settings listens, even if others of them are wrong.
///
/// # Errors
/// It does not listen, or the settings about it cannot be read: another service must not be shown for it.
pub fn admin_address(loaded: &Loaded) -> Result<String, String> {
    if let Err(Faults(faults)) = &loaded.settings {
        let about_it = |fault: &&Fault| match fault {
            Fault::File { .. } => true,
            Fault::Value { key, .. } => *key == "admin.addr",
            _ => false,
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
    pub fn load(&self, environment: &dyn Environment) -> Loaded {
        load(self.config.as_deref(), environment, &self.flags())
    }

    /// The later wins, so that a flag of its own wins over `--set`.
    fn flags(&self) -> Vec<Flag> {
        let named = [
            (
                "--dry-run",
                "booking.dry_run",
                self.dry_run.then_some("true"),
            ),
            ("--facility", "feed.facility", self.facility.as_deref()),
            (
                "--ignore-tags",
                "feed.ignore_tags",
                self.ignore_tags.as_deref(),
            ),
            (
                "--exit-when-idle",
                "feed.exit_when_idle",
                self.exit_when_idle.as_deref(),
            ),
            (
                "--database-url",
                "database.url",
                self.database_url.as_deref(),
            ),
        ];
        let sets = self
            .sets
            .iter()
            .map(|(key, value)| ("--set", key.as_str(), value.as_str()));
        let named = named
            .into_iter()
            .filter_map(|(name, key, value)| Some((name, key, value?)));
        sets.chain(named)
            .map(|(name, key, value)| Flag {
                name: name.to_owned(),
                key: key.to_owned(),
                value: value.to_owned(),
            })
            .collect()
    }
}

/// Reads the command line. Help, the version and mistakes are printed here, and end the program.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Exit> {
    Cli::try_parse_from(words)
        .map(|cli| cli.command)
        .map_err(|error| {
            // There is nobody left to tell when the terminal is gone.
            let _ = error.print();
            match error.kind() {
                clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => {
                    Exit::Clean
                }
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
        out.write_all(reference(&loaded.effective).as_bytes())?;
        return Ok(Exit::Clean);
    }
    out.write_all(listing(&loaded.effective).as_bytes())?;
    match &loaded.settings {
        Ok(_) => Ok(Exit::Clean),
        Err(faults) => {
            writeln!(err, "{faults}")?;
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn overrides(line: &str) -> Overrides {
        match parse(words(line)).unwrap() {
            Command::Run(overrides) | Command::Config { overrides, .. } => overrides,
            other => panic!("{other:?} has no overrides"),
        }
    }

    fn shown(line: &str, as_reference: bool) -> (Exit, String, String) {
        let loaded = overrides(line).load(&BTreeMap::new());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = show(&loaded, as_reference, &mut out, &mut err).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (exit, text(out), text(err))
    }

    #[test]
    fn flags_become_settings() {
        let line = "cue-scheduler run --dry-run -f local --ignore-tags a,b --exit-when-idle 3 \
                    --database-url postgres://h/d --set rqd.port=1 --set feed.facility=other";
        let settings = overrides(line).load(&BTreeMap::new()).settings.unwrap();
        assert!(settings.booking.dry_run);
        assert_eq!(settings.feed.facility.as_deref(), Some("local"));
        assert_eq!(settings.feed.ignore_tags, ["a", "b"]);
        assert_eq!(settings.feed.exit_when_idle.unwrap().get(), 3);
        assert_eq!(settings.rqd.port, 1);
    }

    #[test]
    fn the_service_to_look_at_is_named_or_that_of_the_settings() {
        let address = |line: &str| {
            let environment =
                BTreeMap::from([("CUE_ADMIN_ADDR".to_owned(), "127.0.0.1:7".to_owned())]);
            match parse(words(line)).unwrap() {
                Command::Top { whom, .. } => whom.address(&environment),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            address("cue-scheduler top --addr farm:9090").unwrap(),
            "farm:9090"
        );
        assert_eq!(address("cue-scheduler top --once").unwrap(), "127.0.0.1:7");
        let unread = address("cue-scheduler top --config /nowhere.toml").unwrap_err();
        assert!(
            unread.starts_with("settings file /nowhere.toml: "),
            "{unread}"
        );
        let flag = Flag {
            name: "--set".to_owned(),
            key: "admin.addr".to_owned(),
            value: "off".to_owned(),
        };
        let off = load(None, &BTreeMap::new(), &[flag]);
        let off = admin_address(&off).unwrap_err();
        assert!(off.contains("switched off"), "{off}");
    }

    #[test]
    fn a_bad_command_line_ends_like_bad_settings_and_help_does_not() {
        for bad in [
            "cue-scheduler",
            "cue-scheduler walk",
            "cue-scheduler run --fast",
            "cue-scheduler run --set rqd.port",
            "cue-scheduler why ",
        ] {
            assert_eq!(parse(words(bad)).unwrap_err(), Exit::BadSettings, "{bad}");
        }
        for good in ["cue-scheduler --help", "cue-scheduler --version"] {
            assert_eq!(parse(words(good)).unwrap_err(), Exit::Clean, "{good}");
        }
    }

    #[test]
    fn config_prints_the_settings_even_when_some_are_bad() {
        let (exit, out, err) = shown("cue-scheduler config --set rqd.port=0", false);
        assert_eq!(exit, Exit::BadSettings);
        assert!(out.contains("rqd.port = 0 "), "{out}");
        assert!(out.contains("# flag --set"), "{out}");
        assert!(err.starts_with("2 faults"), "{err}");
    }

    #[test]
    fn the_reference_needs_no_good_settings() {
        let (exit, out, err) = shown("cue-scheduler config", true);
        assert_eq!((exit, err.as_str()), (Exit::Clean, ""));
        assert!(
            out.contains("| `rqd.port` | `CUE_RQD_PORT` | `8444` |"),
            "{out}"
        );
    }
}
