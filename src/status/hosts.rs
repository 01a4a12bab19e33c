//! Hosts of the farm, as `/hosts`, `/map` and the command `hosts` have them.
//!
//! Invariants: cores are in centicores and memory in KiB; a host has one state, the first of the list that is true.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Backoff;

/// State of a host. The first that is true counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// It is not UP: down, in repair or rebooting.
    Down,
    /// It is locked, by an operator or by its user.
    Locked,
    /// It has not reported for too long.
    Silent,
    /// Its user has lent it to a job.
    Lent,
    /// It failed launches, and nothing is tried on it for a while.
    BackingOff,
    /// It is kept for a layer that fits nowhere yet.
    Reserved,
    /// Not a whole core is idle.
    Full,
    /// A part of it is in use.
    InUse,
    /// Nothing of it is in use.
    #[default]
    Idle,
}

impl HostState {
    /// Every state, in order.
    pub const ALL: [Self; 9] = [
        Self::Down,
        Self::Locked,
        Self::Silent,
        Self::Lent,
        Self::BackingOff,
        Self::Reserved,
        Self::Full,
        Self::InUse,
        Self::Idle,
    ];

    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Locked => "locked",
            Self::Silent => "silent",
            Self::Lent => "lent",
            Self::BackingOff => "backing_off",
            Self::Reserved => "reserved",
            Self::Full => "full",
            Self::InUse => "in_use",
            Self::Idle => "idle",
        }
    }

    /// Its letter on the map.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Down => 'd',
            Self::Locked => 'l',
            Self::Silent => 's',
            Self::Lent => 'u',
            Self::BackingOff => 'b',
            Self::Reserved => 'r',
            Self::Full => 'f',
            Self::InUse => 'p',
            Self::Idle => 'i',
        }
    }
}

/// Used and total amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Use {
    /// In use, or withheld.
    pub used: i64,
    /// In all.
    pub total: i64,
}

impl Use {
    /// The part that is in use, 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        (self.used as f64 / self.total.max(1) as f64).clamp(0.0, 1.0)
    }
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostRow {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its allocation, or the id of that while the name is not known.
    pub allocation: String,
    /// Its state.
    pub state: HostState,
    /// The state in words of the database, where that closes the host.
    pub closed: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its operating systems.
    pub os: Vec<String>,
    /// Cores, in centicores.
    pub cores: Use,
    /// Memory, in KiB.
    pub memory: Use,
    /// GPUs.
    pub gpus: Use,
    /// True while a batch has it.
    pub with_batch: bool,
    /// Layer that it is kept for.
    pub reserved: Option<ReservedFor>,
    /// Its backoff, with the reason.
    pub backoff: Option<Backoff>,
    /// Cores that its row promises and that it did not have.
    pub missing: Option<MissingCores>,
    /// Launches on it whose outcome is unknown, about which this replica asks it.
    pub unresolved: usize,
    /// Time since its last report in seconds, if it may not be booked.
    pub silent_seconds: Option<u64>,
}

/// Owner of a reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReservedFor {
    /// Id of the layer.
    pub layer: String,
    /// Its name, as `JOB/LAYER`; empty if it waits no more.
    pub name: String,
    /// Time until a frame of it is expected to fit, in milliseconds.
    pub ready_in_ms: u64,
}

/// Cores that are withheld because the host refused launches for lack of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MissingCores {
    /// In centicores.
    pub centicores: i64,
    /// Time until they are tried again, in milliseconds.
    pub remaining_ms: u64,
}

/// A page of hosts, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostList {
    /// Hosts that the filter admits, on this page or not.
    pub matching: u64,
    /// Their numbers by state.
    pub states: BTreeMap<HostState, u64>,
    /// Their cores, in centicores.
    pub cores: Use,
    /// Hosts of the page.
    pub hosts: Vec<HostRow>,
    /// Value of `after` for the next page, if there is one.
    pub next: Option<String>,
}

/// A map of hosts: a few characters for each, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostMap {
    /// Fingerprint of the names.
    pub version: String,
    /// Names of the hosts; none if the asker knows this version.
    pub names: Option<Vec<String>>,
    /// Three characters for each host: the letter of its state, and the used parts of its cores and memory from 0 to z
    /// in 36 steps.
    pub cells: String,
    /// Numbers of hosts by state.
    pub states: BTreeMap<HostState, u64>,
    /// Names of the allocations of the farm.
    pub allocations: Vec<String>,
}

/// A host with what runs on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostDetail {
    /// The host.
    #[serde(flatten)]
    pub host: HostRow,
    /// Frames that run on it, the oldest first; none if the database did not answer.
    pub running: Option<Vec<RunningOn>>,
    /// The last launches that failed on it, the newest first, as this replica saw them.
    pub refusals: Vec<String>,
}

/// A frame that runs on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningOn {
    /// Name of its show.
    pub show: String,
    /// Name of its job.
    pub job: String,
    /// Name of its layer.
    pub layer: String,
    /// Its name.
    pub frame: String,
    /// Cores, in centicores.
    pub centicores: i64,
    /// Memory that is reserved, in KiB.
    pub memory_kib: i64,
    /// Memory that it was last seen to use, in KiB.
    pub used_kib: i64,
    /// GPUs.
    pub gpus: i64,
    /// Time since its start, in milliseconds.
    pub elapsed_ms: u64,
    /// True if the host sends reports and none of the last 90 s names it.
    pub unreported: bool,
}

/// Answer to a request to forgive a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgiven {
    /// Name of the host.
    pub host: String,
    /// True if something backed off.
    pub forgiven: bool,
}
