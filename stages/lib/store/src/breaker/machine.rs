//! The states of the breaker, and what moves it from one to the next.
//!
//! Closed, it counts failures in a row. Open, it lets nobody through for a while, except for one at a time,
//! the probe: every two seconds, and at the end of that while. A probe that succeeds closes it; one that fails
//! at the end opens it again for longer.
//!
//! Invariant: there is at most one probe at a time, and only the probe's own result moves the
//! breaker while it is not closed; what others began before it opened says nothing about now.

use std::time::Duration;

use tokio::time::Instant;

/// Settings of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row after which it opens; at least one.
    pub failures: u32,
    /// Time for which it is open the first time.
    pub first: Duration,
    /// Time for which it is open at most.
    pub longest: Duration,
    /// Openings in a row after which it gives up; `None` never does.
    pub give_up_after: Option<u32>,
}

impl Default for BreakerSettings {
    /// Ten failures, from half a second to half a minute, and ten openings.
    fn default() -> Self {
        Self {
            failures: 10,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            give_up_after: Some(10),
        }
    }
}

/// Answer to a caller that wants to ask the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Go on.
    Go,
    /// Probe the database, and report the outcome.
    Probe,
    /// Not now; ask again after this time.
    Wait(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, probe: Instant },
    Probing { until: Instant },
}

/// An opening of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Time for which it is open.
    pub(super) backoff: Duration,
    /// Consecutive openings so far, this one included.
    pub(super) consecutive: u32,
}

/// Longest time between two probes, and so until a database that is back is noticed.
const PROBE_EVERY: Duration = Duration::from_secs(2);

/// Wait of callers that come while a probe is under way.
const WHILE_PROBING: Duration = Duration::from_millis(50);

/// The breaker as a value.
#[derive(Debug)]
pub(super) struct Machine {
    settings: BreakerSettings,
    state: State,
    /// Openings since it was last closed by a probe.
    openings: u32,
}

impl Machine {
    pub(super) const fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed { failures: 0 },
            openings: 0,
        }
    }

    /// Answers a caller that comes now.
    pub(super) fn ask(&mut self, now: Instant) -> Answer {
        match self.state {
            State::Closed { .. } => Answer::Go,
            State::Open { probe, .. } if probe > now => Answer::Wait(probe - now),
            State::Open { until, .. } => {
                self.state = State::Probing { until };
                Answer::Probe
            }
            State::Probing { .. } => Answer::Wait(WHILE_PROBING),
        }
    }

    /// The database answered somebody.
    pub(super) const fn succeeded(&mut self) {
        if let State::Closed { failures } = &mut self.state {
            *failures = 0;
        }
    }

    /// The database did not answer somebody.
    pub(super) fn failed(&mut self, now: Instant) -> Option<Opened> {
        let State::Closed { failures } = &mut self.state else {
            return None;
        };
        *failures = failures.saturating_add(1);
        (*failures >= self.settings.failures).then(|| self.open(now))
    }

    /// The database answered the probe. Says after how many openings.
    pub(super) const fn probe_succeeded(&mut self) -> u32 {
        self.state = State::Closed { failures: 0 };
        let openings = self.openings;
        self.openings = 0;
        openings
    }

    /// The database did not answer the probe. Opens again if the time is over for which it was open.
    pub(super) fn probe_failed(&mut self, now: Instant) -> Option<Opened> {
        match self.state {
            State::Probing { until } if until > now => {
                let probe = until.min(now + PROBE_EVERY);
                self.state = State::Open { until, probe };
                None
            }
            _ => Some(self.open(now)),
        }
    }

    /// A probe was dropped without a report: the next caller probes.
    pub(super) fn probe_lost(&mut self, now: Instant) {
        if let State::Probing { until } = self.state {
            self.state = State::Open { until, probe: now };
        }
    }

    /// 0 closed, 1 open, 2 probing: the number that the metric shows.
    pub(super) const fn number(&self) -> i64 {
        match self.state {
            State::Closed { .. } => 0,
            State::Open { .. } => 1,
            State::Probing { .. } => 2,
        }
    }

    /// Time until somebody asks the database again; `None` when it is closed.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { probe, .. } => Some(probe.saturating_duration_since(now)),
            State::Probing { .. } => Some(Duration::ZERO),
        }
    }

    /// Returns true if it has opened too often in a row to go on.
    pub(super) fn gave_up(&self) -> bool {
        self.settings
            .give_up_after
            .is_some_and(|most| self.openings >= most)
    }

    fn open(&mut self, now: Instant) -> Opened {
        let backoff = self.backoff();
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open {
            until: now + backoff,
            probe: now + backoff.min(PROBE_EVERY),
        };
        Opened {
            backoff,
            consecutive: self.openings,
        }
    }

    /// Time of the next opening, half as long again as the last. So the wait for a database that has come back is
    /// at most half of the time it was away, and a short restart is noticed in a moment.
    fn backoff(&self) -> Duration {
        let mut backoff = self.settings.first;
        for _ in 0..self.openings {
            if backoff >= self.settings.longest {
                break;
            }
            backoff += backoff / 2;
        }
        backoff.min(self.settings.longest)
    }
}

#[cfg(test)]
mod tests;
