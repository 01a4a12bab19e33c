//! Booking a plan: lock, admit, write, commit, and isolate what cannot be booked.
//!
//! A plan is booked in one transaction. If the transaction fails for what may be one row, the plan is split and its
//! parts are booked in transactions of their own, so that sound layers are booked in the same pass. Rows that
//! somebody else holds are found out after a lock timed out; the layers that need them are left out. A deadlock
//! or a serialization failure is tried again, a bounded number of times.

mod group;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::time::{Duration, Instant};

use cue_domain::isolate::{Isolation, Row, Split};
use cue_domain::why::HeldRow;
use cue_domain::{Booking, HostId, LayerId};
use cue_flow::{Chain, number};
use cue_store::{ErrorClass, OpenBooking, Rebooking, StoreError};
use tracing::Instrument;

use crate::batch::Batch;
use crate::blamed::{self, Counted, Refused};
use crate::launch::failed_because;
use crate::plan::Plan;
use crate::write::Order;

/// Time after the first commit in which other parts are tried: the frames that are booked wait for their launch.
const LONGEST_DELAY: Duration = Duration::from_millis(800);

/// Outcome of a plan.
#[derive(Debug, Default)]
pub(crate) struct BookedPlan {
    /// Everything that was booked; `None` if no transaction of the plan was committed or found nothing to book.
    pub(crate) batch: Option<Batch>,
    /// Layers of which rows could not be booked.
    pub(crate) refused: Vec<Refused>,
    /// Layers for which somebody else holds a row.
    pub(crate) held: Vec<(LayerId, HeldRow)>,
    /// Hosts that may be at fault for what could not be booked.
    pub(crate) suspects: HashSet<HostId>,
    /// The error that ended the pass early.
    pub(crate) ended: Option<StoreError>,
}

impl BookedPlan {
    /// Number of frames that were booked.
    pub(crate) fn frames(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.frames.len())
    }

    /// Returns true if other transactions were in the way.
    pub(crate) fn is_lost_to_others(&self) -> bool {
        let refused = self.refused.iter().map(|refused| &refused.error);
        let mut errors = self.ended.iter().chain(refused).peekable();
        let any = errors.peek().is_some() || !self.held.is_empty();
        any && errors.all(|error| is_of_others(error.class()))
    }

    fn add(&mut self, batch: Batch) {
        match &mut self.batch {
            Some(all) => all.merge(batch),
            none => *none = Some(batch),
        }
    }
}

/// Returns true for errors that say that another transaction was in the way.
pub(crate) const fn is_of_others(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Conflict | ErrorClass::Held)
}

/// Books everything of a plan that all caps admit and no error keeps out.
pub(crate) async fn book(held: OpenBooking, plan: Plan<'_>) -> BookedPlan {
    let span = tracing::info_span!(
        "book",
        cue.frames_planned = number(plan.bookings.len()),
        cue.frames_booked = tracing::field::Empty,
        cue.frames_refused = tracing::field::Empty,
        cue.first_refusal = tracing::field::Empty,
        cue.tries = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
    );
    let pass = Pass::new(&held, plan);
    let booked = Box::pin(pass.run(held).instrument(span.clone())).await;
    span.record("cue.frames_booked", number(booked.frames()));
    let first = booked.refused.first().map(|refused| &refused.error);
    if let Some(error) = booked.ended.as_ref().or(first) {
        span.in_scope(|| failed_because(error.class().name(), Chain(error)));
    }
    booked
}

/// Outcome of a group.
enum Tried {
    /// The group was booked, as far as it is still there.
    Booked,
    /// Something of the group cannot be booked.
    Failed(StoreError, Split),
}

/// Numbers the keys of the bookings in the order in which they come.
fn numbers<'a, K: Eq + Hash>(
    bookings: &'a [Booking],
    key: impl Fn(&'a Booking) -> K,
) -> impl Iterator<Item = usize> {
    let mut known = HashMap::new();
    bookings.iter().map(move |booking| {
        let next = known.len();
        *known.entry(key(booking)).or_insert(next)
    })
}

/// A plan that is being booked. The bookings are known by their indices.
struct Pass<'a> {
    plan: Plan<'a>,
    /// Layer and host of each booking, numbered.
    keys: Vec<Row>,
    isolation: Isolation<StoreError>,
    rebooking: Rebooking,
    order: Order,
    transactions: u32,
    /// Transactions that ended in a conflict or for no reason that lasts.
    conflicts: u32,
    timeouts: u32,
    first_commit: Option<Instant>,
    counted: Counted,
    booked: BookedPlan,
}

impl<'a> Pass<'a> {
    fn new(held: &OpenBooking, plan: Plan<'a>) -> Self {
        let layers = numbers(plan.bookings, |booking| &booking.layer.id);
        let hosts = numbers(plan.bookings, |booking| &booking.host.id);
        let keys = layers.zip(hosts);
        let keys: Vec<Row> = keys.map(|(layer, host)| Row { layer, host }).collect();
        let keyed = keys.iter().zip(plan.bookings);
        let failed_before: BTreeSet<usize> = keyed
            .filter(|(_, booking)| plan.stage.backoffs.was_refused(&booking.layer.id))
            .map(|(key, _)| key.layer)
            .collect();
        Self {
            isolation: Isolation::with_failed_before(keys.clone(), &failed_before),
            keys,
            rebooking: held.rebooking(),
            plan,
            order: Order::WriteFirst,
            transactions: 0,
            conflicts: 0,
            timeouts: 0,
            first_commit: None,
            counted: Counted::default(),
            booked: BookedPlan::default(),
        }
    }

    async fn run(mut self, held: OpenBooking) -> BookedPlan {
        if let Err(error) = Box::pin(self.book_groups(held)).await {
            self.booked.ended = Some(error);
        }
        tracing::Span::current().record("cue.tries", i64::from(self.transactions));
        let mut booked = self.booked;
        let failures = self.isolation.into_failures();
        (booked.refused, booked.suspects) =
            blamed::judge(failures, booked.batch.as_ref(), self.plan);
        booked
    }

    async fn book_groups(&mut self, held: OpenBooking) -> Result<(), StoreError> {
        let mut held = Some(held);
        if self.were_held()
            && let Some(held) = held.take()
        {
            // Asked before counters are locked that everybody wants.
            held.release().await?;
            let all: Vec<usize> = (0..self.keys.len()).collect();
            self.leave_out_held(&all).await?;
        }
        while let Some(mut group) = self.isolation.next_group() {
            let late = |commit: Instant| commit.elapsed() > LONGEST_DELAY;
            if self.first_commit.is_some_and(late) {
                // The frames that are booked must be launched; a later turn books the others.
                break;
            }
            match self.book_group(held.take(), &mut group).await? {
                Tried::Booked => self.isolation.succeeded(group),
                Tried::Failed(error, split) => {
                    self.isolation.failed(group, error, split);
                    self.leave_out_hosts();
                }
            }
        }
        Ok(())
    }

    /// Returns true if somebody held a row of a layer of the plan when that was last tried.
    fn were_held(&self) -> bool {
        let backoffs = &self.plan.stage.backoffs;
        let was_held = |booking: &Booking| backoffs.was_held(&booking.layer.id);
        backoffs.has_held() && self.plan.bookings.iter().any(was_held)
    }

    /// Leaves out the layers that need a row which somebody else holds, and returns their numbers.
    async fn leave_out_held(&mut self, group: &[usize]) -> Result<BTreeSet<usize>, StoreError> {
        let bookings = self.plan.these(group);
        let held = self.rebooking.held_rows(&bookings).await?;
        let mut left_out = BTreeSet::new();
        for ((index, booking), held) in group.iter().zip(bookings).zip(held) {
            let (Some(key), Some(held)) = (self.keys.get(*index), held) else {
                continue;
            };
            if left_out.insert(key.layer) {
                self.isolation.exclude_layer(key.layer);
                self.booked.held.push((booking.layer.id.clone(), held));
            }
        }
        Ok(left_out)
    }

    /// Leaves out layers whose job another session changes at this moment.
    fn leave_out_changing(&mut self, layers: BTreeSet<LayerId>) {
        for layer in layers {
            let keyed = self.plan.bookings.iter().zip(&self.keys);
            let of_layer = |(booking, _): &(&Booking, &Row)| booking.layer.id == layer;
            if let Some((_, key)) = keyed.into_iter().find(of_layer) {
                self.isolation.exclude_layer(key.layer);
            }
            let held = HeldRow {
                table: "job".into(),
                holder: None,
                since: None,
            };
            self.booked.held.push((layer, held));
        }
    }

    /// Leaves out the hosts that are at fault for certain.
    fn leave_out_hosts(&mut self) {
        let batch = self.booked.batch.as_ref();
        let failures = self.isolation.failures();
        let certain = self.counted.certain(failures, batch, self.plan);
        let keys = certain.iter().filter_map(|index| self.keys.get(*index));
        keys.for_each(|key| self.isolation.exclude_host(key.host));
    }
}
