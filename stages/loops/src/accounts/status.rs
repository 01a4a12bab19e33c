//! State of the accounts for `/status`, the page and `top`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// State of the accounts as this replica knows it. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct AccountsState(Arc<Mutex<Inner>>);

#[derive(Clone, Debug, Default)]
struct Inner {
    checked: Option<(Instant, String)>,
    leads: bool,
    differing: u64,
    corrected: u64,
}

/// Reading of [`AccountsState`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountsReading {
    /// Age of the last comparison, by this replica or another; none if there was none yet.
    pub checked: Option<Duration>,
    /// Name of the replica that made it.
    pub by: String,
    /// True if that is this replica.
    pub leads: bool,
    /// Counters that differed at the last comparison; 0 if another replica made it.
    pub differing: u64,
    /// Counters that this replica has set since its start.
    pub corrected: u64,
}

impl AccountsState {
    /// The state now.
    pub fn read(&self) -> AccountsReading {
        let inner = self.0.lock().clone();
        let (at, by) = inner.checked.unzip();
        AccountsReading {
            checked: at.map(|at| at.elapsed()),
            by: by.unwrap_or_default(),
            leads: inner.leads,
            differing: inner.differing,
            corrected: inner.corrected,
        }
    }

    pub(super) fn checked(&self, by: &str, leads: bool) {
        let mut inner = self.0.lock();
        inner.checked = Some((Instant::now(), by.to_owned()));
        inner.leads = leads;
    }

    /// Records that this replica does not lead: what it found last is old.
    pub(super) fn follows(&self) {
        let mut inner = self.0.lock();
        (inner.leads, inner.differing) = (false, 0);
    }

    pub(super) fn differing(&self, counters: u64) {
        self.0.lock().differing = counters;
    }

    pub(super) fn corrected(&self, counters: u64) {
        self.0.lock().corrected += counters;
    }
}
