//! An edge: the bounded queue from one stage to the next.
//!
//! Invariant: only this module makes a channel between stages, and every channel has a bound. An item that is sent
//! inherits the trace of the item that is being handled. The depth counts an envelope from the moment it is queued
//! until it is taken or dropped.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::IntGauge;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, error::TrySendError};
use tracing::Span;

use crate::meters::EdgeMeters;
use crate::pass_span::PassSpan;
use crate::send_meter::SendMeter;
use crate::trace::Trace;
use crate::worker_pool::HeldWorker;

/// Makes an edge. A capacity above that of the largest channel is read as the largest.
pub(crate) fn edge<T>(
    to: &'static str,
    meters: EdgeMeters,
    capacity: NonZeroUsize,
) -> (Outlet<T>, Inlet<T>) {
    let capacity = capacity.get().min(Semaphore::MAX_PERMITS);
    let (tx, rx) = mpsc::channel(capacity);
    meters
        .capacity
        .set(i64::try_from(capacity).unwrap_or(i64::MAX));
    let outlet = Outlet::new(to, tx, Some(meters.depth.clone()));
    (outlet, Inlet { rx, meters })
}

/// The outlet of a last stage: no value exists that could be sent.
pub(crate) fn last() -> Outlet<Infallible> {
    let (tx, _rx) = mpsc::channel(1);
    Outlet::new("", tx, None)
}

/// The sending side of an edge, as a stage sees it.
pub struct Outlet<T> {
    /// The stage behind the edge.
    to: &'static str,
    tx: mpsc::Sender<Envelope<T>>,
    depth: Option<IntGauge>,
    trace: Trace,
    meter: Option<Arc<SendMeter>>,
    pass: Option<PassHandle>,
}

/// The pass that an outlet belongs to.
#[derive(Clone)]
pub(crate) struct PassHandle {
    pub worker: HeldWorker,
    pub span: Arc<PassSpan>,
}

impl<T> Outlet<T> {
    fn new(to: &'static str, tx: mpsc::Sender<Envelope<T>>, depth: Option<IntGauge>) -> Self {
        Self {
            to,
            tx,
            depth,
            trace: Trace::default(),
            meter: None,
            pass: None,
        }
    }

    /// Releases the worker of this pass for the next item, while the pass goes on. The pass still belongs to its
    /// stage, which ends only after the pass. The caller bounds the number of such passes, for instance by a
    /// [`Capacity`](crate::Capacity).
    pub fn release_worker(&self) {
        if let Some(pass) = &self.pass {
            pass.span.works_while_waiting();
            pass.worker.release();
        }
    }

    /// The root span of the item's turn; none if the turn is not recorded.
    pub fn turn(&self) -> Span {
        self.trace.span().cloned().unwrap_or_else(Span::none)
    }

    /// Sends, and waits while the edge is full. The wait is not part of the stage's run time. A future that is
    /// dropped before its end drops the item.
    ///
    /// # Errors
    /// The next stage has ended; the error returns the item.
    pub async fn send(&self, item: T) -> Result<(), Closed<T>> {
        match self.reserve().await {
            Ok(slot) => {
                slot.send(item, self.trace.clone());
                Ok(())
            }
            Err(Closed(())) => Err(Closed(item)),
        }
    }

    /// Sends the last item of a pass that has done its work: the span of the stage ends before the wait for room.
    ///
    /// # Errors
    /// The next stage has ended; the error returns the item.
    pub async fn send_last(&self, item: T) -> Result<(), Closed<T>> {
        if let Some(pass) = &self.pass {
            pass.span.done().await;
        }
        self.send(item).await
    }

    /// Reserves a slot in the queue of the next stage. A sender that has to choose an item reserves first, so that
    /// no item is picked before there is room for it.
    ///
    /// # Errors
    /// The next stage has ended.
    pub async fn reserve(&self) -> Result<Slot<'_, T>, Closed<()>> {
        let mut waited = Duration::ZERO;
        let permit = match self.tx.try_reserve() {
            Ok(permit) => permit,
            Err(TrySendError::Closed(())) => return Err(Closed(())),
            Err(TrySendError::Full(())) => {
                let began = Instant::now();
                let permit = self.wait_for_room().await?;
                waited = began.elapsed();
                permit
            }
        };
        Ok(Slot {
            permit,
            outlet: self,
            waited,
        })
    }

    async fn wait_for_room(&self) -> Result<mpsc::Permit<'_, Envelope<T>>, Closed<()>> {
        let _waiting = self.meter.as_deref().map(SendMeter::wait);
        let Some(pass) = &self.pass else {
            return self.tx.reserve().await.map_err(|_| Closed(()));
        };
        let room = pass.span.wait(self.to).await;
        let permit = self.tx.reserve().await.map_err(|_| Closed(()));
        room.end().await;
        permit
    }

    /// The outlet of one pass: items sent belong to `trace` and are measured by `meter`, and the pass can release its
    /// worker before its end.
    pub(crate) fn for_pass(
        &self,
        trace: Trace,
        meter: Arc<SendMeter>,
        pass: Option<PassHandle>,
    ) -> Self {
        Self {
            to: self.to,
            tx: self.tx.clone(),
            depth: self.depth.clone(),
            trace,
            meter: Some(meter),
            pass,
        }
    }
}

/// A slot in the queue of the next stage, free again when it is dropped unused.
pub struct Slot<'a, T> {
    permit: mpsc::Permit<'a, Envelope<T>>,
    outlet: &'a Outlet<T>,
    waited: Duration,
}

impl<T> Slot<'_, T> {
    /// Sends an item that starts a trace: `root` is the parent of all spans that follow, and closes after them.
    pub fn send_root(self, item: T, root: Span) {
        self.send(item, Trace::root(root));
    }

    /// Sends. The depth is counted before the envelope can be taken.
    fn send(self, item: T, trace: Trace) {
        if let Some(meter) = &self.outlet.meter {
            meter.sent(self.waited);
        }
        let queued = Queued::enter(&self.outlet.depth);
        self.permit.send(Envelope {
            item,
            span: trace.queue(self.outlet.to),
            trace,
            queued_at: Instant::now(),
            queued,
        });
    }
}

/// The receiving side of an edge.
pub(crate) struct Inlet<T> {
    rx: mpsc::Receiver<Envelope<T>>,
    meters: EdgeMeters,
}

impl<T> Inlet<T> {
    /// Waits for an item; `None` when every outlet is gone and the queue is empty.
    pub(crate) async fn next(&mut self) -> Option<Taken<T>> {
        self.rx.recv().await.map(Envelope::open)
    }

    /// The gauges of this edge.
    pub(crate) fn meters(&self) -> &EdgeMeters {
        &self.meters
    }
}

/// The next stage has ended. Returns the item that was not sent.
#[derive(thiserror::Error)]
#[error("the next stage is gone and the item was not sent")]
pub struct Closed<T>(pub T);

impl<T> std::fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Closed(..)")
    }
}

/// An item on an edge. The fields are dropped in this order: the item and its span before its trace.
struct Envelope<T> {
    item: T,
    /// The time in the queue.
    span: Span,
    trace: Trace,
    queued_at: Instant,
    queued: Queued,
}

impl<T> Envelope<T> {
    fn open(self) -> Taken<T> {
        drop((self.queued, self.span));
        Taken {
            item: self.item,
            trace: self.trace,
            queued: self.queued_at.elapsed(),
        }
    }
}

/// An item that was taken from an edge.
pub(crate) struct Taken<T> {
    pub item: T,
    pub trace: Trace,
    /// Time in the queue.
    pub queued: Duration,
}

/// One item of the depth.
struct Queued(Option<IntGauge>);

impl Queued {
    fn enter(depth: &Option<IntGauge>) -> Self {
        if let Some(depth) = depth {
            depth.inc();
        }
        Self(depth.clone())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(depth) = &self.0 {
            depth.dec();
        }
    }
}
