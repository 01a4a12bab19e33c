//! Dispatch: books in the open transaction, commits, launches.
//!
//! Every placement that all caps admit is booked in one write and committed. Then the worker is released
//! for the next plan, and the hosts are called, with no connection held: booking never waits for a
//! launch, and the frames that are booked and not yet launched are bounded by the capacity that a plan
//! brings along. A launch that its host acknowledged is recorded. What could not be launched is taken
//! back, but never before its host has said that it does not run, and a launch that arrives even later
//! is killed. So no frame is lost, and none runs twice on purpose or by mistake of ours.

mod acknowledge;
mod batch;
mod blamed;
mod calls;
mod commit;
mod health;
mod host_launches;
mod host_limits;
mod hosts;
mod late;
mod launch;
mod launches;
mod metrics;
mod open_launch;
mod pass;
mod pending;
mod plan;
mod question;
mod record;
mod refusals;
mod resolve;
mod sent;
mod setbacks;
mod stage;
mod trace_links;
mod write;

use std::time::Instant;

use cue_domain::messages::{BookingPlan, Outcome};
use cue_flow::{Chain, Closed, Outlet, Reserved, Stage, Verdict};
use cue_store::OpenBooking;

use crate::batch::Batch;
use crate::hosts::PlanHosts;
use crate::plan::Plan;
use crate::stage::Skipped;
pub use acknowledge::Recorder;
pub use metrics::DispatchMetrics;
pub use open_launch::Launch;
pub use pending::{PendingLaunch, PendingLaunches};
pub use question::{AskedHost, LateQuestion};
pub use refusals::Refusals;
pub use resolve::{Found, ask_about_launches};
pub use stage::{Dispatch, DispatchSettings};
pub use trace_links::TraceLinks;

impl Stage for Dispatch {
    const NAME: &'static str = "dispatch";
    type In = BookingPlan<(OpenBooking, Reserved)>;
    type Out = Outcome;

    async fn handle(&self, plan: Self::In, out: &Outlet<Outcome>) -> Verdict {
        let BookingPlan {
            held: (held, capacity),
            part,
            hosts,
            bookings,
        } = plan;
        let plan = Plan {
            stage: self,
            part: &part,
            bookings: &bookings,
        };
        if plan.launches() && held.began().elapsed() > self.settings.launch_deadline {
            // The plan waited too long: every launch would come too late and be taken back.
            return Skipped::TooLate.into();
        }
        let began = Instant::now();
        let mut booked = Box::pin(pass::book(held, plan)).await;
        let lost_to_others = booked.is_lost_to_others();
        self.record_health(&booked);
        let verdict = self.back_off(&mut booked, plan);
        if let Some(error) = booked.ended.take() {
            part.ticket.fail();
            tracing::warn!(
                error = %Chain(&error), cluster = %part.cluster,
                "a part of a plan could not be booked; the next turn tries again"
            );
        }
        let mut skipped = Skipped::NothingAdmitted;
        if booked.batch.is_none() && booked.suspects.is_empty() {
            skipped = Skipped::NothingBooked;
            if !lost_to_others {
                return verdict.unwrap_or_else(|| skipped.into());
            }
            // No attempt was wasted: the hosts come back, and are not abandoned.
        } else {
            let took = began.elapsed().as_secs_f64();
            self.metrics.booking_seconds.observe(took);
        }
        let mut hosts = PlanHosts::new(hosts, &bookings, part.ticket);
        hosts.record(&booked);
        drop(bookings);
        match self.finish(booked.batch, hosts, capacity, out).await {
            Ok(0) => verdict.unwrap_or_else(|| skipped.into()),
            Ok(_) => Verdict::Done,
            Err(closed) => closed.into(),
        }
    }
}

impl Dispatch {
    /// Launches what was booked and returns the hosts. Returns the number of booked frames.
    async fn finish(
        &self,
        batch: Option<Batch>,
        hosts: PlanHosts,
        mut capacity: Reserved,
        out: &Outlet<Outcome>,
    ) -> Result<usize, Closed<Outcome>> {
        let Some(batch) = batch.filter(|batch| !batch.frames.is_empty()) else {
            drop(capacity);
            return out.send(hosts.into_outcome()).await.map(|()| 0);
        };
        self.backoffs.booked(batch.layers());
        let Batch { frames, facts, .. } = batch;
        let count = frames.len();
        if self.settings.dry_run {
            drop(capacity);
            out.send_last(hosts.into_outcome()).await?;
        } else {
            // The locks are gone: the next booking need not wait for these launches.
            out.release_worker();
            capacity.shrink_to(u32::try_from(count).unwrap_or(u32::MAX));
            self.launch((facts, frames), hosts, capacity, out).await?;
        }
        Ok(count)
    }
}
