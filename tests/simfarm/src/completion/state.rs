//! Next state of a frame whose run has ended (OPENCUE.md, Completion).
//!
//! Invariant: pure. The first rule that matches decides. The statuses that delay a layer are left
//! out: Cuebot's list of them is empty unless a farm fills it.

use std::fmt;
use std::time::Duration;

/// Status and signal of a failed launch.
const FAILED_LAUNCH: i32 = 256;
/// Status that asks for another run without any count.
const SKIP_RETRY: i32 = 286;
/// Signal with the meaning of [`SKIP_RETRY`].
const SKIP_RETRY_SIGNAL: i32 = 119;
/// Killed for memory: Cuebot's status, and RQD's signal.
const MEMORY_FAILURE: i32 = 33;
/// Killed for memory inside a container.
const CONTAINER_MEMORY_FAILURE: i32 = 137;
/// The signal with which NIMBY ends a render.
const TERMINATED: i32 = 15;
/// A frame that fails after this long is not tried again.
const NO_RETRY_AFTER: Duration = Duration::from_secs(43_200);

/// The states of a frame (`frame.str_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameState {
    /// To be run.
    Waiting,
    /// Not activated yet.
    Setup,
    /// Running on a host.
    Running,
    /// Ended well.
    Succeeded,
    /// Waits for other frames.
    Depend,
    /// Failed for good.
    Dead,
    /// Given up by an operator, or by the job's wish.
    Eaten,
    /// Stopped with something to go on from.
    Checkpoint,
}

impl FrameState {
    /// All states, in the order of their protocol numbers.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Setup,
        Self::Running,
        Self::Succeeded,
        Self::Depend,
        Self::Dead,
        Self::Eaten,
        Self::Checkpoint,
    ];

    /// The text of `frame.str_state`.
    #[must_use]
    pub const fn as_db(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Setup => "SETUP",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Depend => "DEPEND",
            Self::Dead => "DEAD",
            Self::Eaten => "EATEN",
            Self::Checkpoint => "CHECKPOINT",
        }
    }

    /// Reads `frame.str_state`; `None` for a text that is no state.
    #[must_use]
    pub fn from_db(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_db() == text)
    }
}

impl fmt::Display for FrameState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_db())
    }
}

/// All that the decision depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StopFacts {
    /// The state of the frame when the report comes in.
    pub state: FrameState,
    /// The status RQD reports.
    pub exit_status: i32,
    /// The signal RQD reports, 0 if none.
    pub exit_signal: i32,
    /// `frame.int_exit_status` before the report: 33 when Cuebot killed it for memory.
    pub stored_exit_status: i64,
    /// `frame.int_retries`.
    pub retries: i64,
    /// `job.int_max_retries`.
    pub max_retries: i64,
    /// `job.b_autoeat`.
    pub autoeat: bool,
    /// True if the host was locked by NIMBY.
    pub nimby_locked: bool,
    /// Time for which it ran.
    pub run_time: Duration,
    /// `layer.int_timeout` in minutes, 0 if none.
    pub timeout_min: i32,
    /// `layer.int_timeout_llu` in minutes, 0 if none.
    pub timeout_llu_min: i32,
    /// Minutes since the frame last wrote to its log, when that is known.
    pub minutes_since_log: Option<f64>,
}

impl StopFacts {
    /// Returns true if the frame was killed for the memory it took.
    #[must_use]
    pub fn is_memory_failure(&self) -> bool {
        self.exit_signal == MEMORY_FAILURE
            || self.stored_exit_status == i64::from(MEMORY_FAILURE)
            || matches!(self.exit_status, MEMORY_FAILURE | CONTAINER_MEMORY_FAILURE)
    }

    fn log_timed_out(&self) -> bool {
        let limit = f64::from(self.timeout_llu_min) - 1.0;
        self.timeout_llu_min > 0
            && self
                .minutes_since_log
                .is_some_and(|minutes| minutes > limit)
    }

    fn timed_out(&self) -> bool {
        let limit = u64::try_from(self.timeout_min)
            .unwrap_or(0)
            .saturating_mul(60);
        limit > 0 && self.run_time > Duration::from_secs(limit)
    }
}

/// The state the frame goes to.
#[must_use]
pub fn next_state(facts: &StopFacts) -> FrameState {
    match facts.state {
        FrameState::Waiting | FrameState::Eaten => return facts.state,
        FrameState::Dead if facts.autoeat => return FrameState::Eaten,
        FrameState::Dead => return FrameState::Depend,
        _ => {}
    }
    let (status, signal) = (facts.exit_status, facts.exit_signal);
    let launch_failed = status == FAILED_LAUNCH || signal == FAILED_LAUNCH;
    if status == 0 {
        FrameState::Succeeded
    } else if status == SKIP_RETRY
        || (signal == SKIP_RETRY_SIGNAL && facts.max_retries != 0)
        || (launch_failed && facts.retries < facts.max_retries)
        || (facts.nimby_locked && signal == TERMINATED)
    {
        FrameState::Waiting
    } else if facts.autoeat {
        FrameState::Eaten
    } else if facts.log_timed_out()
        || facts.timed_out()
        || facts.run_time > NO_RETRY_AFTER
        || (facts.retries >= facts.max_retries && !facts.is_memory_failure())
    {
        FrameState::Dead
    } else {
        FrameState::Waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that failed with status 1 and has retries left.
    const FAILED: StopFacts = StopFacts {
        state: FrameState::Running,
        exit_status: 1,
        exit_signal: 0,
        stored_exit_status: -1,
        retries: 0,
        max_retries: 3,
        autoeat: false,
        nimby_locked: false,
        run_time: Duration::from_secs(60),
        timeout_min: 0,
        timeout_llu_min: 0,
        minutes_since_log: None,
    };
    /// The same with no retries left.
    const SPENT: StopFacts = StopFacts {
        retries: 3,
        ..FAILED
    };

    /// Rows of a table: a base with some fields changed, and the state that must follow.
    macro_rules! leads_to {
        ($($name:literal: $base:ident { $($field:ident: $value:expr),* } => $state:ident,)*) => {
            $({
                let facts = StopFacts { $($field: $value,)* ..$base };
                assert_eq!(next_state(&facts), FrameState::$state, $name);
            })*
        };
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        use FrameState::{Dead, Eaten, Waiting};
        let hours_12 = NO_RETRY_AFTER + Duration::from_secs(1);
        let second_61 = Duration::from_secs(61);
        leads_to! {
            "waiting stays": FAILED { state: Waiting, exit_status: 0 } => Waiting,
            "eaten stays": FAILED { state: Eaten, exit_status: 0 } => Eaten,
            "dead of autoeat": FAILED { state: Dead, autoeat: true } => Eaten,
            "dead": FAILED { state: Dead, exit_status: 0 } => Depend,
            "success": FAILED { exit_status: 0 } => Succeeded,
            "success after 12 h": SPENT { exit_status: 0, run_time: hours_12 } => Succeeded,
            "success beats autoeat": FAILED { exit_status: 0, autoeat: true } => Succeeded,
            "skip retry": SPENT { exit_status: 286 } => Waiting,
            "skip retry beats autoeat": SPENT { exit_status: 286, autoeat: true } => Waiting,
            "signal 119": SPENT { exit_signal: 119 } => Waiting,
            "signal 119, no retries ever": FAILED { exit_signal: 119, max_retries: 0 } => Dead,
            "failed launch": FAILED { exit_status: 256, autoeat: true } => Waiting,
            "failed launch by signal": FAILED { exit_signal: 256, autoeat: true } => Waiting,
            "failed launch, spent": SPENT { exit_status: 256 } => Dead,
            "nimby": SPENT { nimby_locked: true, exit_signal: 15, autoeat: true } => Waiting,
            "signal 15 alone": SPENT { exit_signal: 15 } => Dead,
            "nimby, another signal": SPENT { nimby_locked: true, exit_signal: 9 } => Dead,
            "autoeat": FAILED { autoeat: true } => Eaten,
            "silent log": FAILED { timeout_llu_min: 10, minutes_since_log: Some(9.5) } => Dead,
            "fresh log": FAILED { timeout_llu_min: 10, minutes_since_log: Some(8.5) } => Waiting,
            "unknown log": FAILED { timeout_llu_min: 10 } => Waiting,
            "too long": FAILED { timeout_min: 1, run_time: second_61 } => Dead,
            "just in time": FAILED { timeout_min: 1 } => Waiting,
            "12 hours": FAILED { run_time: hours_12 } => Dead,
            "spent": SPENT {} => Dead,
            "memory, spent": SPENT { exit_signal: 33 } => Waiting,
            "memory in a container, spent": SPENT { exit_status: 137 } => Waiting,
            "marked for memory, spent": SPENT { stored_exit_status: 33 } => Waiting,
            "retries left": FAILED {} => Waiting,
        }
    }

    #[test]
    fn every_state_is_read_back_from_its_text() {
        for state in FrameState::ALL {
            assert_eq!(FrameState::from_db(state.as_db()), Some(state));
        }
        assert_eq!(FrameState::from_db("running"), None);
    }
}
