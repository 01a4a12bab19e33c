//! Dispatch: books in the open transaction, commits, launches.
//!
//! Every placement that all caps admit is booked in one write and committed. Then the worker is released
//! for the next plan, and the hosts are called, with no connection held: booking never waits for a
//! launch, and the frames that are booked and not yet launched are bounded by the capacity that a plan
//! brings along. A launch that its host acknowledged is recorded. What could not be launched is taken
//! back, but never before its host has said that it does not run, and a launch that arrives even later
//! is killed. So no frame is lost, and none runs twice on purpose or by mistake of ours.

mod accounts;
mod acknowledge;
mod batch;
mod book;
mod calls;
mod gate;
mod home;
mod hosts;
mod late;
mod launch;
mod launching;
mod metrics;
mod pending;
mod question;
mod reconcile;
mod record;
mod refusals;
mod resolve;
mod settle;
mod write;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cue_domain::blame::Blame;
use cue_domain::messages::{BookingPlan, LockedLayer, Outcome, Placement};
use cue_domain::resting::Resting;
use cue_domain::{HostId, LayerId, Ticket};
use cue_flow::{Chain, Outlet, Reserved, Stage, Verdict};
use cue_rqd::RqdClient;
use cue_store::{OpenBooking, Store, StoreError, Trouble};

use crate::acknowledge::Recorder;
use crate::book::Plan;
use crate::calls::LaunchCalls;
use crate::hosts::{PlanHosts, Turns};
use crate::pending::PendingLaunches;
pub use accounts::{Accounts, AccountsMetrics, AccountsReading, AccountsState};
pub use metrics::DispatchMetrics;
pub use reconcile::Reconcile;
pub use refusals::Refusals;
pub use settle::Settle;

/// The hosts of a batch get this part of all launches each, or one launch at least.
const PARTS: usize = 8;

/// Settings of dispatch.
#[derive(Clone, Copy, Debug)]
pub struct DispatchSettings {
    /// Books, but calls no host: frames stay RUNNING until somebody completes them.
    pub dry_run: bool,
    /// Launch calls under way at once, over all batches, that are answered soon.
    pub launches_in_flight: usize,
    /// Launch calls under way at once that are slow: their hosts hang.
    pub slow_launches: usize,
    /// Time after the start of a booking within which its launches begin.
    pub launch_deadline: Duration,
    /// Questions to a host about a launch whose outcome is unknown, before it is left to the loop that
    /// settles.
    pub resolve_attempts: u32,
    /// Pause of a worker after the database failed it.
    pub rest: Duration,
}

/// The stage.
pub struct Dispatch {
    store: Store,
    rqd: RqdClient,
    settings: DispatchSettings,
    metrics: DispatchMetrics,
    calls: LaunchCalls,
    resting: Arc<Resting<LayerId>>,
    blame: Mutex<Blame<HostId, LayerId>>,
    pending: Arc<PendingLaunches>,
    recorder: Recorder,
}

impl Dispatch {
    /// A dispatch that books in `store` and launches through `rqd`. Layers that hosts or the database
    /// refuse are recorded in `resting`.
    #[must_use]
    pub fn new(
        store: Store,
        rqd: RqdClient,
        settings: DispatchSettings,
        metrics: DispatchMetrics,
        resting: Arc<Resting<LayerId>>,
    ) -> Self {
        let pending = Arc::<PendingLaunches>::default();
        Self {
            recorder: Recorder::new(store.clone(), Arc::clone(&pending)),
            calls: LaunchCalls::new(settings.launches_in_flight, settings.slow_launches),
            store,
            rqd,
            settings,
            metrics,
            resting,
            blame: Mutex::default(),
            pending,
        }
    }

    /// The last refusal by each cap and by hosts.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.metrics.last_refusals.clone()
    }

    /// The loop that settles what the stage had to leave open. It shares the stage's pending launches.
    #[must_use]
    pub fn settle(&self) -> Settle {
        Settle::new(
            self.store.clone(),
            self.rqd.clone(),
            Arc::clone(&self.pending),
            self.recorder.clone(),
            self.metrics.clone(),
        )
    }

    /// The verdict after a booking that failed: nothing was committed, everything is given back.
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
}

impl Stage for Dispatch {
    const NAME: &'static str = "dispatch";
    type In = BookingPlan<(OpenBooking, Reserved)>;
    type Out = Outcome;

    async fn handle(&self, plan: Self::In, out: &Outlet<Outcome>) -> Verdict {
        let BookingPlan {
            held: (held, mut capacity),
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
            pending: &self.pending,
            turns: &tickets,
            launching: !self.settings.dry_run,
            launch_deadline: self.settings.launch_deadline,
        };
        if plan.launching && held.began().elapsed() > plan.launch_deadline {
            // It waited for so long that every launch would come too late and be taken back.
            return Verdict::Skip("too_late");
        }
        let batch = match book::book(held, rows, plan).await {
            Ok(batch) => batch,
            Err(error) => {
                let layers = Self::planned(&layers, &placements);
                return self.failed(&tickets, &layers, error);
            }
        };
        self.metrics
            .booking_seconds
            .observe(began.elapsed().as_secs_f64());
        let frames = batch.frames.len();
        let hosts = PlanHosts::new(hosts, &placements, &batch);
        if frames > 0 {
            self.resting.clear(&Self::planned(&layers, &placements));
        }
        drop(layers);
        let turns = Turns::new(tickets);
        let sent = if frames > 0 && !self.settings.dry_run {
            // The locks are gone: the next booking need not wait for these launches.
            out.release_worker();
            capacity.shrink_to(u32::try_from(frames).unwrap_or(u32::MAX));
            self.launch(batch, hosts, turns, capacity, out).await
        } else {
            drop(capacity);
            out.send(hosts.into_outcome(turns)).await
        };
        match sent {
            Ok(()) if frames > 0 => Verdict::Done,
            Ok(()) => Verdict::Skip("nothing_admitted"),
            Err(closed) => closed.into(),
        }
    }
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
