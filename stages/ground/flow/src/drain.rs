//! The end of a flow: who still runs, for how long, and what killed it.
//!
//! Invariant: nothing outlives a drain unnamed. What has not ended by itself when the grace is
//! over is aborted and reported. The first cause of death is the one that is kept: that a stage
//! could not hand on to a dead one is a consequence, and gives way to the cause.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::StopToken;
use crate::control::{Board, Kind, StageStatus};
use crate::verdict::{BoxError, Chain, StageGone};

/// How often a drain says what it waits for.
pub(crate) const REMIND_EVERY: Duration = Duration::from_secs(5);

/// How long aborted parts have to drop what they hold.
const ABORT_TIME: Duration = Duration::from_secs(1);

/// How a drain went.
#[derive(Debug)]
pub struct DrainReport {
    /// Parts that had not ended when the grace was over, in the order of the flow: those with
    /// something in hand or queued. Parts that only waited for these are not named.
    pub laggards: Vec<&'static str>,
    /// What stopped the program, and in which part.
    pub fatal: Option<(&'static str, BoxError)>,
}

/// Why a flow has ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All sources and stages have ended in good order.
    Finished,
    /// A part has died. The drain report will name it.
    Died,
}

/// What all parts of a flow share about its end.
#[derive(Default)]
pub(crate) struct Fate {
    /// Sources and ticks are to stop.
    pub stop: StopToken,
    /// A part has died.
    pub died: StopToken,
    /// The grace is over.
    pub abort: StopToken,
    cause: Mutex<Option<(&'static str, BoxError)>>,
}

impl Fate {
    /// Stops the program because of an error in part `name`.
    pub(crate) fn fail(&self, name: &'static str, error: BoxError) {
        if self.abort.is_cancelled() {
            // Parts that are torn down in no order see each other go; that is no cause of death.
            return;
        }
        log_failure(name, &error);
        let mut cause = self.cause();
        let consequence = |error: &BoxError| error.is::<StageGone>();
        let better = cause.as_ref().is_none_or(|(_, known)| consequence(known));
        if better && !(cause.is_some() && consequence(&error)) {
            *cause = Some((name, error));
        }
        drop(cause);
        self.died.cancel();
        self.stop.cancel();
    }

    pub(crate) fn cause(&self) -> MutexGuard<'_, Option<(&'static str, BoxError)>> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_failure(name: &'static str, error: &BoxError) {
    let chain = Chain::of(error);
    if error.is::<StageGone>() {
        tracing::warn!(stage = name, error = %chain, "{name} ends: {chain}");
    } else {
        tracing::error!(stage = name, error = %chain, "{name} stops the program: {chain}");
    }
}

/// The tasks of the parts that have not ended.
#[derive(Default)]
pub(crate) struct Running {
    tasks: JoinSet<()>,
    parts: HashMap<Id, (&'static str, Kind)>,
}

impl Running {
    pub(crate) fn spawn<F>(&mut self, name: &'static str, kind: Kind, part: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = self.tasks.spawn(part);
        self.parts.insert(handle.id(), (name, kind));
    }

    /// Waits until a part has ended; `None` when none is left.
    async fn next(&mut self) -> Option<()> {
        // A part catches its own panics, so the id is all that is of interest.
        let id = match self.tasks.join_next_with_id().await? {
            Ok((id, ())) => id,
            Err(error) => error.id(),
        };
        self.parts.remove(&id);
        Some(())
    }

    /// Waits until all sources and stages have ended.
    pub(crate) async fn line_ended(&mut self) {
        while self.parts.values().any(|(_, kind)| *kind != Kind::Tick) {
            if self.next().await.is_none() {
                break;
            }
        }
    }

    /// Waits for all parts, aborts those that have not ended after the grace, and names them.
    pub(crate) async fn drain(
        mut self,
        board: &Board,
        fate: &Fate,
        (grace, remind_every): (Duration, Duration),
    ) -> DrainReport {
        let mut laggards = Vec::new();
        if !self.ended_within(board, grace, remind_every).await {
            laggards = names(&self.holdouts(board));
            let list = laggards.join(", ");
            tracing::error!(
                laggards = list,
                "aborting what has not ended after {grace:?}: {list}"
            );
            fate.abort.cancel();
            // A part that is stuck outside of any await cannot be aborted, only left behind.
            let torn_down = async { while self.next().await.is_some() {} };
            if tokio::time::timeout(ABORT_TIME, torn_down).await.is_err() {
                let list = names(&self.holdouts(board)).join(", ");
                tracing::error!(
                    laggards = list,
                    "left behind, for they do not yield: {list}"
                );
            }
        }
        DrainReport {
            laggards,
            fatal: fate.cause().take(),
        }
    }

    async fn ended_within(
        &mut self,
        board: &Board,
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
                ended = self.next() => if ended.is_none() { return true },
                () = &mut grace_over => return false,
                _ = reminder.tick() => {
                    let running = describe(&self.holdouts(board));
                    let elapsed_s = began.elapsed().as_secs();
                    tracing::info!(running, elapsed_s, "draining, still running: {running}");
                }
            }
        }
    }

    /// The parts that hold up the end: they have something in hand or queued. The others only wait
    /// for their inlets to close. When nobody admits to holding anything, all that run are given.
    fn holdouts(&self, board: &Board) -> Vec<StageStatus> {
        let parts = board.parts();
        let runs = |name: &str| self.parts.values().any(|(running, _)| *running == name);
        let running: Vec<StageStatus> = parts
            .iter()
            .filter(|part| runs(part.name))
            .map(|part| part.status())
            .collect();
        let holds = |part: &StageStatus| part.busy + part.queue_depth > 0;
        if running.iter().any(holds) {
            running.into_iter().filter(holds).collect()
        } else {
            running
        }
    }
}

fn names(parts: &[StageStatus]) -> Vec<&'static str> {
    parts.iter().map(|part| part.name).collect()
}

fn describe(parts: &[StageStatus]) -> String {
    let one = |p: &StageStatus| format!("{} ({} busy, {} queued)", p.name, p.busy, p.queue_depth);
    parts.iter().map(one).collect::<Vec<_>>().join(", ")
}
