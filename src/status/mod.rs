//! State of the service, as `/status`, the events of the live page and `top` have it.
//!
//! Invariants: a field keeps its name and its unit. Rates, shares and times are of the last few seconds, totals
//! are since the start. A field that another version does not send has its default.

mod booking;
mod farm;
mod hosts;
mod pipeline;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use booking::pauses_now;
pub use booking::{
    Accounts, Backoff, BookingFailure, Condition, Maestro, PauseChange, PauseState, SetAside,
    SetAsideLayer,
};
pub use farm::{OldestWait, Show, Stranded, WaitingBy, of_view};
pub use hosts::{
    Forgiven, HostDetail, HostList, HostMap, HostRow, HostState, MissingCores, ReservedFor,
    RunningOn, Use,
};
pub use pipeline::{Cluster, Items, LastTurn, Queue, Stage, Standing, Times, Turn, stages};

/// Reads the state now, without rates and verdict. It must not block.
pub type StatusReader = Arc<dyn Fn() -> Status + Send + Sync>;

/// State of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Name of this process among the replicas.
    pub replica: String,
    /// Seconds since the pipeline was started.
    pub uptime_seconds: u64,
    /// True if frames are booked without being launched.
    pub dry_run: bool,
    /// True if workers and log filter can be changed, with the token.
    pub changeable: bool,
    /// Filter of the log.
    pub log_filter: String,
    /// Reasons for which nothing might be booked.
    pub condition: Condition,
    /// Stage that holds the pipeline up, in a sentence.
    pub verdict: Verdict,
    /// Parts of the pipeline in the order of the flow, then the side loops.
    pub stages: Vec<Stage>,
    /// Number of clusters that have work.
    pub cluster_count: usize,
    /// Clusters that have work: all of them at `/status`, a bounded number on the page and in `top`.
    pub clusters: Vec<Cluster>,
    /// Shows with waiting frames or cores in use, by facility and name.
    pub shows: Vec<Show>,
    /// Idle cores that no frame waiting for their hosts can use, by facility and cause.
    pub stranded: Vec<Stranded>,
    /// Schedulers connected to the database; none while the database does not answer.
    pub replicas: Vec<Replica>,
    /// Accounts, where a loop keeps them.
    pub accounts: Option<Accounts>,
    /// Work that no host could serve.
    pub unserved: Unserved,
    /// Hosts, where there is an index of them.
    pub hosts: Option<Hosts>,
    /// Placements refused at booking, by cap.
    pub refused: Vec<Count>,
    /// The last refusal of each cap, with the numbers that were compared, and its age.
    pub last_refusals: BTreeMap<String, String>,
    /// Layers that back off.
    pub set_aside: SetAside,
    /// Launch calls, by outcome.
    pub launches: Vec<Count>,
    /// Frames booked.
    pub frames: Count,
    /// Statements sent to the database.
    pub statements: Count,
}

/// Cause of a slow pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// The stage that the others wait for, if there is one.
    pub bottleneck: Option<String>,
    /// The cause in one sentence, or two.
    pub sentence: String,
}

/// A counter and its growth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// The label; empty for a sum over all labels.
    pub name: String,
    /// Meaning of the label.
    pub words: String,
    /// Since the start.
    pub total: u64,
    /// Growth a second.
    pub per_second: f64,
}

/// A scheduler that is connected to the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replica {
    /// Name.
    pub name: String,
    /// Connections.
    pub connections: u64,
    /// True for the one that sends this.
    pub this: bool,
}

/// Waiting layers that no host could serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unserved {
    /// Layers.
    pub layers: u64,
    /// Waiting frames in them.
    pub frames: u64,
    /// Some of them, with their tags.
    pub examples: Vec<String>,
}

/// Hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hosts {
    /// Hosts in the index.
    pub known: u64,
    /// Hosts on loan to a batch.
    pub leased: u64,
    /// Idle cores, in centicores.
    pub idle_centicores: i64,
    /// All cores, in centicores.
    pub total_centicores: i64,
}

/// Body of an answer that is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error as a sentence.
    pub error: String,
}

/// A time in whole milliseconds.
pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
