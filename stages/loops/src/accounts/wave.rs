//! Waves of drift: one line in the log when drift begins and one when it ends, however many rows.

use std::time::{Duration, Instant};

use cue_store::{Corrected, Drift};

/// Time without a correction after which a wave is over.
const OVER_AFTER: Duration = Duration::from_secs(60);

/// The wave that goes on, if one does.
#[derive(Debug, Default)]
pub(super) struct Wave {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    began: Instant,
    last: Instant,
    corrected: u64,
}

/// Something to log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A wave began.
    Began,
    /// A wave ended: corrections, and time from the first to the last.
    Ended(u64, Duration),
}

impl Wave {
    /// Records corrections, and returns what to log.
    pub(super) fn record(&mut self, now: Instant, corrected: u64) -> Option<News> {
        if corrected > 0 {
            if let Some(running) = &mut self.running {
                running.last = now;
                running.corrected += corrected;
                return None;
            }
            self.running = Some(Running {
                began: now,
                last: now,
                corrected,
            });
            return Some(News::Began);
        }
        let over =
            |running: &mut Running| now.saturating_duration_since(running.last) >= OVER_AFTER;
        let running = self.running.take_if(over)?;
        let lasted = running.last.saturating_duration_since(running.began);
        Some(News::Ended(running.corrected, lasted))
    }
}

/// Logs the beginning or the end of a wave.
pub(super) fn log(news: &News, corrected: &Corrected, drift: &Drift) {
    match news {
        News::Began => {
            let tables: Vec<String> = corrected
                .0
                .iter()
                .map(|(table, count)| format!("{table} {count}"))
                .collect();
            tracing::warn!(
                corrected = corrected.sum(),
                tables = %tables.join(", "),
                cores_too_high = drift.too_high / 100.0,
                cores_too_low = drift.too_low / 100.0,
                "accounts drifted: counters of managed shows differed from their procs and were corrected; \
                 scheduler_accounting_corrected_total counts the corrections that follow"
            );
        }
        News::Ended(corrected, lasted) => tracing::info!(
            corrected,
            lasted_s = lasted.as_secs(),
            "accounts are stable again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_logged_once_at_its_beginning_and_once_at_its_end() {
        let (mut wave, start) = (Wave::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(wave.record(at(0), 0), None);
        assert_eq!(wave.record(at(1), 5), Some(News::Began));
        assert_eq!(wave.record(at(2), 0), None);
        assert_eq!(wave.record(at(31), 7), None);
        assert_eq!(wave.record(at(90), 0), None);
        let lasted = Duration::from_secs(30);
        assert_eq!(wave.record(at(91), 0), Some(News::Ended(12, lasted)));
        assert_eq!(wave.record(at(200), 0), None);
        assert_eq!(wave.record(at(201), 1), Some(News::Began));
    }
}
