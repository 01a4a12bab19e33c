//! Dispatch: books in the open transaction, commits, launches.
//!
//! Every placement that all caps admit is booked in one write and committed; only then are the hosts
//! called, with no connection held. What could not be launched is taken back in one transaction,
//! but never before its host has said that it does not run, and a launch that arrives even later is
//! killed. So no frame is lost, and none runs twice on purpose or by mistake of ours.

mod accounts;
mod batch;
mod book;
mod debts;
mod gates;
mod launch;
mod metrics;
mod notes;
mod refusals;
mod resolve;
mod settle;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::messages::{BookingPlan, HostLease, LockedLayer, Outcome, Placement, Returned};
use cue_domain::resting::Resting;
use cue_domain::{LayerId, Ticket};
use cue_flow::{Chain, Outlet, Stage, Verdict};
use cue_rqd::RqdClient;
use cue_store::{OpenBooking, Store, StoreError, Trouble};
use tokio::sync::Semaphore;

use crate::batch::Batch;
use crate::book::Plan;
use crate::gates::Gates;
use crate::launch::{Launcher, Launches};
pub use accounts::{Accounts, AccountsMetrics, AccountsReading, AccountsState};
pub use debts::{Debt, Debts};
pub use metrics::DispatchMetrics;
pub use refusals::Refusals;
pub use settle::{Reconcile, Settle};

/// How dispatch works.
#[derive(Clone, Copy, Debug)]
pub struct DispatchSettings {
    /// Books, but calls no host: frames stay RUNNING until somebody completes them.
    pub dry_run: bool,
    /// Launch calls under way at once, over all workers.
    pub launches_in_flight: usize,
    /// How long after the start of a booking its launches may begin.
    pub launch_deadline: Duration,
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
    /// A dispatch that books in `store` and launches through `rqd`. Layers that a host or the database
    /// refused for good are noted in `resting`.
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

    /// What each cap refused last.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.metrics.last_refusals.clone()
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
    fn failed(&self, tickets: &[Ticket], layers: &[LayerId], error: StoreError) -> Verdict {
        match error.trouble() {
            // Whoever is in the way books it; the next turn tries what is left.
            Trouble::Conflict => Verdict::Skip("conflict"),
            Trouble::TimedOut => {
                self.metrics.timeouts.inc();
                tracing::warn!(
                    error = %Chain(&error),
                    "a booking waited too long for rows that somebody holds; the next turn tries again"
                );
                Verdict::Skip("timed_out")
            }
            Trouble::Refused => {
                self.metrics.refused.inc("database");
                self.refused(layers, &error);
                Verdict::Skip("refused")
            }
            Trouble::Unavailable | Trouble::Fault => {
                tickets.iter().for_each(|ticket| ticket.fail());
                Verdict::RetryAfter(self.settings.rest, error.into())
            }
        }
    }

    /// A trigger or a constraint of the schema does not let a row of these layers in. One that was alone
    /// is to blame and rests; of several each is tried alone, so that the others are booked.
    fn refused(&self, layers: &[LayerId], error: &StoreError) {
        let now = Instant::now();
        let error = Chain(error);
        if let [layer] = layers {
            let rest = self.resting.strike(layer, now);
            // It stays apart from others when it has rested.
            self.resting.suspect([layer.clone()], now, now + rest);
            tracing::warn!(
                %error, layer.id = %layer, rest_seconds = rest.as_secs(),
                "the database refused a booking that admission let through; the layer rests"
            );
        } else {
            self.resting.suspect(layers.iter().cloned(), now, now);
            tracing::warn!(
                %error, layers = layers.len(),
                "the database refused a booking that admission let through; its layers are tried one by one"
            );
        }
    }

    /// The layers of a plan that have placements, each once.
    fn planned(layers: &[LockedLayer], placements: &[Placement]) -> Vec<LayerId> {
        let has = |number: usize| placements.iter().any(|place| place.layer == number);
        let planned = layers.iter().enumerate().filter(|(number, _)| has(*number));
        planned.map(|(_, layer)| layer.layer.id.clone()).collect()
    }

    /// Launches what was booked, and takes back what certainly does not run. What is left open, for
    /// whatever reason, is a debt when the batch is dropped.
    async fn launch(&self, batch: &mut Batch, hosts: &mut [Returned], out: &Outlet<Outcome>) {
        let launcher = Launcher {
            out,
            rqd: &self.rqd,
            permits: &self.launches,
            gates: &Gates::new(hosts.len(), self.settings.launches_in_flight),
            resolve_attempts: self.settings.resolve_attempts,
            batch,
            metrics: &self.metrics,
            resting: &self.resting,
        };
        let mut launches = launcher.launch_all().await;
        for (index, trace) in launches.traces.drain(..) {
            if let Some(debt) = &mut batch.frames[index].debt {
                debt.trace = trace;
            }
        }
        for index in &launches.running {
            batch.frames[*index].settled();
            batch.frames[*index].ticket.launched(1);
        }
        for index in &launches.host_failed {
            if let Some(host) = hosts.get_mut(batch.frames[*index].host) {
                host.launch_failures += 1;
            }
        }
        if !launches.dead.is_empty() {
            self.take_back(batch, &launches, hosts).await;
        }
    }

    async fn take_back(&self, batch: &mut Batch, launches: &Launches, hosts: &mut [Returned]) {
        let debts = launches
            .dead
            .iter()
            .filter_map(|index| batch.frames[*index].debt.as_ref());
        let bookings: Vec<_> = debts.map(|debt| debt.booking.clone()).collect();
        let undone = match self.store.undo(&bookings).await {
            Ok(undone) => undone,
            Err(error) => {
                tracing::warn!(
                    error = %Chain(&error),
                    frames = bookings.len(),
                    "failed launches cannot be taken back yet; they stay booked until they can"
                );
                return;
            }
        };
        self.metrics.undone.inc_by(undone.procs.len() as u64);
        for index in &launches.dead {
            let debt = batch.frames[*index].settled();
            let debt = debt.filter(|debt| undone.procs.contains(&debt.booking.proc));
            if let Some(debt) = debt.filter(|_| launches.doubtful.contains(index)) {
                self.debts.doubt(debt);
            }
        }
        for host in hosts {
            if let Some(idle) = undone.hosts.get(&host.lease.id) {
                host.idle = Some(*idle);
            }
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
            hosts: &hosts,
            placements: &placements,
            metrics: &self.metrics,
            debts: &self.debts,
            launching: !self.settings.dry_run,
            launch_deadline: self.settings.launch_deadline,
        };
        if plan.launching && held.began().elapsed() > plan.launch_deadline {
            // It waited for so long that every launch would come too late and be taken back.
            return Verdict::Skip("too_late");
        }
        let mut batch = match book::book(held, rows, plan).await {
            Ok(batch) => batch,
            Err(error) => {
                let layers = Self::planned(&layers, &placements);
                return self.failed(&tickets, &layers, error);
            }
        };
        self.metrics
            .booking_seconds
            .observe(began.elapsed().as_secs_f64());
        let mut hosts = returned(hosts, &placements, &batch);
        let booked = !batch.frames.is_empty();
        if booked {
            self.resting.clear(&Self::planned(&layers, &placements));
            if !self.settings.dry_run {
                self.launch(&mut batch, &mut hosts, out).await;
            }
        }
        match out.send(Outcome { hosts, tickets }).await {
            Ok(()) if booked => Verdict::Done,
            Ok(()) => Verdict::Skip("nothing_admitted"),
            Err(closed) => closed.into(),
        }
    }
}

/// The hosts of a plan, with what was booked on each.
fn returned(hosts: Vec<HostLease>, placements: &[Placement], batch: &Batch) -> Vec<Returned> {
    let back = |(index, lease): (usize, HostLease)| Returned {
        idle: batch.hosts.get(&lease.id).copied(),
        placed: count(placements.iter().map(|placement| placement.host), index),
        booked: count(batch.frames.iter().map(|frame| frame.host), index),
        launch_failures: 0,
        lease,
    };
    hosts.into_iter().enumerate().map(back).collect()
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
