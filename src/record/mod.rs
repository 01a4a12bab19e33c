//! `cue-scheduler record`: a recording of the farm that can be given away and replayed (`bench replay`).
//!
//! Invariants: it changes nothing; without `--names` no name, path, command or user of the farm is in it.

mod anonymous;

use std::io::Write;

use cue_store::Store;
use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::config::wiring;
use crate::lifecycle::Exit;
use crate::output::{self, chain, complain};
use anonymous::Names;

/// Version of the format.
const VERSION: u32 = 1;

/// A farm: hosts, caps and work. Lists are in the order of their values, so equal farms give equal recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Version of the format.
    pub version: u32,
    /// Hosts.
    pub hosts: Vec<Host>,
    /// Subscriptions of active shows.
    pub subscriptions: Vec<Subscription>,
    /// Limits.
    pub limits: Vec<Limit>,
    /// Folders in which jobs are.
    pub folders: Vec<Folder>,
    /// Pending jobs that are not paused.
    pub jobs: Vec<Job>,
    /// Their layers with frames that wait or run.
    pub layers: Vec<Layer>,
}

/// A host; cores in hundredths, memory in KiB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of OpenCue's table of hosts")]
pub struct Host {
    pub name: String,
    pub allocation: String,
    pub cores: i64,
    pub memory: i64,
    pub gpus: i64,
    pub gpu_memory: i64,
    pub os: String,
    pub thread_mode: i32,
    pub lock_state: String,
    pub state: String,
    /// Tags with their kinds.
    pub tags: Vec<(String, String)>,
}

/// A subscription, in hundredths of cores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the columns of OpenCue's table of subscriptions"
)]
pub struct Subscription {
    pub show: String,
    pub allocation: String,
    pub size: i64,
    pub burst: i64,
}

/// A limit of running frames.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of OpenCue's table of limits")]
pub struct Limit {
    pub name: String,
    pub max: i32,
}

/// A folder; caps in hundredths of cores and in GPUs, -1 is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the columns of OpenCue's table of folder resources"
)]
pub struct Folder {
    pub name: String,
    pub show: String,
    pub max_cores: i32,
    pub max_gpus: i32,
}

/// A job; caps in hundredths of cores and in GPUs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of OpenCue's tables of jobs")]
pub struct Job {
    pub name: String,
    pub show: String,
    pub folder: String,
    pub os: Option<String>,
    pub priority: i32,
    pub max_cores: i32,
    pub max_gpus: i32,
}

/// A layer; cores in hundredths, memory in KiB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of OpenCue's tables of layers")]
pub struct Layer {
    pub job: String,
    pub order: i64,
    pub tags: String,
    pub cores_min: i64,
    pub cores_max: i32,
    pub memory_min: i64,
    pub gpus_min: i64,
    pub gpu_memory_min: i64,
    pub threadable: bool,
    pub waiting: i64,
    pub running: i64,
    /// Names of limits, all of which apply.
    pub limits: Vec<String>,
}

/// Failure to record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] cue_store::StoreError),
    /// A row has a value that no column of a recording takes.
    #[error("a row of the farm cannot be recorded")]
    Row(#[from] serde_json::Error),
}

/// Records the farm of these settings to `out`, with the names as they are if `plain`.
///
/// # Errors
/// `out` cannot be written to.
pub async fn run(settings: &Settings, plain: bool, out: &mut impl Write) -> std::io::Result<Exit> {
    match record(settings, plain).await {
        Ok(recording) => {
            output::answer(out, &(serde_json::to_string(&recording)? + "\n"))?;
            Ok(Exit::Clean)
        }
        Err(error) => {
            complain(format_args!(
                "the farm cannot be recorded: {}",
                chain(&error)
            ));
            Ok(Exit::FailedStart)
        }
    }
}

async fn record(settings: &Settings, plain: bool) -> Result<Recording, RecordError> {
    let mut store_settings = wiring::patient_store(settings);
    store_settings.pool = 1;
    let store = Store::connect(&store_settings, &prometheus::Registry::new()).await?;
    let facts = store.record(settings.feed.facility.as_deref()).await;
    store.close().await;
    let names = if plain { Names::Plain } else { Names::hashed() };
    Ok(Recording::new(&facts?, &names)?)
}

impl Recording {
    /// A recording of these facts, each with its kind, under other names.
    fn new(facts: &[(String, String)], names: &Names) -> serde_json::Result<Self> {
        let mut recording = Self {
            version: VERSION,
            ..Self::default()
        };
        for (kind, fact) in facts {
            match kind.as_str() {
                "host" => recording.hosts.push(serde_json::from_str(fact)?),
                "subscription" => recording.subscriptions.push(serde_json::from_str(fact)?),
                "limit" => recording.limits.push(serde_json::from_str(fact)?),
                "folder" => recording.folders.push(serde_json::from_str(fact)?),
                "job" => recording.jobs.push(serde_json::from_str(fact)?),
                _ => recording.layers.push(serde_json::from_str(fact)?),
            }
        }
        recording.rename(names);
        recording.sort();
        Ok(recording)
    }

    fn rename(&mut self, names: &Names) {
        for host in &mut self.hosts {
            names.replace("host", &mut host.name);
            names.replace("tag", &mut host.allocation);
            names.replace_each("os", ',', &mut host.os);
            host.tags
                .iter_mut()
                .for_each(|(tag, _)| names.replace("tag", tag));
        }
        for subscription in &mut self.subscriptions {
            names.replace("show", &mut subscription.show);
            names.replace("tag", &mut subscription.allocation);
        }
        for limit in &mut self.limits {
            names.replace("limit", &mut limit.name);
        }
        for folder in &mut self.folders {
            names.replace("folder", &mut folder.name);
            names.replace("show", &mut folder.show);
        }
        for job in &mut self.jobs {
            names.replace("job", &mut job.name);
            names.replace("show", &mut job.show);
            names.replace("folder", &mut job.folder);
            job.os.iter_mut().for_each(|os| names.replace("os", os));
        }
        for layer in &mut self.layers {
            names.replace("job", &mut layer.job);
            names.replace_each("tag", '|', &mut layer.tags);
            layer
                .limits
                .iter_mut()
                .for_each(|limit| names.replace("limit", limit));
        }
    }

    fn sort(&mut self) {
        self.hosts.iter_mut().for_each(|host| host.tags.sort());
        self.layers.iter_mut().for_each(|layer| layer.limits.sort());
        self.hosts.sort();
        self.subscriptions.sort();
        self.limits.sort();
        self.folders.sort();
        self.jobs.sort();
        self.layers.sort();
    }
}
