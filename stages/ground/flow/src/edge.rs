//! An edge: the bounded way from one stage to the next.
//!
//! Invariant: this is the only place where a channel between stages is made, and every one has a
//! bound. What is sent inherits the traces of the item that is being handled. The depth counts an
//! envelope from the moment it has a place until it is taken or dropped, so it never goes astray.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::{Histogram, IntCounter, IntGauge};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, error::TrySendError};
use tracing::Span;

use crate::crew::HeldWorker;
use crate::meters::EdgeMeters;
use crate::park::wait_here;
use crate::stage::Never;
use crate::trace::{StageSpans, Traces};

/// Makes an edge. A capacity beyond what a channel can have is read as the most it can.
pub(crate) fn edge<T>(meters: EdgeMeters, capacity: NonZeroUsize) -> (Outlet<T>, Inlet<T>) {
    let capacity = capacity.get().min(Semaphore::MAX_PERMITS);
    let (tx, rx) = mpsc::channel(capacity);
    meters
        .capacity
        .set(i64::try_from(capacity).unwrap_or(i64::MAX));
    let depth = Some(meters.depth.clone());
    let outlet = Outlet {
        tx,
        depth,
        traces: Traces::default(),
        spans: StageSpans::default(),
        meter: None,
        worker: None,
    };
    (outlet, Inlet { rx, meters })
}

/// The outlet of a last stage: nothing can be sent, for there is no value to send.
pub(crate) fn last() -> Outlet<Never> {
    let (tx, _rx) = mpsc::channel(1);
    Outlet {
        tx,
        depth: None,
        traces: Traces::default(),
        spans: StageSpans::default(),
        meter: None,
        worker: None,
    }
}

/// Where a stage sends what it gives.
pub struct Outlet<T> {
    tx: mpsc::Sender<Envelope<T>>,
    depth: Option<IntGauge>,
    traces: Traces,
    spans: StageSpans,
    meter: Option<Arc<SendMeter>>,
    worker: Option<HeldWorker>,
}

impl<T> Outlet<T> {
    /// Lets the worker of this pass take its next item, while what is left of the pass goes on. The
    /// pass still belongs to its stage, which ends only after it. The caller bounds how much
    /// goes on that way, for instance by [`Capacity`](crate::Capacity).
    pub fn release_worker(&self) {
        if let Some(worker) = &self.worker {
            worker.release();
        }
    }

    /// Sends, and waits while the edge is full. The wait is no part of the stage's run time.
    /// When the future is dropped before it is done, the item is dropped with it.
    ///
    /// # Errors
    /// The next stage has ended; the item comes back.
    pub async fn send(&self, item: T) -> Result<(), Closed<T>> {
        self.send_with(item, self.traces.clone()).await
    }

    /// As [`send`](Self::send), for the threads of a `CpuStage`; it blocks the thread.
    ///
    /// # Errors
    /// The next stage has ended; the item comes back.
    pub fn send_blocking(&self, item: T) -> Result<(), Closed<T>> {
        wait_here(self.send_with(item, self.traces.clone()))
    }

    /// Sends an item which starts a trace: `trace` is the root span of all that follows from it,
    /// and it closes when the last of that is done.
    ///
    /// # Errors
    /// The next stage has ended; the item comes back.
    pub async fn send_root(&self, item: T, trace: Span) -> Result<(), Closed<T>> {
        self.send_with(item, Traces::root(trace)).await
    }

    /// The stage's own span in the trace whose root has this number
    /// ([`Id::into_u64`](tracing::span::Id::into_u64)): the parent for what is done for one turn of
    /// several that share a pass. Without that root, the span the stage works in.
    pub fn span_under(&self, root: Option<u64>) -> Span {
        self.spans.under(root)
    }

    /// The same way, for one pass: what is sent belongs to `traces` and is measured by `meter`.
    pub(crate) fn for_pass(
        &self,
        (traces, spans): (Traces, StageSpans),
        meter: Arc<SendMeter>,
    ) -> Self {
        Self {
            tx: self.tx.clone(),
            depth: self.depth.clone(),
            traces,
            spans,
            meter: Some(meter),
            worker: None,
        }
    }

    /// The same way, for a pass whose worker can be released before its end.
    pub(crate) fn with_worker(self, worker: HeldWorker) -> Self {
        Self {
            worker: Some(worker),
            ..self
        }
    }

    async fn send_with(&self, item: T, traces: Traces) -> Result<(), Closed<T>> {
        let mut waited = Duration::ZERO;
        // The place is reserved first: the depth must be counted before the envelope can be taken.
        let place = match self.tx.try_reserve() {
            Ok(place) => place,
            Err(TrySendError::Closed(())) => return Err(Closed(item)),
            Err(TrySendError::Full(())) => {
                let _waiting = self.meter.as_deref().map(Waiting::start);
                let began = Instant::now();
                let Ok(place) = self.tx.reserve().await else {
                    return Err(Closed(item));
                };
                waited = began.elapsed();
                place
            }
        };
        if let Some(meter) = &self.meter {
            meter.sent(waited);
        }
        let queued = Queued::enter(&self.depth);
        place.send(Envelope {
            item,
            traces,
            queued_at: Instant::now(),
            queued,
        });
        Ok(())
    }
}

impl<T> std::fmt::Debug for Outlet<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet")
            .field("free", &self.tx.capacity())
            .finish_non_exhaustive()
    }
}

/// Where a stage takes from.
pub struct Inlet<T> {
    rx: mpsc::Receiver<Envelope<T>>,
    meters: EdgeMeters,
}

impl<T> Inlet<T> {
    /// Takes an item by hand, to look at what a stage sent when it is tested without a flow. In a
    /// flow only the workers take, and they take a permit first.
    pub async fn take(&mut self) -> Option<T> {
        self.next().await.map(|taken| taken.item)
    }

    /// Waits for an item; `None` when every outlet is gone and nothing is left.
    pub(crate) async fn next(&mut self) -> Option<Taken<T>> {
        self.rx.recv().await.map(Envelope::open)
    }

    /// Takes an item that is there already.
    pub(crate) fn next_now(&mut self) -> Option<Taken<T>> {
        self.rx.try_recv().ok().map(Envelope::open)
    }

    /// The gauges of this edge.
    pub(crate) fn meters(&self) -> &EdgeMeters {
        &self.meters
    }
}

impl<T> std::fmt::Debug for Inlet<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inlet")
            .field("queued", &self.rx.len())
            .finish_non_exhaustive()
    }
}

/// The next stage is gone. Here is the item that was not sent.
pub struct Closed<T>(pub T);

impl<T> std::fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> std::fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the next stage is gone and the item was not sent")
    }
}

impl<T> std::error::Error for Closed<T> {}

/// An item on an edge. The fields are dropped in this order: the item before its traces.
struct Envelope<T> {
    item: T,
    traces: Traces,
    queued_at: Instant,
    queued: Queued,
}

impl<T> Envelope<T> {
    fn open(self) -> Taken<T> {
        drop(self.queued);
        Taken {
            item: self.item,
            traces: self.traces,
            queued: self.queued_at.elapsed(),
        }
    }
}

/// An item that was taken from an edge.
pub(crate) struct Taken<T> {
    pub item: T,
    pub traces: Traces,
    /// How long it was queued.
    pub queued: Duration,
}

/// One place of the depth.
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

/// Measures what one pass, or one source, sends.
pub(crate) struct SendMeter {
    wait: Histogram,
    given: Option<IntCounter>,
    waited_ns: AtomicU64,
}

impl SendMeter {
    /// Waits go to `wait`; what was sent is counted in `given`.
    pub(crate) fn new(wait: Histogram, given: Option<IntCounter>) -> Self {
        Self {
            wait,
            given,
            waited_ns: AtomicU64::new(0),
        }
    }

    /// All the time spent waiting for room so far.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns.load(Ordering::Relaxed))
    }

    fn sent(&self, waited: Duration) {
        self.wait.observe(waited.as_secs_f64());
        if let Some(given) = &self.given {
            given.inc();
        }
    }
}

/// Adds up a wait, also one that ends because its future is dropped.
struct Waiting<'a> {
    meter: &'a SendMeter,
    began: Instant,
}

impl<'a> Waiting<'a> {
    fn start(meter: &'a SendMeter) -> Self {
        Self {
            meter,
            began: Instant::now(),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.meter.waited_ns.fetch_add(ns, Ordering::Relaxed);
    }
}
