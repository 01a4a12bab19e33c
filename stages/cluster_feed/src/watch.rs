//! The watch over the farm's shows, subscriptions, allocations and tags: when one of them changes, the
//! clusters are read again.
//!
//! Reading them takes several times as long as finding out that nothing has changed, which is nearly
//! always so. Invariant: a change is seen by the first look after its commit; a look that fails costs
//! time only, because the feed also reads the clusters now and then without being asked.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cue_store::{ClusterMark, Store, StoreError};
use tokio::time::Instant;

use crate::feed::FeedHandle;

/// Shortest time between two looks.
const EVERY: Duration = Duration::from_millis(400);

/// Looks for changes of the clusters, and asks the feed to read them again.
pub(crate) struct ClusterWatch {
    store: Store,
    facility: Option<String>,
    feed: FeedHandle,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    looked: Option<Instant>,
    seen: Option<ClusterMark>,
}

impl ClusterWatch {
    pub(crate) fn new(store: Store, facility: Option<String>, feed: FeedHandle) -> Self {
        Self {
            store,
            facility,
            feed,
            last: Mutex::default(),
        }
    }

    /// Looks, unless it has done so a moment ago.
    ///
    /// # Errors
    /// The statement failed.
    pub(crate) async fn look(&self) -> Result<(), StoreError> {
        let began = Instant::now();
        if !self.is_due(began) {
            return Ok(());
        }
        let mark = self.store.cluster_mark(self.facility.as_deref()).await?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.looked = Some(began);
        if let Some(facility) = &self.facility {
            self.feed.set_facility(facility, mark.facility_known);
        }
        // The feed reads the clusters when it starts: the first mark says nothing new.
        let before = last.seen.replace(mark);
        if before.is_some() && before != last.seen {
            self.feed.reload_now();
        }
        Ok(())
    }

    fn is_due(&self, now: Instant) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.looked
            .is_none_or(|looked| now.saturating_duration_since(looked) >= EVERY)
    }
}
