//! Locking what a plan touches, and writing what every cap admits.
//!
//! Bookings that the caps admit by a look without a lock are started before the counters are locked: all bookings
//! of a show want the same few counters, and so hold them for two short statements instead of the
//! write. Under the lock admission is asked again, about the same frames; should a cap have filled up
//! since, nothing of the plan is kept, and it is booked again with the counters locked first. Limits are locked
//! and counted just before the counters, in either order, so that the counters wait for no count. Nothing is
//! committed that admission did not pass under the lock. Facts for the launches are read before it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cue_domain::admission::{Ledger, Refusal, admit};
use cue_domain::{Booking, HostId, HostIdle, LaunchLayer, LayerId, Resources};
use cue_store::{Booked, OpenBooking, StoreError};

use crate::plan::Plan;

/// The order of the two steps of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    WriteFirst,
    LockFirst,
}

/// Rows that a booking transaction has written and not yet committed.
pub(crate) struct Written<'a> {
    pub(crate) admitted: Vec<&'a Booking>,
    pub(crate) refusals: Vec<(&'a Booking, Refusal)>,
    pub(crate) booked: Booked,
    /// Idle resources, before the write, of the hosts that are not somebody else's.
    pub(crate) idle: HashMap<HostId, HostIdle>,
    pub(crate) facts: HashMap<LayerId, Arc<LaunchLayer>>,
    /// Layers whose job another session changes at this moment.
    pub(crate) changing: BTreeSet<LayerId>,
}

/// Locks what the bookings touch, and writes what every cap admits. `None` if a cap filled up
/// after frames were started: the transaction must be abandoned.
pub(crate) async fn write<'a>(
    held: &mut OpenBooking,
    bookings: &[&'a Booking],
    plan: Plan<'_>,
    order: Order,
) -> Result<Option<Written<'a>>, StoreError> {
    let seen = held.look(bookings).await?;
    let hosts = seen.hosts.clone();
    let idle = held.idle().clone();
    let stays = |booking: &&Booking| held.has_job(&booking.layer.job);
    let (staying, changing): (Vec<&'a Booking>, Vec<&'a Booking>) =
        bookings.iter().copied().partition(stays);
    let changing = changing.into_iter();
    let changing = changing.map(|booking| booking.layer.id.clone()).collect();
    let mut judged = judge(&staying, seen);
    let lock_first = order == Order::LockFirst;
    let facts = if plan.launches() && (lock_first || !judged.admitted.is_empty()) {
        // Of all bookings: under the lock a cap may admit what it refused a moment ago.
        held.launch_facts(bookings).await?
    } else {
        HashMap::new()
    };
    let booked = if lock_first {
        judged = judge(&staying, held.counters(&staying, hosts).await?);
        if judged.admitted.is_empty() {
            Booked::default()
        } else {
            held.book(&judged.admitted).await?
        }
    } else {
        match start_then_charge(held, &judged.admitted, hosts).await? {
            Some(booked) => booked,
            None => return Ok(None),
        }
    };
    Ok(Some(Written {
        admitted: judged.admitted,
        refusals: judged.refusals,
        booked,
        idle,
        facts,
        changing,
    }))
}

/// Bookings as admission judged them.
struct Judged<'a> {
    admitted: Vec<&'a Booking>,
    refusals: Vec<(&'a Booking, Refusal)>,
}

fn judge<'a>(bookings: &[&'a Booking], ledger: Ledger) -> Judged<'a> {
    let mut judged = Judged {
        admitted: Vec::with_capacity(bookings.len()),
        refusals: Vec::new(),
    };
    for (booking, answer) in bookings.iter().zip(admit(bookings, ledger)) {
        match answer {
            Ok(()) => judged.admitted.push(booking),
            Err(refusal) => judged.refusals.push((booking, refusal)),
        }
    }
    judged
}

/// Starts the bookings, then locks the counters, and charges them if every cap still has room for all
/// that was started; `None` if one has not.
async fn start_then_charge(
    held: &mut OpenBooking,
    bookings: &[&Booking],
    hosts: HashMap<HostId, Resources>,
) -> Result<Option<Booked>, StoreError> {
    if bookings.is_empty() {
        return Ok(Some(Booked::default()));
    }
    let booked = held.start(bookings).await?;
    let mut bookings = bookings.to_vec();
    bookings.retain(|booking| booked.frames.contains_key(&booking.frame.id));
    if bookings.is_empty() {
        return Ok(Some(booked));
    }
    let ledger = held.counters(&bookings, hosts).await?;
    if admit(&bookings, ledger).iter().any(Result::is_err) {
        return Ok(None);
    }
    held.charge(bookings.into_iter()).await?;
    Ok(Some(booked))
}
