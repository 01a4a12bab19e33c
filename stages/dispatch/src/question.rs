//! Questions to hosts that are under way.
//!
//! Invariant: a question that is cut off, whatever the reason, is due again.

use std::sync::Arc;
use std::time::Instant;

use crate::pending::{Launch, PendingLaunches};

/// A host that is being asked about its launches; dropped when it has been.
#[derive(Debug)]
pub(crate) struct AskedHost {
    pub(crate) host: Arc<str>,
    /// It answered, or it is not its fault that it did not.
    pub(crate) answered: bool,
    book: Arc<PendingLaunches>,
}

impl AskedHost {
    pub(crate) const fn new(host: Arc<str>, book: Arc<PendingLaunches>) -> Self {
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
pub(crate) struct LateQuestion {
    pub(crate) host: Arc<str>,
    pub(crate) launches: Vec<Launch>,
    pub(crate) answered: bool,
    book: Arc<PendingLaunches>,
}

impl LateQuestion {
    pub(crate) const fn new(
        host: Arc<str>,
        launches: Vec<Launch>,
        book: Arc<PendingLaunches>,
    ) -> Self {
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
        let (answered, now) = (self.answered, Instant::now());
        self.book.late_asked(launches, answered, now);
    }
}
