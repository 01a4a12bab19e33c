//! Log lines about exports that fail: what is wrong and where, once a minute.

use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkError;
use parking_lot::{Mutex, MutexGuard};

use super::destination::Destination;

/// Pause between two lines.
const EVERY: Duration = Duration::from_secs(60);

/// Exports that fail.
#[derive(Debug)]
pub(super) struct Trouble {
    destination: Option<Destination>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_failing: bool,
    lost: u64,
    reported: Option<Instant>,
}

impl Trouble {
    pub(super) fn new(destination: Option<Destination>) -> Self {
        Self {
            destination,
            state: Mutex::default(),
        }
    }

    /// Records an export that failed with this many spans, or with all metrics.
    pub(super) fn record(&self, lost: u64, error: &OTelSdkError) {
        let Some(lost) = self.state().add(lost, Instant::now()) else {
            return;
        };
        let (text, contents) = (error.to_string(), self.contents());
        let (place, hint) = match &self.destination {
            Some(destination) => (destination.to_string(), destination.hint(&text)),
            None => ("the collector".to_owned(), None),
        };
        tracing::warn!(
            error = text,
            lost,
            hint,
            "{contents} cannot be exported to {place}, booking goes on without"
        );
    }

    /// Records an export that succeeded.
    pub(super) fn is_over(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_failing) {
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            tracing::info!(lost, "{} are exported again", self.contents());
        }
    }

    fn contents(&self) -> &'static str {
        let destination = self.destination.as_ref();
        destination.map_or("spans", |destination| destination.signal.contents())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Adds lost spans. Returns their number since the last line if a line is due.
    fn add(&mut self, spans: u64, now: Instant) -> Option<u64> {
        self.is_failing = true;
        self.lost = self.lost.saturating_add(spans);
        let is_due = |then: Instant| now.saturating_duration_since(then) >= EVERY;
        if !self.reported.is_none_or(is_due) {
            return None;
        }
        self.reported = Some(now);
        Some(std::mem::take(&mut self.lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_minute_says_how_many_spans_were_lost_since_the_last_one() {
        let (mut state, began) = (State::default(), Instant::now());
        let lines: Vec<(u64, u64)> = (0..=130)
            .filter_map(|second| {
                let lost = state.add(10, began + Duration::from_secs(second))?;
                Some((second, lost))
            })
            .collect();
        assert_eq!(lines, [(0, 10), (60, 600), (120, 600)]);
    }
}
