//! The workers of a stage: one receiver owns the inlet and spawns one task for each item.
//!
//! Invariant: the receiver holds a permit before it takes an item, and the item's task holds the permit until the
//! item's verdict has been acted upon, or the stage has released its worker early. The receiver ends when the inlet
//! closes. The stage ends when its tasks have ended too, and only then its outlet is dropped.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;
use tokio::task::{JoinError, JoinSet};

use crate::context::{Kind, StageContext};
use crate::edge::{Inlet, Outlet, Taken};
use crate::pass::{Outcome, Pass};
use crate::stage::Stage;
use crate::verdict::{Panicked, Verdict};
use crate::worker_pool::{HeldWorker, Permit};

/// A stage with its outlet, shared by the tasks of its items.
struct Runner<S: Stage> {
    stage: S,
    out: Outlet<S::Out>,
    context: Arc<StageContext>,
}

/// Runs a stage until its inlet is closed and its items are done, or the stage is aborted.
pub(crate) async fn run<S: Stage>(
    stage: S,
    inlet: Inlet<S::In>,
    out: Outlet<S::Out>,
    context: Arc<StageContext>,
) {
    let runner = Arc::new(Runner {
        stage,
        out,
        context,
    });
    let mut items = JoinSet::new();
    let is_aborted = tokio::select! {
        biased;
        () = runner.context.shutdown.abort.cancelled() => true,
        () = feed(&runner, inlet, &mut items) => false,
    };
    // A pass that computes cannot be interrupted, and is waited for.
    if is_aborted && runner.context.kind != Kind::Cpu {
        items.abort_all();
    }
    while items.join_next().await.is_some() {}
}

async fn feed<S: Stage>(runner: &Arc<Runner<S>>, mut inlet: Inlet<S::In>, items: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            biased;
            Some(ended) = items.join_next() => check(&runner.context, ended),
            next = next(&mut inlet, &runner.context) => match next {
                Some((mut permit, taken)) => {
                    permit.work();
                    items.spawn(pass(Arc::clone(runner), permit, taken));
                }
                None => break,
            },
        }
    }
    // Senders learn at once that nothing more is taken here.
    drop(inlet);
    while let Some(ended) = items.join_next().await {
        check(&runner.context, ended);
    }
}

/// The next item with the permit of its worker; `None` when nothing more will be taken. A future that is dropped
/// loses nothing.
async fn next<T>(inlet: &mut Inlet<T>, context: &StageContext) -> Option<(Permit, Taken<T>)> {
    let StageContext { pool, halt, .. } = context;
    loop {
        let permit = tokio::select! {
            biased;
            () = halt.cancelled() => return None,
            () = pool.resized() => continue,
            permit = pool.permit() => permit,
        };
        tokio::select! {
            biased;
            () = halt.cancelled() => return None,
            // The permit may be owed to a pool that shrank, and is given up.
            () = pool.resized() => {}
            taken = inlet.next() => return taken.map(|taken| (permit, taken)),
        }
    }
}

/// Ends the program after a panic outside of `handle`, which is a defect of the runtime.
fn check(context: &StageContext, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(payload) = error.try_into_panic()
    {
        context.die(Panicked::from_payload(payload.as_ref()).into());
    }
}

async fn pass<S: Stage>(runner: Arc<Runner<S>>, permit: Permit, taken: Taken<S::In>) {
    let pass = Pass::begin(&runner.context, taken.trace, taken.queued);
    let worker = HeldWorker::new(permit);
    let outlet = pass.outlet(&runner.out, worker.clone());
    let outcome = handled(&pass, runner.stage.handle(taken.item, &outlet)).await;
    drop(outlet);
    if let Some(delay) = pass.end(outcome) {
        runner.context.back_off(delay).await;
    }
    worker.release();
}

/// Runs the work of a pass. Each poll enters the span of that moment, and a poll in which it changed is followed by
/// another at once.
async fn handled(pass: &Pass, handling: impl Future<Output = Verdict>) -> Outcome {
    let mut handling = pin!(AssertUnwindSafe(handling).catch_unwind());
    poll_fn(|context| {
        loop {
            let poll = pass.span().in_scope(|| handling.as_mut().poll(context));
            if poll.is_ready() || !pass.has_changed_span() {
                return poll;
            }
        }
    })
    .await
}
