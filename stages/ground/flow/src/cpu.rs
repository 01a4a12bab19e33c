//! The workers of a stage that computes: OS threads of its own, fed by a bounded channel.
//!
//! Invariant: an item enters the channel together with its permit, so there are never more items
//! in it than workers, and the async side never waits for room. Threads are told to leave through
//! the same channel, so none is interrupted, and all are joined before the stage's outlet drops.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use tokio::runtime::Handle;

use crate::StopToken;
use crate::crew::Permit;
use crate::edge::{Inlet, Outlet, Taken};
use crate::park::wait_here;
use crate::pass::{Pass, Post};
use crate::stage::CpuStage;
use crate::verdict::{BoxError, Panicked};
use crate::workers::{Next, Taker};

/// The most threads of one stage.
pub(crate) const MOST_THREADS: usize = 256;

/// Runs a computing stage until its inlet is closed and its items are done, or it is aborted.
pub(crate) async fn run<S: CpuStage>(
    stage: S,
    inlet: Inlet<S::In>,
    out: Outlet<S::Out>,
    post: Arc<Post>,
) -> Result<(), BoxError> {
    let taker = Taker::new(inlet, Arc::clone(&post));
    let mut threads = Threads::new(Desk {
        stage,
        out,
        post: Arc::clone(&post),
    });
    let fed = tokio::select! {
        biased;
        () = post.fate.abort.cancelled() => {
            threads.discard();
            Ok(())
        }
        fed = feed(taker, &mut threads) => fed,
    };
    threads.join().await;
    fed
}

async fn feed<S: CpuStage>(
    mut taker: Taker<S::In>,
    threads: &mut Threads<S>,
) -> Result<(), BoxError> {
    threads.fit()?;
    loop {
        match taker.next().await {
            Next::Item(mut permit, taken) => {
                permit.work();
                threads.hand_over(Order::Handle(taken, permit))?;
            }
            Next::Resized => threads.fit()?,
            Next::Closed => break,
        }
    }
    // Whoever still sends learns at once that nothing more is taken here.
    drop(taker);
    threads.done().await;
    Ok(())
}

/// What is said to the threads.
enum Order<T> {
    Handle(Taken<T>, Permit),
    Leave,
}

/// Why a computing stage cannot go on.
#[derive(Debug, thiserror::Error)]
enum CpuError {
    #[error("cannot start a thread; allow this process more of them")]
    Spawn(#[source] std::io::Error),
    #[error("the threads take no orders, though there is a permit for each; this is a defect")]
    NoOrders,
}

/// A stage with its outlet, shared by its threads.
struct Desk<S: CpuStage> {
    stage: S,
    out: Outlet<S::Out>,
    post: Arc<Post>,
}

struct Threads<S: CpuStage> {
    desk: Arc<Desk<S>>,
    orders: Option<Sender<Order<S::In>>>,
    taken_by_threads: Receiver<Order<S::In>>,
    hands: Vec<Hand>,
    /// How many threads there will be when all orders have been followed.
    alive: usize,
    started: usize,
}

/// A thread, and the sign that it has nothing left to do but to exit.
struct Hand {
    leaving: StopToken,
    thread: JoinHandle<()>,
}

impl<S: CpuStage> Threads<S> {
    fn new(desk: Desk<S>) -> Self {
        // Room for an item and a word of leave to each thread there can be.
        let (orders, taken_by_threads) = crossbeam_channel::bounded(2 * MOST_THREADS);
        let desk = Arc::new(desk);
        Self {
            desk,
            orders: Some(orders),
            taken_by_threads,
            hands: Vec::new(),
            alive: 0,
            started: 0,
        }
    }

    /// Brings the number of threads to that of the crew. With at least one thread, one that cannot
    /// be started is logged: its permit's items are handled by the others.
    fn fit(&mut self) -> Result<(), CpuError> {
        let wanted = self.desk.post.crew.workers();
        while self.alive > wanted {
            self.hand_over(Order::Leave)?;
            self.alive -= 1;
        }
        while self.alive < wanted {
            match self.start() {
                Ok(hand) => self.hands.push(hand),
                Err(error) if self.alive == 0 => return Err(CpuError::Spawn(error)),
                Err(error) => {
                    let (stage, alive) = (self.desk.post.name, self.alive);
                    tracing::warn!(
                        stage,
                        error = %error,
                        "{stage} stays at {alive} threads of {wanted}: {error}"
                    );
                    break;
                }
            }
            self.alive += 1;
        }
        for hand in self
            .hands
            .extract_if(.., |hand| hand.leaving.is_cancelled())
        {
            hand.join(&self.desk.post);
        }
        Ok(())
    }

    fn start(&mut self) -> std::io::Result<Hand> {
        let leaving = StopToken::new();
        let sign = leaving.clone().drop_guard();
        let desk = Arc::clone(&self.desk);
        let orders = self.taken_by_threads.clone();
        let runtime = Handle::current();
        let name = format!("{}-{}", S::NAME, self.started);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            // Declared first, so it is dropped last: the sign means that all else is gone.
            let _sign = sign;
            let _context = runtime.enter();
            follow(desk, orders);
        })?;
        self.started += 1;
        Ok(Hand { leaving, thread })
    }

    fn hand_over(&self, order: Order<S::In>) -> Result<(), CpuError> {
        let orders = self.orders.as_ref().ok_or(CpuError::NoOrders)?;
        orders.try_send(order).map_err(|_| CpuError::NoOrders)
    }

    /// Gives no more orders and waits until those given have been followed.
    async fn done(&mut self) {
        self.orders = None;
        for hand in &self.hands {
            hand.leaving.cancelled().await;
        }
    }

    /// Drops the orders which no thread has begun to follow.
    fn discard(&mut self) {
        self.orders = None;
        while self.taken_by_threads.try_recv().is_ok() {}
    }

    /// Waits for the threads and joins them. The wait is async: a thread that never leaves must
    /// hold up neither the runtime nor its end.
    async fn join(mut self) {
        self.done().await;
        for hand in self.hands.drain(..) {
            hand.join(&self.desk.post);
        }
    }
}

impl Hand {
    /// Joins a thread that is leaving, so this takes no time.
    fn join(self, post: &Post) {
        if let Err(payload) = self.thread.join() {
            post.die(Panicked::from_payload(payload.as_ref()).into());
        }
    }
}

/// The life of a thread.
fn follow<S: CpuStage>(desk: Arc<Desk<S>>, orders: Receiver<Order<S::In>>) {
    while let Ok(Order::Handle(taken, permit)) = orders.recv() {
        // A panic in `handle` is caught in its pass; one that arrives here is the runtime's own,
        // and a thread must not die of it unseen.
        let passed = catch_unwind(AssertUnwindSafe(|| pass(&desk, taken, permit)));
        if let Err(payload) = passed {
            desk.post
                .die(Panicked::from_payload(payload.as_ref()).into());
        }
    }
}

fn pass<S: CpuStage>(desk: &Desk<S>, taken: Taken<S::In>, permit: Permit) {
    let Taken {
        item,
        traces,
        queued,
    } = taken;
    let pass = Pass::begin(&desk.post, &[(traces, queued)]);
    let outlet = pass.outlet(&desk.out);
    let outcome = pass
        .span()
        .in_scope(|| catch_unwind(AssertUnwindSafe(|| desk.stage.handle(item, &outlet))));
    drop(outlet);
    if let Some(delay) = pass.end(outcome) {
        wait_here(desk.post.rest(delay));
    }
    drop(permit);
}
