//! Settling debts: finding out what runs, taking back what does not.
//!
//! Nothing is released before it is certain that it does not run. The same examination serves the
//! debts of this process ([`Settle`]) and the bookings that a dead one has left behind
//! ([`Reconcile`]).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cue_domain::{Lease, ProcId};
use cue_flow::{BoxError, Chain, Tick};
use cue_rqd::{RqdClient, TracePoint};
use cue_store::{Store, StoreError, Trouble, Unlaunched};
use futures::StreamExt;

use crate::debts::{Debt, Debts};
use crate::metrics::DispatchMetrics;
use crate::resolve::{self, Found};

/// How often debts are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How often forgotten bookings are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Hosts asked at once.
const ASKED_AT_ONCE: usize = 32;

/// How long a host is believed that a proc runs: host reports name it long before that.
const BELIEVED: Duration = Duration::from_secs(60);

/// Forgotten bookings looked at in one go.
const FORGOTTEN_AT_ONCE: u32 = 500;

/// The loop that settles the debts of this process.
#[derive(Clone)]
pub struct Settle {
    store: Store,
    rqd: RqdClient,
    debts: Arc<Debts>,
    metrics: DispatchMetrics,
}

impl Settle {
    /// A loop over `debts`.
    #[must_use]
    pub const fn new(
        store: Store,
        rqd: RqdClient,
        debts: Arc<Debts>,
        metrics: DispatchMetrics,
    ) -> Self {
        Self {
            store,
            rqd,
            debts,
            metrics,
        }
    }

    /// Looks at every debt once. What cannot be settled stays a debt; one whose proc is gone is
    /// settled, for Cuebot or another process has released it.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn once(&self) -> Result<(), StoreError> {
        let procs: Vec<ProcId> = self.debts.procs().into_iter().collect();
        let there = self.store.existing_procs(&procs).await?;
        let asked: HashSet<&ProcId> = procs.iter().collect();
        self.debts
            .forget(|proc| asked.contains(proc) && !there.contains(proc));
        let open = self.debts.take_all();
        let looked_at: Vec<ProcId> = open.iter().map(|debt| debt.booking.proc.clone()).collect();
        let examined = self.examine(open).await;
        self.debts.done(&looked_at);
        self.metrics
            .unresolved
            .set(i64::try_from(self.debts.len()).unwrap_or(i64::MAX));
        examined.map(drop)
    }

    /// Asks the hosts, takes back what does not run, and returns what runs. What is unknown, or
    /// could not be taken back, becomes a debt again when its lease is dropped here.
    async fn examine(&self, open: Vec<Lease<Debt>>) -> Result<Vec<ProcId>, StoreError> {
        let ask = |debt: Lease<Debt>| async move {
            let booking = &debt.booking;
            let found =
                resolve::does_it_run(&self.rqd, &debt.host, &booking.frame, &booking.proc, 2).await;
            (debt, found)
        };
        let asked: Vec<(Lease<Debt>, Found)> = futures::stream::iter(open)
            .map(ask)
            .buffer_unordered(ASKED_AT_ONCE)
            .collect()
            .await;
        let (mut dead, mut running) = (Vec::new(), Vec::new());
        for (debt, found) in asked {
            match found {
                Found::Runs => {
                    tell(&debt, "confirmed");
                    running.push(debt.keep().booking.proc);
                }
                Found::DoesNotRun => dead.push(debt),
                Found::NoAnswer => {}
            }
        }
        if !dead.is_empty() {
            let bookings: Vec<Unlaunched> = dead.iter().map(|debt| debt.booking.clone()).collect();
            let undone = self.store.undo(&bookings).await?;
            self.metrics.undone.inc_by(undone.procs.len() as u64);
            for debt in dead.into_iter().map(Lease::keep) {
                if undone.procs.contains(&debt.booking.proc) {
                    tell(&debt, "taken_back");
                    self.debts.doubt(debt);
                }
            }
        }
        Ok(running)
    }

    /// Kills what was taken back in doubt and runs after all.
    async fn kill_latecomers(&self) {
        futures::stream::iter(self.debts.due_doubts(Instant::now()))
            .for_each_concurrent(ASKED_AT_ONCE, |debt| self.kill_if_late(debt))
            .await;
    }

    async fn kill_if_late(&self, debt: Debt) {
        let (frame, proc) = (&debt.booking.frame, &debt.booking.proc);
        let late = match self.rqd.running(&debt.host, frame.as_str()).await {
            Ok(Some(info)) => info.resource_id == proc.as_str(),
            Ok(None) | Err(_) => false,
        };
        if !late {
            return;
        }
        let why = "its launch arrived after its booking had been taken back";
        let killed = self.rqd.kill(&debt.host, frame.as_str(), why).await;
        self.metrics.latecomers.inc();
        tell(&debt, "killed");
        tracing::warn!(host = %debt.host, frame.id = %frame, proc.id = %proc, killed = ?killed, "a frame ran without a booking: {why}");
    }
}

/// Tells in the trace of the launch what it came to. It is told once: a host that does not answer is
/// asked every second, and would fill the trace. A booking of another process has no trace here.
fn tell(debt: &Debt, outcome: &'static str) {
    if debt.trace.is_nowhere() {
        return;
    }
    let span = tracing::info_span!(
        "settle",
        frame.id = %debt.booking.frame,
        proc.id = %debt.booking.proc,
        server.address = %debt.host,
        outcome,
    );
    debt.trace.adopt(&span);
}

impl Tick for Settle {
    const NAME: &'static str = "settle";

    async fn tick(&self) -> Result<Duration, BoxError> {
        self.kill_latecomers().await;
        if !self.debts.is_empty() {
            go_on_while_away(self.once().await)?;
        }
        Ok(EVERY)
    }
}

/// The loop that looks for bookings whose scheduler died before it launched them. Safe with any
/// number of processes: what it takes back is guarded by proc, state and version.
pub struct Reconcile {
    settle: Settle,
    age: Duration,
    /// Procs that their host said run, and when.
    running: Mutex<HashMap<ProcId, Instant>>,
}

impl Reconcile {
    /// A loop over bookings at least `age` old. A process that lives begins its launches, and
    /// gives up on their answers, well before that.
    #[must_use]
    pub fn new(settle: Settle, age: Duration) -> Self {
        Self {
            settle,
            age,
            running: Mutex::default(),
        }
    }

    /// Looks once; returns how many bookings were not found running.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn once(&self) -> Result<usize, StoreError> {
        let now = Instant::now();
        let mut known: Vec<ProcId> = self.settle.debts.procs().into_iter().collect();
        {
            let mut running = self.lock();
            running.retain(|_, seen| now.saturating_duration_since(*seen) < BELIEVED);
            known.extend(running.keys().cloned());
        }
        let found = self
            .settle
            .store
            .unlaunched_procs(self.age, &known, FORGOTTEN_AT_ONCE)
            .await?;
        if found.is_empty() {
            return Ok(0);
        }
        let n = found.len();
        let debts = &self.settle.debts;
        let open = found
            .into_iter()
            .map(|found| {
                debts.lend(Debt {
                    booking: found.booking,
                    host: found.host,
                    trace: TracePoint::default(),
                })
            })
            .collect();
        let running = self.settle.examine(open).await?;
        let forgotten = n - running.len();
        if forgotten > 0 {
            tracing::warn!(
                forgotten,
                "bookings that nobody launched were found; what does not run waits again"
            );
        }
        self.lock()
            .extend(running.into_iter().map(|proc| (proc, now)));
        Ok(forgotten)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProcId, Instant>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tick for Reconcile {
    const NAME: &'static str = "reconcile";

    async fn tick(&self) -> Result<Duration, BoxError> {
        go_on_while_away(self.once().await.map(drop))?;
        Ok(LOOK_EVERY)
    }
}

/// While the database is away the loops keep their pace, so that they are there when it is back: the
/// breaker before it makes asking cheap, and says aloud that it is away.
pub(crate) fn go_on_while_away(answer: Result<(), StoreError>) -> Result<(), StoreError> {
    match answer {
        Err(error) if error.trouble() == Trouble::Unavailable => {
            tracing::debug!(
                error = %Chain(&error),
                "what is left to do waits for the database"
            );
            Ok(())
        }
        answer => answer,
    }
}
