//! Dispatch: books in the open transaction, commits, launches.
//!
//! Every placement that all caps admit is booked in one write and committed; only then are the hosts
//! called, with no connection held. What could not be launched is taken back in one transaction,
//! but never before it is certain that it does not run. So a frame is never run twice and never lost.

mod book;
mod debts;
mod launch;
mod metrics;
mod resolve;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::messages::{BookingPlan, Outcome, Returned};
use cue_domain::resting::Resting;
use cue_domain::{LayerId, Ticket};
use cue_flow::{Outlet, Stage, Verdict};
use cue_rqd::RqdClient;
use cue_store::{OpenBooking, Store, StoreError, Trouble};
use tokio::sync::Semaphore;

use crate::book::{Batch, Plan};
use crate::launch::Launcher;
pub use debts::{Debt, Debts, Settle};
pub use metrics::DispatchMetrics;

/// How dispatch works.
#[derive(Clone, Copy, Debug)]
pub struct DispatchSettings {
    /// Books, but calls no host: frames stay RUNNING until somebody completes them.
    pub dry_run: bool,
    /// Launch calls under way at once, over all workers.
    pub launches_in_flight: usize,
    /// How often RQD is asked about a launch whose outcome is unknown.
    pub resolve_attempts: u32,
    /// How long a worker rests after the database failed it.
    pub rest: Duration,
}

/// The stage.
pub struct Dispatch {
    store: Store,
    rqd: RqdClient,
    settings: DispatchSettings,
    metrics: DispatchMetrics,
    launches: Semaphore,
    resting: Arc<Resting<LayerId>>,
    debts: Arc<Debts>,
}

impl Dispatch {
    /// A dispatch that books in `store` and launches through `rqd`. Layers that a host refused for
    /// good are noted in `resting`.
    #[must_use]
    pub fn new(
        store: Store,
        rqd: RqdClient,
        settings: DispatchSettings,
        metrics: DispatchMetrics,
        resting: Arc<Resting<LayerId>>,
    ) -> Self {
        let launches = Semaphore::new(settings.launches_in_flight);
        Self {
            store,
            rqd,
            settings,
            metrics,
            launches,
            resting,
            debts: Arc::default(),
        }
    }

    /// The loop that settles what the stage had to leave open. It shares the stage's debts.
    #[must_use]
    pub fn settle(&self) -> Settle {
        Settle::new(
            self.store.clone(),
            self.rqd.clone(),
            self.debts.clone(),
            self.metrics.clone(),
        )
    }

    /// What follows from a booking that failed: nothing was committed, everything is given back.
    fn failed(&self, tickets: &[Ticket], error: StoreError) -> Verdict {
        match error.trouble() {
            // Whoever was in the way books it; the next turn tries what is left.
            Trouble::Conflict => {
                self.metrics.conflicts.inc();
                Verdict::Skip("conflict")
            }
            Trouble::Refused => {
                self.metrics.refused.with_label_values(&["database"]).inc();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the database refused a booking that admission let through"
                );
                Verdict::Skip("refused")
            }
            Trouble::Unavailable | Trouble::Fault => {
                tickets.iter().for_each(|ticket| ticket.fail());
                Verdict::RetryAfter(self.settings.rest, error.into())
            }
        }
    }

    /// Launches what was booked, and takes back what certainly does not run. What is left open, for
    /// whatever reason, is a debt when the batch is dropped.
    async fn launch(&self, batch: &mut Batch, hosts: &mut [Returned]) {
        let launcher = Launcher {
            rqd: &self.rqd,
            permits: &self.launches,
            resolve_attempts: self.settings.resolve_attempts,
            batch,
            metrics: &self.metrics,
            resting: &self.resting,
        };
        let launches = launcher.launch_all().await;
        for index in &launches.running {
            batch.frames[*index].settled();
            batch.frames[*index].ticket.launched(1);
        }
        let failed = batch.frames.iter().filter(|frame| frame.debt.is_some());
        failed.for_each(|frame| {
            if let Some(host) = hosts.get_mut(frame.host) {
                host.launch_failures += 1;
            }
        });
        let bookings: Vec<_> = launches
            .dead
            .iter()
            .filter_map(|index| batch.frames[*index].debt.as_ref())
            .map(|debt| debt.booking.clone())
            .collect();
        if bookings.is_empty() {
            return;
        }
        match self.store.undo(&bookings).await {
            Ok(undone) => {
                self.metrics.undone.inc_by(undone.procs.len() as u64);
                launches
                    .dead
                    .iter()
                    .for_each(|index| batch.frames[*index].settled());
                for host in hosts.iter_mut() {
                    if let Some(idle) = undone.hosts.get(&host.lease.id) {
                        host.idle = Some(*idle);
                    }
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                frames = bookings.len(),
                "failed launches cannot be taken back yet; they stay booked until they can"
            ),
        }
    }
}

impl Stage for Dispatch {
    const NAME: &'static str = "dispatch";
    type In = BookingPlan<OpenBooking>;
    type Out = Outcome;

    async fn handle(&self, plan: BookingPlan<OpenBooking>, out: &Outlet<Outcome>) -> Verdict {
        let BookingPlan {
            held,
            layers,
            hosts,
            placements,
        } = plan;
        let tickets = distinct_tickets(layers.iter().map(|layer| &layer.ticket));
        let rows = book::rows(&layers, &hosts, &placements);
        let began = Instant::now();
        let plan = Plan {
            layers: &layers,
            placements: &placements,
            metrics: &self.metrics,
            debts: &self.debts,
            launching: !self.settings.dry_run,
        };
        let mut batch = match book::book(held, rows, plan).await {
            Ok(batch) => batch,
            Err(error) => return self.failed(&tickets, error),
        };
        self.metrics
            .booking_seconds
            .observe(began.elapsed().as_secs_f64());
        let mut hosts: Vec<Returned> = hosts
            .into_iter()
            .enumerate()
            .map(|(index, lease)| Returned {
                idle: batch.hosts.get(&lease.id).copied(),
                placed: count(placements.iter().map(|placement| placement.host), index),
                booked: count(batch.frames.iter().map(|frame| frame.host), index),
                launch_failures: 0,
                lease,
            })
            .collect();
        let booked = !batch.frames.is_empty();
        if booked && !self.settings.dry_run {
            self.launch(&mut batch, &mut hosts).await;
        }
        drop(batch);
        match out.send(Outcome { hosts, tickets }).await {
            Ok(()) if booked => Verdict::Done,
            Ok(()) => Verdict::Skip("nothing_admitted"),
            Err(closed) => closed.into(),
        }
    }
}

fn count(hosts: impl Iterator<Item = usize>, host: usize) -> u32 {
    u32::try_from(hosts.filter(|other| *other == host).count()).unwrap_or(u32::MAX)
}

fn distinct_tickets<'a>(tickets: impl Iterator<Item = &'a Ticket>) -> Vec<Ticket> {
    let mut distinct: Vec<Ticket> = Vec::new();
    for ticket in tickets {
        if !distinct.iter().any(|other| other.same_turn(ticket)) {
            distinct.push(ticket.clone());
        }
    }
    distinct
}
