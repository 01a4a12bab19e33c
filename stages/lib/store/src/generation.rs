//! Findings about the sessions of a pool: the moment before which they are stale, and what the newest one saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The moment before which sessions are stale, and what the last one that was opened found. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    epoch: Instant,
    /// Microseconds since the epoch.
    stale_before: Arc<AtomicU64>,
    read_only: Arc<AtomicBool>,
    waiting_index: Arc<AtomicBool>,
    /// Microseconds since the epoch of the last look for the index, 0 for none.
    index_looked_for: Arc<AtomicU64>,
}

/// Sessions are given up at most once in this time: an error that comes back at once is not theirs.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The index is looked for at most once in this time, however many sessions are opened.
const INDEX_EVERY: Duration = Duration::from_secs(60);

impl Default for Generation {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            stale_before: Arc::default(),
            read_only: Arc::default(),
            waiting_index: Arc::default(),
            index_looked_for: Arc::default(),
        }
    }
}

impl Generation {
    /// Has all sessions that are open now closed as soon as nobody uses them.
    pub(crate) fn replace_sessions(&self) {
        let now = micros(self.epoch.elapsed());
        let since = |last: u64| now.saturating_sub(last);
        let renewed =
            self.stale_before
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                    (last == 0 || since(last) >= micros(AT_MOST_EVERY)).then_some(now)
                });
        if renewed.is_ok() {
            tracing::info!("sessions of the database are stale, opening new ones");
        }
    }

    /// Returns true if the last look found an index for
    /// [`LOCK_FRAMES_INDEXED`](crate::statements::LOCK_FRAMES_INDEXED).
    /// Sessions live for half an hour at most, so an index that is created is used within that time and
    /// [`INDEX_EVERY`].
    pub(crate) fn has_waiting_index(&self) -> bool {
        self.waiting_index.load(Ordering::Relaxed)
    }

    /// Fails while the server takes no writes; the next sessions find out again.
    pub(crate) fn check_writable(&self) -> Result<(), sqlx::Error> {
        let read_only = self.read_only.load(Ordering::Relaxed);
        if read_only {
            self.replace_sessions();
        }
        writable(read_only)
    }

    /// Returns true if the session that asks should look for the index. The next one that asks has to if this one
    /// finds nothing out.
    pub(crate) fn should_look_for_index(&self) -> bool {
        let now = micros(self.epoch.elapsed()).max(1);
        let due = |last: u64| {
            (last == 0 || now.saturating_sub(last) >= micros(INDEX_EVERY)).then_some(now)
        };
        let looked = &self.index_looked_for;
        let claim = looked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due);
        claim.is_ok()
    }

    /// Records what a look for the index found; `None` if it found nothing out.
    pub(crate) fn set_waiting_index(&self, found: Option<bool>) {
        match found {
            Some(found) => self.waiting_index.store(found, Ordering::Relaxed),
            None => self.index_looked_for.store(0, Ordering::Relaxed),
        }
    }

    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::Relaxed);
    }

    /// Returns true if a session of this age is stale.
    pub(crate) fn is_stale(&self, age: Duration) -> bool {
        let opened = micros(self.epoch.elapsed()).saturating_sub(micros(age));
        opened < self.stale_before.load(Ordering::Relaxed)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Fails if the server takes no writes.
pub(crate) fn writable(read_only: bool) -> Result<(), sqlx::Error> {
    if read_only {
        return Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::ReadOnlyFilesystem,
            "the database takes no writes: it is a standby, or read-only",
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_of_many_looks_for_the_index_until_it_is_known() {
        let generation = Generation::default();
        assert!(generation.should_look_for_index());
        assert!(!generation.should_look_for_index());
        generation.set_waiting_index(None);
        assert!(generation.should_look_for_index());
        generation.set_waiting_index(Some(true));
        assert!(!generation.should_look_for_index());
        assert!(generation.has_waiting_index());
    }

    #[test]
    fn sessions_that_were_open_are_stale_and_later_ones_are_not() {
        let generation = Generation::default();
        let (old, new) = (Duration::from_secs(60), Duration::ZERO);
        assert!(!generation.is_stale(old));
        while generation.epoch.elapsed() < Duration::from_millis(1) {}
        generation.replace_sessions();
        assert!(generation.is_stale(old));
        assert!(!generation.is_stale(new));
        // An error of one row that looks like a stale session does not close all of them again and again.
        let before = generation.stale_before.load(Ordering::Relaxed);
        generation.replace_sessions();
        assert_eq!(generation.stale_before.load(Ordering::Relaxed), before);
    }
}
