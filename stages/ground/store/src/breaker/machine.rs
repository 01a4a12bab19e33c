//! The states of the breaker, and what moves it from one to the next.
//!
//! Closed, it counts failures in a row. Open, it lets nobody through for a while. Then it lets one
//! through, the probe, and what becomes of that one closes it or opens it again for longer.
//!
//! Invariant: there is at most one probe at a time, and only the probe's own result moves the
//! breaker while it is not closed; what others began before it opened says nothing about now.

use std::time::Duration;

use tokio::time::Instant;

/// When the breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// It opens after so many failures in a row; at least one.
    pub failures: u32,
    /// How long it is open the first time.
    pub first: Duration,
    /// How long it is open at most.
    pub longest: Duration,
    /// It gives up after so many openings in a row; `None` keeps trying for ever.
    pub give_up_after: Option<u32>,
}

impl Default for BreakerSettings {
    /// Five failures, from half a second to half a minute, and ten openings.
    fn default() -> Self {
        Self {
            failures: 5,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            give_up_after: Some(10),
        }
    }
}

/// What the breaker says to somebody who wants to ask the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Go on.
    Go,
    /// Find out whether it is there, and tell.
    Probe,
    /// Not now; ask again after so long.
    Wait(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

/// That the breaker has just opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// For how long.
    pub(super) rest: Duration,
    /// The how manieth time in a row.
    pub(super) in_a_row: u32,
}

/// How long those wait who come while a probe is under way.
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

    /// What somebody is told who comes now.
    pub(super) fn ask(&mut self, now: Instant) -> Answer {
        match self.state {
            State::Closed { .. } => Answer::Go,
            State::Open { until } if until > now => Answer::Wait(until - now),
            State::Open { .. } => {
                self.state = State::Probing;
                Answer::Probe
            }
            State::Probing => Answer::Wait(WHILE_PROBING),
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

    /// The database did not answer the probe.
    pub(super) fn probe_failed(&mut self, now: Instant) -> Opened {
        self.open(now)
    }

    /// Whoever probed is gone and has not told: the next one probes.
    pub(super) fn probe_lost(&mut self, now: Instant) {
        if self.state == State::Probing {
            self.state = State::Open { until: now };
        }
    }

    /// 0 closed, 1 open, 2 probing: the number that the metric shows.
    pub(super) const fn number(&self) -> i64 {
        match self.state {
            State::Closed { .. } => 0,
            State::Open { .. } => 1,
            State::Probing => 2,
        }
    }

    /// How long it stays open from now on; `None` when it is closed.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until } => Some(until.saturating_duration_since(now)),
            State::Probing => Some(Duration::ZERO),
        }
    }

    /// Whether it has opened so often in a row that there is no sense in going on.
    pub(super) fn gave_up(&self) -> bool {
        self.settings
            .give_up_after
            .is_some_and(|most| self.openings >= most)
    }

    fn open(&mut self, now: Instant) -> Opened {
        let rest = self.rest();
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open { until: now + rest };
        Opened {
            rest,
            in_a_row: self.openings,
        }
    }

    /// Half as long again each time. So the wait for a database that has come back is at most half
    /// of the time it was away, and a short restart is noticed in a moment.
    fn rest(&self) -> Duration {
        let mut rest = self.settings.first;
        for _ in 0..self.openings {
            if rest >= self.settings.longest {
                break;
            }
            rest += rest / 2;
        }
        rest.min(self.settings.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(give_up_after: Option<u32>) -> Machine {
        Machine::new(BreakerSettings {
            give_up_after,
            ..BreakerSettings::default()
        })
    }

    fn opened(machine: &mut Machine) -> Opened {
        let now = Instant::now();
        (0..5).find_map(|_| machine.failed(now)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_a_success_between_them_counts_anew() {
        let mut machine = machine(None);
        for _ in 0..4 {
            assert_eq!(machine.failed(Instant::now()), None);
        }
        machine.succeeded();
        for _ in 0..4 {
            assert_eq!(machine.failed(Instant::now()), None);
        }
        assert_eq!(machine.ask(Instant::now()), Answer::Go);
        let opened = machine.failed(Instant::now()).unwrap();
        assert_eq!((opened.rest.as_millis(), opened.in_a_row), (500, 1));
        assert_eq!(machine.number(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_is_let_through_and_only_after_the_rest() {
        let mut machine = machine(None);
        opened(&mut machine);
        tokio::time::advance(Duration::from_millis(499)).await;
        assert_eq!(
            machine.ask(Instant::now()),
            Answer::Wait(Duration::from_millis(1))
        );
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(machine.ask(Instant::now()), Answer::Probe);
        assert_eq!(machine.ask(Instant::now()), Answer::Wait(WHILE_PROBING));
        assert_eq!(machine.number(), 2);
        // What began before it opened does not count.
        machine.succeeded();
        assert_eq!(machine.failed(Instant::now()), None);
        assert_eq!(machine.number(), 2);
        assert_eq!(machine.probe_succeeded(), 1);
        assert_eq!(machine.ask(Instant::now()), Answer::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_never_told_of_makes_way_for_the_next() {
        let mut machine = machine(None);
        opened(&mut machine);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(machine.ask(Instant::now()), Answer::Probe);
        machine.probe_lost(Instant::now());
        assert_eq!(machine.ask(Instant::now()), Answer::Probe);
        machine.probe_succeeded();
        machine.probe_lost(Instant::now());
        assert_eq!(machine.ask(Instant::now()), Answer::Go, "it is closed");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_grows_to_half_a_minute_and_begins_anew_once_closed() {
        let mut machine = machine(None);
        let mut rests = vec![opened(&mut machine).rest];
        for _ in 1..14 {
            tokio::time::advance(Duration::from_secs(30)).await;
            assert_eq!(machine.ask(Instant::now()), Answer::Probe);
            rests.push(machine.probe_failed(Instant::now()).rest);
        }
        let ms: Vec<u128> = rests.iter().map(Duration::as_millis).collect();
        assert_eq!(ms[..5], [500, 750, 1125, 1687, 2531]);
        assert_eq!(ms[13], 30_000);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(machine.ask(Instant::now()), Answer::Probe);
        machine.probe_succeeded();
        assert_eq!(opened(&mut machine).rest.as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_after_ten_openings_in_a_row_unless_told_to_keep_trying() {
        let mut gives_up = machine(Some(10));
        let mut stays = machine(None);
        for machine in [&mut gives_up, &mut stays] {
            opened(machine);
            for _ in 1..9 {
                tokio::time::advance(Duration::from_secs(30)).await;
                assert_eq!(machine.ask(Instant::now()), Answer::Probe);
                machine.probe_failed(Instant::now());
            }
            assert!(!machine.gave_up());
            tokio::time::advance(Duration::from_secs(30)).await;
            assert_eq!(machine.ask(Instant::now()), Answer::Probe);
            assert_eq!(machine.probe_failed(Instant::now()).in_a_row, 10);
        }
        assert!(gives_up.gave_up());
        assert!(!stays.gave_up());
    }
}
