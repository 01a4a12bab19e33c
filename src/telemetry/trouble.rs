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

    /// Records an export that failed with this many spans.
    pub(super) fn record(&self, spans: u64, error: &OTelSdkError) {
        let Some(lost) = self.state().add(spans, Instant::now()) else {
            return;
        };
        let text = error.to_string();
        let (place, hint) = match &self.destination {
            Some(destination) => (destination.to_string(), destination.hint(&text)),
            None => ("the collector".to_owned(), None),
        };
        tracing::warn!(
            error = text,
            lost,
            hint,
            "spans cannot be exported to {place}, booking goes on without traces"
        );
    }

    /// Records an export that succeeded.
    pub(super) fn is_over(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_failing) {
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            tracing::info!(lost, "spans are exported again");
        }
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
