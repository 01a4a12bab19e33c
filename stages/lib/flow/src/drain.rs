//! The end of a flow: waits for the parts, and aborts those that are late.
//!
//! Invariant: no part outlives a drain unreported. Parts that have not ended when the grace is over are aborted and
//! named.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::control::{StageRegistry, StageStatus};
use crate::shutdown::ShutdownState;
use crate::verdict::BoxError;

/// Period of the log line that names the parts a drain waits for.
pub(crate) const REMIND_EVERY: Duration = Duration::from_secs(5);

/// Time for aborted parts to drop their values.
const ABORT_TIME: Duration = Duration::from_secs(1);

/// Outcome of a drain.
#[derive(Debug)]
pub struct DrainReport {
    /// Parts that had not ended when the grace was over and had items, in the order of the flow. Parts that only
    /// waited for these are not named.
    pub laggards: Vec<&'static str>,
    /// The part and error that stopped the program.
    pub fatal: Option<(&'static str, BoxError)>,
}

/// Reason for which a flow ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All sources and stages have ended in good order.
    Finished,
    /// A part has died. The drain report names it.
    Died,
}

/// Waits for the tasks of all parts, aborts those that have not ended after the grace, and names them.
pub(crate) async fn drain(
    mut tasks: JoinSet<()>,
    registry: &StageRegistry,
    shutdown: &ShutdownState,
    (grace, remind_every): (Duration, Duration),
) -> DrainReport {
    let mut laggards = Vec::new();
    if !ended_within(&mut tasks, registry, grace, remind_every).await {
        laggards = holdouts(registry).iter().map(|part| part.name).collect();
        let list = laggards.join(", ");
        tracing::error!(
            laggards = list,
            "aborting what has not ended after {grace:?}: {list}"
        );
        shutdown.abort.cancel();
        // A part that is stuck outside of any await cannot be aborted.
        let torn_down = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(ABORT_TIME, torn_down).await.is_err() {
            let list = describe(&holdouts(registry));
            tracing::error!(
                laggards = list,
                "left behind, because they do not yield: {list}"
            );
        }
    }
    DrainReport {
        laggards,
        fatal: shutdown.cause().take(),
    }
}

async fn ended_within(
    tasks: &mut JoinSet<()>,
    registry: &StageRegistry,
    grace: Duration,
    remind_every: Duration,
) -> bool {
    let began = Instant::now();
    let grace_over = tokio::time::sleep(grace);
    tokio::pin!(grace_over);
    let mut reminder = interval_at(began + remind_every, remind_every);
    reminder.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            ended = tasks.join_next() => if ended.is_none() { return true },
            () = &mut grace_over => return false,
            _ = reminder.tick() => {
                let running = describe(&holdouts(registry));
                let elapsed_s = began.elapsed().as_secs();
                tracing::info!(running, elapsed_s, "draining, still running: {running}");
            }
        }
    }
}

/// The parts that delay the end: those that handle items or have some queued. The others only wait for their inlets to
/// close. If none has items, returns all that run.
fn holdouts(registry: &StageRegistry) -> Vec<StageStatus> {
    let mut running = registry.running();
    let holds = |part: &StageStatus| part.busy + part.queue_depth > 0;
    if running.iter().any(holds) {
        running.retain(holds);
    }
    running
}

fn describe(parts: &[StageStatus]) -> String {
    let line = |p: &StageStatus| format!("{} ({} busy, {} queued)", p.name, p.busy, p.queue_depth);
    parts.iter().map(line).collect::<Vec<_>>().join(", ")
}
