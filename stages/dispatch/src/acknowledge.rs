//! Recording acknowledged launches in the database, so that no replica takes them for forgotten.
//!
//! A batch that has acknowledgements writes them, with all others that wait at that moment: one statement
//! for many batches when there is much to do, and none a frame. What cannot be written stays with the
//! pending launches and is tried again, by the next batch, by the loop that settles, and at the end.

use std::collections::HashSet;
use std::sync::Arc;

use cue_flow::Chain;
use cue_store::{Store, StoreError};
use tokio::sync::Mutex;

use crate::pending::PendingLaunches;

/// Acknowledgements in one statement: its locks are held for a few milliseconds.
const AT_ONCE: usize = 1_000;

/// Writes acknowledgements. Clones take turns, so one connection is in use.
#[derive(Clone, Debug)]
pub struct Recorder {
    store: Store,
    pending: Arc<PendingLaunches>,
    turn: Arc<Mutex<()>>,
}

impl Recorder {
    pub(crate) fn new(store: Store, pending: Arc<PendingLaunches>) -> Self {
        Self {
            store,
            pending,
            turn: Arc::default(),
        }
    }

    /// The pending launches of this process.
    #[must_use]
    pub fn pending(&self) -> Arc<PendingLaunches> {
        Arc::clone(&self.pending)
    }

    /// Writes what waits to be written. A row that somebody holds is left for the next time.
    ///
    /// # Errors
    /// The database did not take it; it waits for the next time.
    pub async fn record(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.write().await
    }

    /// Writes until nothing waits that can be written.
    async fn write(&self) -> Result<(), StoreError> {
        let mut held = HashSet::new();
        loop {
            let mut waiting = self.pending.unrecorded();
            waiting.retain(|(proc, _)| !held.contains(proc));
            waiting.truncate(AT_ONCE);
            if waiting.is_empty() {
                return Ok(());
            }
            held.extend(self.store.acknowledge_launches(&waiting).await?);
            let procs = waiting.iter().map(|(proc, _)| proc);
            self.pending
                .recorded(procs.filter(|proc| !held.contains(*proc)));
        }
    }

    /// The same, where nothing depends on it at once: while another writes, it writes these as well.
    pub async fn record_or_postpone(&self) {
        let Ok(_turn) = self.turn.try_lock() else {
            return;
        };
        match self.write().await {
            Ok(()) => {}
            Err(error) if error.class().is_outage() => tracing::debug!(
                error = %Chain(&error),
                "database unavailable, postponing the record of acknowledged launches"
            ),
            Err(error) => tracing::warn!(
                error = %Chain(&error),
                "acknowledged launches cannot be recorded yet; trying again"
            ),
        }
    }
}
