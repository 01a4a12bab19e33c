//! Settings: their declarations, the sources of their values, and their faults.
//!
//! A value comes from the default, the TOML file, the environment or a flag; the later wins. Every
//! setting has one dotted key and one environment variable, and is declared once, in the file of its
//! topic.
//!
//! Invariant: a [`Settings`] that exists is free of faults. All faults are found in one pass, and the
//! program does not start with any of them.

mod admin;
mod booking;
mod cross;
mod database;
mod fault;
mod feed;
mod file;
mod live;
mod logging;
mod matching;
mod metrics;
mod names;
mod otlp;
mod policy;
mod reader;
mod reference;
mod rqd;
mod rules;
mod settings;
mod stages;
mod telemetry;
mod topic;
pub mod wiring;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use admin::{Admin, Lifecycle};
pub use booking::Booking;
pub use database::Database;
pub use fault::{Fault, Faults, Origin};
pub use feed::{Feed, Fetch, Lock};
pub use live::LiveWidths;
pub use logging::{Format, Logging};
pub use matching::{Matching, Strategy};
pub use metrics::MetricsExport;
pub use otlp::{Compression, Exporter, Otlp, Protocol};
pub use policy::Policy;
pub use reader::{Effective, Environment, Flag, Setting};
pub use reference::{listing, reference};
pub use rqd::Rqd;
pub use rules::Form;
pub use settings::Settings;
pub use stages::{MOST_WORKERS, Stages};
pub use telemetry::{Sampler, Telemetry};

use reader::{Reader, Sources};

/// Result of reading the settings.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, or all their faults.
    pub settings: Result<Settings, Faults>,
    /// Every setting with its value, good or bad, and the source of the value.
    pub effective: Vec<Effective>,
}

/// Reads the settings. The file is `file`, or else the one that `CUE_CONFIG` names.
pub fn load(file: Option<&Path>, environment: &Environment, flags: &[Flag]) -> Loaded {
    let named = reader::variable(environment, names::CONFIG).map(PathBuf::from);
    let path = file.map(Path::to_path_buf).or(named);
    let mut faults = Vec::new();
    let values = path
        .as_ref()
        .map_or_else(BTreeMap::new, |path| file::read(path, &mut faults));
    let sources = Sources {
        file: values,
        path: path.map_or_else(String::new, |path| path.display().to_string()),
        environment,
        flags,
    };
    let mut reader = Reader::new(sources, faults);
    let settings = Settings::read(&mut reader);
    if let Some(settings) = &settings {
        cross::check(settings, &mut reader.faults);
    }
    reader.refuse_unknown();
    Loaded {
        settings: match settings {
            Some(settings) if reader.faults.is_empty() => Ok(settings),
            _ => Err(Faults(reader.faults)),
        },
        effective: reader.entries,
    }
}
