//! Settings: what can be set, where values come from, and what is wrong with them.
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
mod environment;
mod fault;
mod feed;
mod file;
mod live;
mod logging;
mod matching;
mod reader;
mod reference;
mod rqd;
mod rules;
mod secret;
mod stages;
mod telemetry;
mod topic;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use admin::{Admin, Lifecycle};
pub use booking::Booking;
pub use database::Database;
pub use environment::Environment;
pub use fault::{Fault, Faults, Origin};
pub use feed::{Feed, Fetch, Lock};
pub use live::LiveWidths;
pub use logging::{Format, Logging};
pub use matching::{Matching, Strategy};
pub use reader::{Effective, Flag, Setting};
pub use reference::{listing, reference};
pub use rqd::Rqd;
pub use rules::Form;
pub use secret::Secret;
pub use stages::{MOST_WORKERS, Stages, Width};
pub use telemetry::{Compression, Exporter, Protocol, Sampler, Telemetry};

use reader::{Reader, Sources};

/// All settings, each checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How wide the stages are.
    pub stages: Stages,
    /// How the database is reached.
    pub database: Database,
    /// Whose turn it is.
    pub feed: Feed,
    /// How much a turn takes.
    pub fetch: Fetch,
    /// How much is locked at once.
    pub lock: Lock,
    /// How hosts are picked.
    pub matching: Matching,
    /// What a booking writes.
    pub booking: Booking,
    /// How hosts are called.
    pub rqd: Rqd,
    /// The admin server.
    pub admin: Admin,
    /// How the program ends.
    pub lifecycle: Lifecycle,
    /// What is logged.
    pub logging: Logging,
    /// Where traces go.
    pub telemetry: Telemetry,
}

/// What came of reading the settings.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings, or everything that is wrong with them.
    pub settings: Result<Settings, Faults>,
    /// Every setting with the value it has and where that came from, good or bad.
    pub effective: Vec<Effective>,
}

/// Reads the settings. The file is `file`, or else the one that `CUE_CONFIG` names.
pub fn load(file: Option<&Path>, environment: &dyn Environment, flags: &[Flag]) -> Loaded {
    let named = environment.get(reader::CONFIG).map(PathBuf::from);
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
    let settings = read(&mut reader);
    reader.refuse_unknown();
    Loaded {
        settings: match settings {
            Some(settings) if reader.faults.is_empty() => Ok(settings),
            _ => Err(Faults(reader.faults)),
        },
        effective: reader.entries,
    }
}

fn read(reader: &mut Reader<'_>) -> Option<Settings> {
    let stages = Stages::read(reader);
    let database = Database::read(reader);
    let feed = Feed::read(reader);
    let fetch = Fetch::read(reader);
    let lock = Lock::read(reader);
    let matching = Matching::read(reader);
    let booking = Booking::read(reader);
    let rqd = Rqd::read(reader);
    let admin = Admin::read(reader);
    let lifecycle = Lifecycle::read(reader);
    let logging = Logging::read(reader);
    let telemetry = Telemetry::read(reader);
    let topics = cross::Topics {
        stages: stages.as_ref(),
        database: database.as_ref(),
        lock: lock.as_ref(),
        matching: matching.as_ref(),
        rqd: rqd.as_ref(),
        telemetry: telemetry.as_ref(),
    };
    topics.check(&mut reader.faults);
    Some(Settings {
        stages: stages?,
        database: database?,
        feed: feed?,
        fetch: fetch?,
        lock: lock?,
        matching: matching?,
        booking: booking?,
        rqd: rqd?,
        admin: admin?,
        lifecycle: lifecycle?,
        logging: logging?,
        telemetry: telemetry?,
    })
}
