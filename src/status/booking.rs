//! State of booking: outages, backoffs and accounts.

use std::net::IpAddr;
use std::time::Instant;

use cue_domain::Setback;
use cue_loops::{ActivePause, Pauses};
use serde::{Deserialize, Serialize};

use super::ms;

/// Reasons for which nothing might be booked; none, as a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// The service stops, and finishes what has begun.
    pub draining: bool,
    /// Time until the database is asked again, in milliseconds, while the database does not answer.
    pub database_retry_ms: Option<u64>,
    /// Leader of OpenCue's planner Maestro, which plans the same shows.
    pub maestro_leader: Option<Maestro>,
    /// The facility of the settings is not in the database.
    pub facility_gone: bool,
    /// Failure of every booking, or of a step that each needs.
    pub booking_failing: Option<BookingFailure>,
    /// Pauses of booking that people set.
    pub pauses: Vec<PauseState>,
}

impl Condition {
    /// The pause of everything, if there is one.
    #[must_use]
    pub fn all_paused(&self) -> Option<&PauseState> {
        self.pauses.iter().find(|pause| pause.scope == "all")
    }
}

/// A pause of booking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PauseState {
    /// `all`, `facility/NAME` or `show/NAME`.
    pub scope: String,
    /// The person who set it.
    pub by: String,
    /// The reason.
    pub reason: String,
    /// Time since it was set, in milliseconds.
    pub since_ms: u64,
    /// Time until its end, in milliseconds.
    pub remaining_ms: u64,
}

/// The pauses that hold now.
pub(crate) fn pauses_now(pauses: &Pauses) -> Vec<PauseState> {
    let now = Instant::now();
    let active = pauses.active(now).into_iter();
    let state = |active: ActivePause| PauseState {
        scope: active.pause.scope.to_string(),
        by: active.pause.by,
        reason: active.pause.reason,
        since_ms: ms(now.saturating_duration_since(active.since)),
        remaining_ms: ms(active.until.saturating_duration_since(now)),
    };
    active.map(state).collect()
}

/// Answer to a request to pause or to resume booking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PauseChange {
    /// True if a resume ended a pause, or a pause was set.
    pub changed: bool,
    /// The pauses that hold now.
    pub pauses: Vec<PauseState>,
}

/// Failure of every booking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BookingFailure {
    /// Code of the step that fails.
    pub step: String,
    /// Step and message as a sentence.
    pub reason: String,
    /// Name of the statement that failed last.
    pub statement: String,
    /// SQLSTATE, if the server answered.
    pub sqlstate: Option<String>,
    /// Seconds since the first failure in a row.
    pub seconds: u64,
    /// Failures in a row.
    pub failures: u32,
}

/// The session that leads Maestro.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maestro {
    /// `pid` in `pg_stat_activity`.
    pub session: i32,
    /// Address of its Cuebot, if the scheduler's role may see it.
    pub address: Option<IpAddr>,
}

/// Layers that back off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetAside {
    /// Number of all of them.
    pub layers: usize,
    /// Some of them.
    pub first: Vec<SetAsideLayer>,
}

/// A layer that backs off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SetAsideLayer {
    /// Its id.
    pub layer: String,
    /// Its name, as `JOB/LAYER`; empty if it waits no more.
    pub name: String,
    /// Its backoff.
    #[serde(flatten)]
    pub backoff: Backoff,
}

/// A backoff, with its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backoff {
    /// Code of the reason.
    pub reason: String,
    /// Time since the first failure of this kind in a row, in milliseconds.
    pub since_ms: u64,
    /// Time until the next attempt, in milliseconds.
    pub remaining_ms: u64,
    /// SQLSTATE of a refusal by the database.
    pub sqlstate: Option<String>,
    /// Message of a refusal by the database.
    pub message: Option<String>,
    /// Table of a row that another session holds.
    pub table: Option<String>,
    /// That session, as far as it is known.
    pub holder: Option<String>,
}

impl From<&cue_domain::backoff::Backoff> for Backoff {
    fn from(backoff: &cue_domain::backoff::Backoff) -> Self {
        let mut state = Self {
            reason: backoff.reason.code().to_owned(),
            since_ms: ms(backoff.since),
            remaining_ms: ms(backoff.remaining),
            ..Self::default()
        };
        match &backoff.reason {
            Setback::Launch | Setback::AtLimit | Setback::NoHost | Setback::NotReady => {}
            Setback::Refused { code, message } => {
                state.sqlstate = Some(code.to_string());
                state.message = Some(message.to_string());
            }
            Setback::Held { table, holder } => {
                state.table = Some(table.to_string());
                state.holder = holder.as_ref().map(ToString::to_string);
            }
        }
        state
    }
}

/// Accounts, as this replica knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
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

impl Accounts {
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
