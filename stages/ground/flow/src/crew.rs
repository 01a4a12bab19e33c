//! The crew of a stage: how many workers it has, and the permits they work under.
//!
//! Invariant: permits in use plus permits free is the number of workers plus what is owed. A crew
//! that shrinks below its busy workers owes permits: each worker that finishes pays one back
//! instead of freeing it, and nobody is interrupted. A worker that a pass released early is free like
//! any other.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::meters::StageMeters;

/// The workers of one stage.
pub(crate) struct Crew {
    permits: Arc<Semaphore>,
    size: Mutex<Size>,
    most: usize,
    resized: Notify,
    workers: IntGauge,
    busy: IntGauge,
}

struct Size {
    workers: usize,
    owed: usize,
}

impl Crew {
    /// A crew of `workers`, which can never be more than `most`.
    pub(crate) fn new(workers: NonZeroUsize, most: usize, meters: &StageMeters) -> Self {
        let crew = Self {
            permits: Arc::new(Semaphore::new(0)),
            size: Mutex::new(Size {
                workers: 0,
                owed: 0,
            }),
            most: most.min(Semaphore::MAX_PERMITS),
            resized: Notify::new(),
            workers: meters.workers.clone(),
            busy: meters.busy.clone(),
        };
        crew.resize(workers);
        crew
    }

    /// Changes the number of workers, now.
    pub(crate) fn resize(&self, workers: NonZeroUsize) {
        let mut size = self.size();
        let wanted = workers.get().min(self.most);
        if wanted >= size.workers {
            let more = wanted - size.workers;
            let forgiven = more.min(size.owed);
            size.owed -= forgiven;
            self.permits.add_permits(more - forgiven);
        } else {
            let fewer = size.workers - wanted;
            size.owed += fewer - self.permits.forget_permits(fewer);
        }
        size.workers = wanted;
        self.workers.set(i64::try_from(wanted).unwrap_or(i64::MAX));
        drop(size);
        self.resized.notify_one();
    }

    /// How many workers there are to be.
    pub(crate) fn workers(&self) -> usize {
        self.size().workers
    }

    /// Resolves once after each [`resize`](Self::resize). For the one taker of the stage, which
    /// must then give up the permit it waits with: it may be one that is owed.
    pub(crate) async fn resized(&self) {
        self.resized.notified().await;
    }

    /// Waits for a free worker.
    pub(crate) async fn permit(self: &Arc<Self>) -> Permit {
        // The semaphore is private and never closed, so there always is a permit.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        Permit {
            permit,
            busy: false,
            crew: Arc::clone(self),
        }
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker, free to take an item or busy with it.
pub(crate) struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    busy: bool,
    crew: Arc<Crew>,
}

impl Permit {
    /// From here on this worker has an item in hand.
    pub(crate) fn work(&mut self) {
        if !self.busy {
            self.busy = true;
            self.crew.busy.inc();
        }
    }
}

/// The worker of a pass, until the pass ends or releases it. Clones share it.
#[derive(Clone)]
pub(crate) struct HeldWorker(Arc<Mutex<Option<Permit>>>);

impl HeldWorker {
    pub(crate) fn new(permit: Permit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    /// Frees the worker, unless that was done before.
    pub(crate) fn release(&self) {
        let permit = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(permit);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.busy {
            self.crew.busy.dec();
        }
        // Freeing happens under the lock as well: a crew that shrinks at this moment must either
        // find this permit free or see it pay.
        let mut size = self.crew.size();
        if let Some(permit) = self.permit.take() {
            if size.owed > 0 {
                size.owed -= 1;
                permit.forget();
            } else {
                drop(permit);
            }
        }
    }
}
