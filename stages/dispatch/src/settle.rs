//! Settling launches of unknown outcome: finding out what runs, taking back what does not.
//!
//! Nothing is released before it is certain that it does not run. A host is asked once about all of its
//! launches, by itself: what hosts answer is acted upon as it comes, and one that is silent delays
//! nobody and is asked less and less often. The launches of this process and those that a dead one has
//! left behind ([`Reconcile`](crate::Reconcile)) are settled the same way.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::{FrameId, ProcId};
use cue_flow::{BoxError, Chain, Tick};
use cue_rqd::{KillOutcome, Presence, RqdClient};
use cue_store::{Store, StoreError, Trouble, Unlaunched};
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use crate::acknowledge::Recorder;
use crate::metrics::DispatchMetrics;
use crate::pending::{Launch, PendingLaunch, PendingLaunches};
use crate::question::{AskedHost, LateQuestion};
use crate::resolve::{self, Found};

/// Pause between two looks at what is due.
const EVERY: Duration = Duration::from_secs(1);

/// Hosts asked at once; those that answered last time come first.
const ASKED_AT_ONCE: usize = 512;

/// Bookings undone in one transaction.
const UNDONE_AT_ONCE: usize = 200;

/// Time that a host has to answer in the last look.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// Time that a last look at the end of the program takes at most.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// Time in which a listed frame has its process. The Python RQD lists a frame before, and to kill the
/// frame then kills the daemon and not the frame: its process id is 0 until then.
const BEGINS_WITHIN: Duration = Duration::from_secs(1);

/// The loop that settles pending launches.
#[derive(Clone)]
pub struct Settle {
    pub(crate) store: Store,
    pub(crate) pending: Arc<PendingLaunches>,
    rqd: RqdClient,
    recorder: Recorder,
    metrics: DispatchMetrics,
}

impl Settle {
    pub(crate) const fn new(
        store: Store,
        rqd: RqdClient,
        pending: Arc<PendingLaunches>,
        recorder: Recorder,
        metrics: DispatchMetrics,
    ) -> Self {
        Self {
            store,
            pending,
            rqd,
            recorder,
            metrics,
        }
    }

    /// Settles what is due, until no host is being asked. Launches that become due meanwhile are
    /// included, so one silent host does not hold up the others. A host has `limit` to answer.
    ///
    /// # Errors
    /// The database did not answer; what is left is due again.
    async fn settle(&self, limit: Duration) -> Result<(), StoreError> {
        let mut asked = FuturesUnordered::new();
        let mut undoing = FuturesUnordered::new();
        let mut dead: Vec<PendingLaunch> = Vec::new();
        loop {
            for (host, launches) in self.due(asked.len()).await? {
                asked.push(self.ask(host, launches, limit).boxed());
            }
            for late in self.pending.take_late(Instant::now()) {
                asked.push(self.kill_late(late).boxed());
            }
            self.show();
            if undoing.is_empty() && !dead.is_empty() {
                let part = dead.split_off(dead.len().saturating_sub(UNDONE_AT_ONCE));
                undoing.push(self.take_back(part));
            }
            if asked.is_empty() && undoing.is_empty() {
                return Ok(());
            }
            tokio::select! {
                Some(undone) = undoing.next() => undone?,
                Some(found) = asked.next() => dead.extend(found),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// The launches that are due, by host, without those whose proc is gone.
    async fn due(&self, asked: usize) -> Result<Vec<(AskedHost, Vec<PendingLaunch>)>, StoreError> {
        let room = ASKED_AT_ONCE.saturating_sub(asked);
        let due = self.pending.take_due(Instant::now(), room);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let launches = due.iter().flat_map(|(_, launches)| launches);
        let procs: Vec<ProcId> = launches
            .map(|pending| pending.launch().booking.proc.clone())
            .collect();
        let there = self.store.existing_procs(&procs).await?;
        let mut kept = Vec::with_capacity(due.len());
        for (host, launches) in due {
            let (there, gone): (Vec<_>, Vec<_>) = launches
                .into_iter()
                .partition(|pending| there.contains(&pending.launch().booking.proc));
            gone.into_iter().for_each(PendingLaunch::gone);
            kept.push((host, there));
        }
        Ok(kept)
    }

    /// Asks a host about its launches and returns those that do not run. Those that run are
    /// acknowledged; those of which nothing is known are pending again.
    async fn ask(
        &self,
        mut host: AskedHost,
        launches: Vec<PendingLaunch>,
        limit: Duration,
    ) -> Vec<PendingLaunch> {
        let (mut dead, open): (Vec<_>, Vec<_>) = launches
            .into_iter()
            .partition(|pending| pending.launch().dead);
        if open.is_empty() {
            return dead;
        }
        let frame = |pending: &PendingLaunch| {
            let Unlaunched { frame, proc, .. } = &pending.launch().booking;
            (frame.clone(), proc.clone())
        };
        let frames: Vec<(FrameId, ProcId)> = open.iter().map(frame).collect();
        let asked = resolve::ask(&self.rqd, &host.host, &frames, 2);
        let found = tokio::time::timeout(limit, asked).await.unwrap_or_default();
        host.answered = found.iter().any(|found| *found != Found::NoAnswer);
        let mut found = found.into_iter();
        let mut runs = false;
        for mut pending in open {
            match found.next() {
                Some(Found::Runs) => {
                    show_outcome(pending.launch(), "confirmed");
                    pending.acknowledged();
                    runs = true;
                }
                Some(Found::DoesNotRun) => {
                    pending.launch_mut().dead = true;
                    dead.push(pending);
                }
                Some(Found::NoAnswer) | None => drop(pending),
            }
        }
        if runs {
            self.recorder.record_or_postpone().await;
        }
        dead
    }

    /// Takes back what does not run, all in one transaction. Where somebody holds a row of it, all of it
    /// is due again, and the loop goes on.
    async fn take_back(&self, dead: Vec<PendingLaunch>) -> Result<(), StoreError> {
        let bookings: Vec<Unlaunched> = dead
            .iter()
            .map(|pending| pending.launch().booking.clone())
            .collect();
        let undone = match self.store.undo(&bookings).await {
            Ok(undone) => undone,
            Err(error) if error.trouble() == Trouble::Unavailable => return Err(error),
            Err(error) => {
                tracing::warn!(
                    error = %Chain(&error),
                    bookings = bookings.len(),
                    "bookings that do not run cannot be taken back yet; trying again"
                );
                return Ok(());
            }
        };
        self.metrics.undone.inc_by(undone.procs.len() as u64);
        if !undone.procs.is_empty() {
            tracing::warn!(
                bookings = undone.procs.len(),
                "bookings whose launch no host had acknowledged were taken back, for it does not run"
            );
        }
        for pending in dead {
            let was_ours = undone.procs.contains(&pending.launch().booking.proc);
            if was_ours {
                show_outcome(pending.launch(), "taken_back");
            }
            pending.taken_back(was_ours);
        }
        Ok(())
    }

    /// Kills launches that were taken back and run after all.
    async fn kill_late(&self, mut late: LateQuestion) -> Vec<PendingLaunch> {
        let running = self.run_late(&late.host, &late.launches).await;
        late.answered = running.is_some();
        let running = running.unwrap_or_default();
        if !running.is_empty() {
            tokio::time::sleep(BEGINS_WITHIN).await;
            let still = self.run_late(&late.host, &running).await;
            late.answered = still.is_some();
            for launch in still.unwrap_or_default() {
                self.kill(&late.host, &launch).await;
            }
        }
        Vec::new()
    }

    /// Those of the launches that the host lists; `None` if it does not answer.
    async fn run_late(&self, host: &str, launches: &[Launch]) -> Option<Vec<Launch>> {
        let frames = self.rqd.running_frames(host).await.ok()?;
        let runs = |launch: &&Launch| {
            let Unlaunched { frame, proc, .. } = &launch.booking;
            frames.presence(frame.as_str()) == Presence::RunsAs(proc.as_str())
        };
        Some(launches.iter().filter(runs).cloned().collect())
    }

    async fn kill(&self, host: &str, launch: &Launch) {
        let Unlaunched { frame, proc, .. } = &launch.booking;
        let why = "its launch arrived after its booking had been taken back";
        let killed = self.rqd.kill(host, frame.as_str(), why).await;
        let is_killed = matches!(killed, Ok(KillOutcome::Killed));
        if is_killed {
            self.metrics.late_killed.inc();
            show_outcome(launch, "killed");
        }
        tracing::warn!(host, frame.id = %frame, proc.id = %proc, killed = ?killed, "a frame ran without a booking: {why}");
    }

    fn show(&self) {
        let unresolved = i64::try_from(self.pending.unresolved()).unwrap_or(i64::MAX);
        self.metrics.unresolved.set(unresolved);
    }

    /// A last look before the program ends: acknowledgements are recorded, every host is asked, and what
    /// does not run waits again. It takes a few seconds at most, for a silent host has no more to say; what
    /// is left, another replica finds.
    pub async fn last_look(&self) {
        self.recorder.record_or_postpone().await;
        self.pending.all_due(Instant::now());
        let settle = async {
            if self.pending.unresolved() > 0 {
                self.settle(LAST_ANSWER).await?;
            }
            self.recorder.record().await
        };
        match select(pin!(settle), pin!(tokio::time::sleep(LAST_LOOK))).await {
            Either::Left((Ok(()), _)) => {}
            Either::Left((Err(error), _)) => tracing::warn!(
                error = %Chain(&error),
                "database unavailable, open launches are left to other replicas"
            ),
            Either::Right(_) => tracing::warn!(
                unresolved = self.pending.unresolved(),
                "hosts do not answer, open launches are left to other replicas"
            ),
        }
    }
}

/// Records in the trace of the launch what it came to, once: a host that does not answer is asked again
/// and again, and would fill the trace. A booking of another process has no trace here.
fn show_outcome(launch: &Launch, outcome: &'static str) {
    if launch.trace.is_nowhere() {
        return;
    }
    let span = tracing::info_span!(
        "settle",
        frame.id = %launch.booking.frame,
        proc.id = %launch.booking.proc,
        server.address = %launch.host,
        outcome,
    );
    launch.trace.adopt(&span);
}

impl Tick for Settle {
    const NAME: &'static str = "settle";

    async fn tick(&self) -> Result<Duration, BoxError> {
        self.recorder.record_or_postpone().await;
        go_on_while_away(self.settle(Duration::MAX).await)?;
        Ok(EVERY)
    }
}

/// While the database is away the loops keep their pace, so that they are there when it is back: the
/// breaker before it makes asking cheap, and says aloud that it is away.
pub(crate) fn go_on_while_away(answer: Result<(), StoreError>) -> Result<(), StoreError> {
    match answer {
        Err(error) if error.trouble() == Trouble::Unavailable => {
            tracing::debug!(
                error = %Chain(&error),
                "database unavailable, postponing what is left to do"
            );
            Ok(())
        }
        answer => answer,
    }
}
