//! The handle of the feed, for the shell and the loop that reads the demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Handle of a running feed. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FeedHandle {
    reload: Arc<AtomicBool>,
    facility_gone: Arc<AtomicBool>,
}

impl FeedHandle {
    /// Makes the next reading of the demand a complete one.
    pub fn reload_now(&self) {
        self.reload.store(true, Ordering::Relaxed);
    }

    /// Returns true once after [`FeedHandle::reload_now`].
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }

    /// Returns true while the facility that is served is not in the database.
    pub fn is_facility_gone(&self) -> bool {
        self.facility_gone.load(Ordering::Relaxed)
    }

    /// Records the presence of the facility in the database, and logs a change.
    pub fn set_facility(&self, name: &str, known: bool) {
        let was_gone = self.facility_gone.swap(!known, Ordering::Relaxed);
        match (was_gone, known) {
            (false, false) => tracing::error!(
                facility = name,
                "the facility of CUE_FACILITY is no longer in the database: nothing is booked until it is back"
            ),
            (true, true) => tracing::info!(facility = name, "the facility is back"),
            _ => {}
        }
    }
}
