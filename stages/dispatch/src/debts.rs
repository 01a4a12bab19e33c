//! Bookings that are neither launched nor taken back yet.
//!
//! From its commit on, a booked frame carries a lease on its debt. A launch that RQD accepted ends
//! the loan; so does an undo. Everything else (an unknown outcome, a panic, an aborted drain, a
//! database that was away) drops the lease, and the debt comes here. [`Settle`] asks the hosts and
//! takes back what does not run. Nothing is released before that is certain.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cue_domain::{Lease, Lender};
use cue_flow::{BoxError, Tick};
use cue_rqd::RqdClient;
use cue_store::{Store, StoreError, Unlaunched};
use futures::StreamExt;

use crate::metrics::DispatchMetrics;
use crate::resolve::{self, Found};

/// How often debts are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Hosts asked at once.
const ASKED_AT_ONCE: usize = 32;

/// A booking that must be found launched, or be taken back.
#[derive(Clone, Debug)]
pub struct Debt {
    /// What would be taken back.
    pub booking: Unlaunched,
    /// The host that knows.
    pub host: Arc<str>,
}

/// The debts of this process. As many as there are booked frames in flight at most.
#[derive(Debug, Default)]
pub struct Debts(Mutex<Vec<Debt>>);

impl Lender<Debt> for Debts {
    fn give_back(&self, debt: Debt) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(debt);
    }
}

impl Debts {
    /// Lends the debt of a booking that was committed just now.
    #[must_use]
    pub fn lend(self: &Arc<Self>, debt: Debt) -> Lease<Debt> {
        Lease::new(debt, self.clone())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take_all(self: &Arc<Self>) -> Vec<Lease<Debt>> {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.into_iter().map(|debt| self.lend(debt)).collect()
    }
}

/// The loop that settles debts.
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

    /// Looks at every debt once. What cannot be settled stays a debt.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn once(&self) -> Result<(), StoreError> {
        let open = self.debts.take_all();
        let asked: Vec<(Lease<Debt>, Found)> = futures::stream::iter(open)
            .map(|debt| async move {
                let found = resolve::does_it_run(
                    &self.rqd,
                    &debt.host,
                    &debt.booking.frame,
                    &debt.booking.proc,
                    2,
                )
                .await;
                (debt, found)
            })
            .buffer_unordered(ASKED_AT_ONCE)
            .collect()
            .await;
        let mut dead = Vec::new();
        for (debt, found) in asked {
            match found {
                Found::Runs => drop(debt.keep()),
                Found::DoesNotRun => dead.push(debt),
                // Dropped: it comes back to the debts.
                Found::NoAnswer => {}
            }
        }
        if !dead.is_empty() {
            let bookings: Vec<Unlaunched> = dead.iter().map(|debt| debt.booking.clone()).collect();
            let undone = self.store.undo(&bookings).await?;
            self.metrics.undone.inc_by(undone.procs.len() as u64);
            dead.into_iter().for_each(|debt| drop(debt.keep()));
        }
        self.metrics
            .unresolved
            .set(i64::try_from(self.debts.len()).unwrap_or(i64::MAX));
        Ok(())
    }
}

impl Tick for Settle {
    const NAME: &'static str = "settle";

    async fn tick(&self) -> Result<Duration, BoxError> {
        if !self.debts.is_empty() {
            self.once().await?;
        }
        Ok(EVERY)
    }
}
