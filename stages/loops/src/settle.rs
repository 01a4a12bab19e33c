//! Settling launches of unknown outcome: finding out what runs, taking back what does not.
//!
//! Nothing is released before it is certain that it does not run. A host is asked once about all of its
//! launches, independently of other hosts: answers are acted upon as they arrive, and a silent host delays
//! nobody and is asked less and less often. The launches of this process and those that a dead one has
//! left behind ([`Reconcile`](crate::Reconcile)) are settled the same way.

mod late;
mod metrics;
mod spans;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_dispatch::{
    AskedHost, Found, PendingLaunch, PendingLaunches, Recorder, ask_about_launches,
};
use cue_domain::{FrameId, ProcId};
use cue_flow::{BoxError, Chain, Tick};
use cue_rqd::RqdClient;
use cue_store::{Store, StoreError, Unlaunched};
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tracing::Instrument;

use self::spans::{record_outcome, take_back_span};
use crate::outage::postpone;

pub use self::metrics::SettleMetrics;

/// Pause between two looks at what is due.
const EVERY: Duration = Duration::from_secs(1);

/// Hosts asked at once; those that answered last time come first.
const ASKED_AT_ONCE: usize = 512;

/// Bookings undone in one transaction.
const UNDONE_AT_ONCE: usize = 200;

/// Answers without a frame that show that it does not run.
const ABSENT_ANSWERS: u32 = 2;

/// Time that a host has to answer in the last look.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// Longest time of the last look.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// The loop that settles pending launches.
#[derive(Clone)]
pub struct Settle {
    store: Store,
    rqd: RqdClient,
    pending: Arc<PendingLaunches>,
    recorder: Recorder,
    metrics: SettleMetrics,
}

impl Settle {
    /// A loop over the pending launches of `recorder`.
    pub fn new(store: Store, rqd: RqdClient, recorder: Recorder, metrics: SettleMetrics) -> Self {
        Self {
            store,
            rqd,
            pending: recorder.pending(),
            recorder,
            metrics,
        }
    }

    /// Settles what is due, until no host is being asked. Launches that become due meanwhile are
    /// included, so one silent host does not hold up the others. A host has `limit` to answer.
    ///
    /// # Errors
    /// The database did not answer; the remaining launches are due again.
    async fn settle(&self, limit: Duration) -> Result<(), StoreError> {
        let mut asked = FuturesUnordered::new();
        let mut undoing = FuturesUnordered::new();
        let mut dead: Vec<PendingLaunch> = Vec::new();
        loop {
            for (host, launches) in self.due(asked.len()).await? {
                asked.push(self.ask(host, launches, limit).boxed());
            }
            for late in self.pending.take_late(Instant::now()) {
                asked.push(self.kill_late(late).map(|()| Vec::new()).boxed());
            }
            self.metrics.set_unresolved(self.pending.unresolved());
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
        let free = ASKED_AT_ONCE.saturating_sub(asked);
        let due = self.pending.take_due(Instant::now(), free);
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
    /// acknowledged; those without an answer are pending again.
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
        let asked = ask_about_launches(&self.rqd, &host.host, &frames, ABSENT_ANSWERS);
        let found = tokio::time::timeout(limit, asked).await.unwrap_or_default();
        host.answered = found.iter().any(|found| *found != Found::NoAnswer);
        let mut found = found.into_iter();
        let mut runs = false;
        for mut pending in open {
            match found.next() {
                Some(Found::Runs) => {
                    record_outcome(pending.launch(), "confirmed", None);
                    pending.acknowledged();
                    runs = true;
                }
                Some(Found::DoesNotRun) => {
                    pending.mark_dead();
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

    /// Takes back what does not run. A booking of which another session holds a row is due again, and the loop
    /// continues.
    async fn take_back(&self, dead: Vec<PendingLaunch>) -> Result<(), StoreError> {
        let bookings: Vec<Unlaunched> = dead
            .iter()
            .map(|pending| pending.launch().booking.clone())
            .collect();
        let span = take_back_span(&dead);
        let undo = self.store.undo(&bookings).instrument(span.clone());
        let undone = match undo.await {
            Ok(undone) => undone,
            Err(error) if error.class().is_outage() => return Err(error),
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
                "bookings whose launch no host acknowledged were taken back: they do not run"
            );
        }
        for pending in dead {
            if undone.postponed.contains(&pending.launch().booking.proc) {
                // Dropped, the launch is due again.
                continue;
            }
            let was_ours = undone.procs.contains(&pending.launch().booking.proc);
            if was_ours {
                record_outcome(pending.launch(), "taken_back", Some(&span));
            }
            pending.taken_back(was_ours);
        }
        Ok(())
    }

    /// A last look before the program ends: acknowledgements are recorded, every host is asked, and frames that
    /// do not run wait again. It takes a few seconds at most; what is left, another replica finds.
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

impl Tick for Settle {
    const NAME: &'static str = "settle";

    async fn tick(&self) -> Result<Duration, BoxError> {
        self.recorder.record_or_postpone().await;
        postpone(self.settle(Duration::MAX).await)?;
        Ok(EVERY)
    }
}
