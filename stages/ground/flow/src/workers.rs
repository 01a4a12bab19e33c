//! The workers of an async stage: one taker owns the inlet, one task is spawned an item or batch.
//!
//! Invariant: the taker holds a permit before it takes an item, and the item's task holds it until
//! the item's verdict has been acted upon, or the stage has released its worker early. The taker ends when the inlet closes; the stage ends
//! when its tasks have ended too, and only then its outlet is dropped.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use crate::crew::{HeldWorker, Permit};
use crate::edge::{Inlet, Outlet, Taken};
use crate::pass::{Pass, Post};
use crate::stage::{BatchStage, Stage};
use crate::verdict::{Panicked, Verdict};

/// Runs an async stage until its inlet is closed and its items are done, or it is aborted.
pub(crate) async fn run<W: Work>(
    work: W,
    inlet: Inlet<W::In>,
    out: Outlet<W::Out>,
    post: Arc<Post>,
) {
    let desk = Arc::new(Desk { work, out, post });
    let mut items = JoinSet::new();
    let taker = Taker::new(inlet, Arc::clone(&desk.post));
    let aborted = tokio::select! {
        biased;
        () = desk.post.fate.abort.cancelled() => true,
        () = feed(&desk, taker, &mut items) => false,
    };
    if aborted {
        items.shutdown().await;
    }
}

/// What a worker does with what it took: the one shape of [`Stage`] and [`BatchStage`].
pub(crate) trait Work: Send + Sync + 'static {
    type In: Send + 'static;
    type Out: Send + 'static;

    /// How many items may join the first one.
    fn company(&self) -> usize;

    fn run(
        &self,
        first: Self::In,
        company: Vec<Self::In>,
        out: &Outlet<Self::Out>,
    ) -> impl Future<Output = Verdict> + Send;
}

/// One item a pass.
pub(crate) struct One<S>(pub S);

impl<S: Stage> Work for One<S> {
    type In = S::In;
    type Out = S::Out;

    fn company(&self) -> usize {
        0
    }

    async fn run(&self, first: S::In, _company: Vec<S::In>, out: &Outlet<S::Out>) -> Verdict {
        self.0.handle(first, out).await
    }
}

/// A batch a pass.
pub(crate) struct Many<S>(pub S);

impl<S: BatchStage> Work for Many<S> {
    type In = S::In;
    type Out = S::Out;

    fn company(&self) -> usize {
        self.0.max_batch().saturating_sub(1)
    }

    async fn run(&self, first: S::In, mut company: Vec<S::In>, out: &Outlet<S::Out>) -> Verdict {
        company.insert(0, first);
        self.0.handle(company, out).await
    }
}

/// Takes for a stage: a permit, then an item.
pub(crate) struct Taker<T> {
    inlet: Inlet<T>,
    post: Arc<Post>,
}

/// What a taker came back with.
pub(crate) enum Next<T> {
    /// A worker, and the item for it.
    Item(Permit, Taken<T>),
    /// The crew was resized. Nothing was taken.
    Resized,
    /// Nothing more will be taken.
    Closed,
}

impl<T> Taker<T> {
    pub(crate) fn new(inlet: Inlet<T>, post: Arc<Post>) -> Self {
        Self { inlet, post }
    }

    /// The next item, once there is a worker for it. Nothing is lost when this is dropped.
    pub(crate) async fn next(&mut self) -> Next<T> {
        let Post { crew, halt, .. } = self.post.as_ref();
        let permit = tokio::select! {
            biased;
            () = halt.cancelled() => return Next::Closed,
            () = crew.resized() => return Next::Resized,
            permit = crew.permit() => permit,
        };
        tokio::select! {
            biased;
            () = halt.cancelled() => Next::Closed,
            () = crew.resized() => Next::Resized,
            taken = self.inlet.next() => match taken {
                Some(taken) => Next::Item(permit, taken),
                None => Next::Closed,
            },
        }
    }

    /// Up to `most` items that are queued by now.
    fn company(&mut self, most: usize) -> Vec<Taken<T>> {
        std::iter::from_fn(|| self.inlet.next_now())
            .take(most)
            .collect()
    }
}

/// A stage with its outlet, shared by the tasks of its items.
struct Desk<W: Work> {
    work: W,
    out: Outlet<W::Out>,
    post: Arc<Post>,
}

async fn feed<W: Work>(desk: &Arc<Desk<W>>, mut taker: Taker<W::In>, items: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            biased;
            Some(ended) = items.join_next() => check(&desk.post, ended),
            next = taker.next() => match next {
                Next::Item(mut permit, first) => {
                    permit.work();
                    let company = taker.company(desk.work.company());
                    items.spawn(pass(Arc::clone(desk), permit, first, company));
                }
                Next::Resized => {}
                Next::Closed => break,
            },
        }
    }
    // Whoever still sends learns at once that nothing more is taken here.
    drop(taker);
    while let Some(ended) = items.join_next().await {
        check(&desk.post, ended);
    }
}

/// A panic in `handle` is caught in its pass; one that arrives here is the runtime's own.
fn check(post: &Post, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(payload) = error.try_into_panic()
    {
        post.die(Panicked::from_payload(payload.as_ref()).into());
    }
}

async fn pass<W: Work>(
    desk: Arc<Desk<W>>,
    permit: Permit,
    first: Taken<W::In>,
    company: Vec<Taken<W::In>>,
) {
    let mut waits = Vec::with_capacity(1 + company.len());
    waits.push((first.traces, first.queued));
    let mut others = Vec::with_capacity(company.len());
    for taken in company {
        waits.push((taken.traces, taken.queued));
        others.push(taken.item);
    }
    let pass = Pass::begin(&desk.post, &waits);
    drop(waits);

    let worker = HeldWorker::new(permit);
    let outlet = pass.outlet(&desk.out).with_worker(worker.clone());
    let handled = desk.work.run(first.item, others, &outlet);
    let outcome = AssertUnwindSafe(handled)
        .catch_unwind()
        .instrument(pass.span())
        .await;
    drop(outlet);
    if let Some(delay) = pass.end(outcome) {
        desk.post.rest(delay).await;
    }
    worker.release();
}
