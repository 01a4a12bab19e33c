//! Hosts that are asked what their launches came to: taken when due, and due again if the question is cut off.
//!
//! Invariant: a question that is cut off, whatever the reason, is due again.

use std::sync::Arc;
use std::time::Instant;

use crate::open_launch::Launch;
use crate::pending::{PendingLaunch, PendingLaunches};

impl PendingLaunches {
    /// Takes the launches of hosts that are due at `now`, of `most` hosts, those that answered last time
    /// first.
    pub fn take_due(
        self: &Arc<Self>,
        now: Instant,
        most: usize,
    ) -> Vec<(AskedHost, Vec<PendingLaunch>)> {
        let taken = self.take_due_hosts(now, most).into_iter();
        let asked = taken.map(|(host, launches)| {
            let launches = launches.into_values().map(|launch| self.pending(launch));
            (AskedHost::new(host, Arc::clone(self)), launches.collect())
        });
        asked.collect()
    }

    /// Takes launches that were taken back and whose host must be asked at `now` whether they arrived since.
    pub fn take_late(self: &Arc<Self>, now: Instant) -> Vec<LateQuestion> {
        let due = self.0.lock().late.take_due(now).into_iter();
        let question = |(host, launches)| LateQuestion::new(host, launches, Arc::clone(self));
        due.map(question).collect()
    }
}

/// A host that is being asked about its launches; dropped when it has been.
#[derive(Debug)]
pub struct AskedHost {
    /// Its name.
    pub host: Arc<str>,
    /// True if it answered, or no question was needed.
    pub answered: bool,
    book: Arc<PendingLaunches>,
}

impl AskedHost {
    const fn new(host: Arc<str>, book: Arc<PendingLaunches>) -> Self {
        Self {
            host,
            answered: true,
            book,
        }
    }
}

impl Drop for AskedHost {
    fn drop(&mut self) {
        self.book
            .answered(&self.host, self.answered, Instant::now());
    }
}

/// A host that is being asked about launches that were taken back; dropped when it has been.
#[derive(Debug)]
pub struct LateQuestion {
    /// Its name.
    pub host: Arc<str>,
    /// The launches in question.
    pub launches: Vec<Launch>,
    /// True if it answered.
    pub answered: bool,
    book: Arc<PendingLaunches>,
}

impl LateQuestion {
    const fn new(host: Arc<str>, launches: Vec<Launch>, book: Arc<PendingLaunches>) -> Self {
        Self {
            host,
            launches,
            answered: false,
            book,
        }
    }
}

impl Drop for LateQuestion {
    fn drop(&mut self) {
        let launches = std::mem::take(&mut self.launches);
        let mut state = self.book.0.lock();
        state.late.asked(launches, self.answered, Instant::now());
    }
}
