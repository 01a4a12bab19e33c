//! What a sample holds. The page reads it as JSON, the terminal view as these types.
//!
//! Invariant: rates and quantiles are of the last few seconds, never since the start, so that what
//! is shown is what happens now.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Verdict;

/// How the service stands now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The version of the program.
    pub version: String,
    /// The name of this process among the replicas.
    pub replica: String,
    /// Seconds since the server was started.
    pub uptime_seconds: u64,
    /// Whether frames are booked without being launched.
    pub dry_run: bool,
    /// What keeps it from working as it should.
    pub condition: Condition,
    /// Whether workers and log filter can be changed, with the token.
    pub changeable: bool,
    /// What holds the pipeline up, in a sentence.
    pub verdict: Verdict,
    /// Every part of the pipeline, in the order of the flow, then the side loops.
    pub stages: Vec<StageLine>,
    /// The clusters, those with something going on first.
    pub clusters: Clusters,
    /// The schedulers that are connected to the database; none while it does not answer.
    #[serde(default)]
    pub replicas: Vec<ReplicaLine>,
    /// The accounts, where something keeps them.
    #[serde(default)]
    pub accounts: Option<AccountsLine>,
    /// The hosts, where there is an index of them.
    pub hosts: Option<HostsLine>,
    /// Placements refused at booking, by cap.
    pub refused: Vec<Count>,
    /// What each cap refused last, with the numbers that were compared, and how long ago.
    #[serde(default)]
    pub last_refusals: BTreeMap<String, String>,
    /// Launch calls, by outcome.
    pub launches: Vec<Count>,
    /// Frames booked.
    pub frames: Count,
    /// Statements sent to the database.
    pub statements: Count,
}

/// What keeps the service from working as it should; nothing, as a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// It has been told to stop, and finishes what has begun.
    pub draining: bool,
    /// The database does not answer, and is asked again in this many milliseconds.
    pub database_retry_ms: Option<u64>,
    /// OpenCue's planner Maestro has a leader, which plans the same shows.
    pub maestro_leader: Option<MaestroLine>,
    /// The facility that is served is not in the database.
    pub facility_gone: bool,
}

/// The session that leads Maestro.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaestroLine {
    /// Its number: `pid` in `pg_stat_activity`.
    pub session: i32,
    /// Address of its Cuebot, if the scheduler's role may see it.
    pub address: Option<IpAddr>,
}

/// A counter and how fast it grows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// The label; empty for a sum over all of them.
    pub name: String,
    /// What the label stands for.
    #[serde(default)]
    pub words: String,
    /// Since the start.
    pub total: u64,
    /// A second, over the last few.
    pub per_second: f64,
}

/// How a stage stands, seen from the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has nothing to do.
    #[default]
    Idle,
    /// It works and keeps up.
    Working,
    /// Its queue is full because a later stage is the bottleneck.
    HeldUp,
    /// The others wait for it.
    Bottleneck,
}

/// A stage, a source or a side loop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StageLine {
    /// Its name.
    pub name: String,
    /// `source`, `stage`, `batch`, `cpu` or `tick`.
    pub kind: String,
    /// Workers it is to have.
    pub workers: u64,
    /// Workers that have something in hand.
    pub busy: u64,
    /// The queue before it.
    pub queue: Queue,
    /// Items it is done with, since the start.
    pub items: StageItems,
    /// How it stands.
    pub standing: Standing,
    /// Items a second, over the last few.
    pub per_second: f64,
    /// Share of its workers that were busy over the last few seconds, 0 to 1.
    pub busy_share: f64,
    /// Share of its queue that was full over the last few seconds, 0 to 1.
    pub queue_share: f64,
    /// How long items were queued, in milliseconds.
    pub wait_ms: Times,
    /// How long passes took, in milliseconds, without waiting to send.
    pub run_ms: Times,
}

/// A queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Items in it.
    pub depth: u64,
    /// Places in it.
    pub capacity: u64,
}

/// Items by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageItems {
    /// Handled.
    pub done: u64,
    /// Nothing to do.
    pub skip: u64,
    /// Failed for now.
    pub retry: u64,
    /// Failed for good.
    pub fatal: u64,
    /// Lost to a panic.
    pub panic: u64,
}

/// Two quantiles of the last few seconds, in milliseconds; none when there was nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The median.
    pub p50: Option<f64>,
    /// 99 % were at most this.
    pub p99: Option<f64>,
}

/// The clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// How many there are.
    pub total: usize,
    /// How many have work, or had some lately. The others sleep.
    pub awake: usize,
    /// Of those that are awake the ones with the most going on, in the order of their next turns.
    pub shown: Vec<ClusterLine>,
    /// Of those that sleep the first ones, by name.
    pub asleep: Vec<ClusterLine>,
}

impl Clusters {
    /// How many sleep.
    #[must_use]
    pub const fn sleeping(&self) -> usize {
        self.total.saturating_sub(self.awake)
    }
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterLine {
    /// Facility, show, and tags.
    pub name: String,
    /// `running`, `waiting`, or `asleep` when there is no work for it.
    pub turn: String,
    /// How long until its next turn, in milliseconds; none unless it waits.
    pub due_in_ms: Option<u64>,
    /// What its last turn came to.
    pub last: Option<LastTurn>,
}

impl ClusterLine {
    /// Where it stands in the order of the next turns: whole seconds until then. A cluster that is
    /// busy runs and waits by turns many times a second; to keep its place it counts as due at once.
    #[must_use]
    pub fn next_turn(&self) -> u64 {
        match (&*self.turn, self.due_in_ms) {
            ("running", _) => 0,
            ("waiting", due) => due.unwrap_or_default() / 1000,
            _ => u64::MAX,
        }
    }
}

/// What a turn came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastTurn {
    /// Why it ended.
    pub reason: String,
    /// Jobs it found.
    pub jobs: u64,
    /// Layers in them.
    pub layers: u64,
    /// Frames it found hosts for.
    pub placed: u64,
    /// Frames it booked.
    pub booked: u64,
    /// Frames that were launched.
    pub launched: u64,
    /// Placements a cap refused.
    pub refused: u64,
}

/// A scheduler that is connected to the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaLine {
    /// Its name.
    pub name: String,
    /// Its connections.
    pub connections: u64,
    /// Whether it is the one that tells this.
    pub this: bool,
}

/// The accounts, as this replica knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountsLine {
    /// Age of the last comparison with the procs, in milliseconds; none if there was none yet.
    pub checked_ms_ago: Option<u64>,
    /// Name of the replica that made the comparison.
    pub by: String,
    /// True if that is this replica.
    pub this: bool,
    /// Counters that differed at the last comparison; 0 if another replica made it.
    pub differing: u64,
    /// Counters that this replica has corrected since its start.
    pub corrected: u64,
}

impl AccountsLine {
    /// Age from which the accounts count as unchecked, in milliseconds.
    const LATE_MS: u64 = 60_000;

    /// Returns true if no replica has compared the accounts for a minute, as far as a replica knows
    /// that runs for `uptime_seconds`.
    #[must_use]
    pub fn late(&self, uptime_seconds: u64) -> bool {
        let uptime_ms = uptime_seconds.saturating_mul(1_000);
        self.checked_ms_ago.unwrap_or(uptime_ms) >= Self::LATE_MS
    }
}

/// The hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostsLine {
    /// How many are known.
    pub known: u64,
    /// How many are on loan to a batch.
    pub leased: u64,
    /// Idle cores, in centicores.
    pub idle_centicores: i64,
    /// All cores, in centicores.
    pub total_centicores: i64,
}
