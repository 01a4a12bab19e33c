//! The pool of a stage: its workers, and the permits they work under.
//!
//! Invariant: permits in use plus free permits equal the workers plus the owed permits. A pool that shrinks below its
//! busy workers owes permits: each worker that finishes repays one instead of freeing it, and none is interrupted. A
//! worker that a pass released early is free like any other.

use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::meters::StageMeters;

/// The workers of one stage.
pub(crate) struct WorkerPool {
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

impl WorkerPool {
    /// A pool of `workers`, at most `most`.
    pub(crate) fn new(workers: NonZeroUsize, most: usize, meters: &StageMeters) -> Self {
        let pool = Self {
            permits: Arc::new(Semaphore::new(0)),
            size: Mutex::new(Size {
                workers: 0,
                owed: 0,
            }),
            most,
            resized: Notify::new(),
            workers: meters.workers.clone(),
            busy: meters.busy.clone(),
        };
        pool.resize(workers);
        pool
    }

    /// Changes the number of workers.
    pub(crate) fn resize(&self, workers: NonZeroUsize) {
        let mut size = self.size.lock();
        let wanted = workers.get().min(self.most);
        if wanted >= size.workers {
            let more = wanted - size.workers;
            let cancelled = more.min(size.owed);
            size.owed -= cancelled;
            self.permits.add_permits(more - cancelled);
        } else {
            let fewer = size.workers - wanted;
            size.owed += fewer - self.permits.forget_permits(fewer);
        }
        size.workers = wanted;
        self.workers.set(i64::try_from(wanted).unwrap_or(i64::MAX));
        drop(size);
        self.resized.notify_one();
    }

    /// Resolves once after each [`resize`](Self::resize). The one receiver of the stage must then give up the permit
    /// that it waits with, which may be owed.
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
            pool: Arc::clone(self),
        }
    }
}

/// One worker, free to take an item or busy with it.
pub(crate) struct Permit {
    permit: Option<OwnedSemaphorePermit>,
    busy: bool,
    pool: Arc<WorkerPool>,
}

impl Permit {
    /// Shows the worker as busy with an item.
    pub(crate) fn work(&mut self) {
        if !self.busy {
            self.busy = true;
            self.pool.busy.inc();
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

    /// Frees the worker, unless it is free already.
    pub(crate) fn release(&self) {
        let permit = self.0.lock().take();
        drop(permit);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.busy {
            self.pool.busy.dec();
        }
        // Under the lock, so that a pool that shrinks at this moment finds the permit free or repaid.
        let mut size = self.pool.size.lock();
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
