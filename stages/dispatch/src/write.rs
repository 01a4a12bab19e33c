//! Locking what a plan touches, and writing what every cap admits.
//!
//! What the caps admit by a look without a lock is started before the counters are locked: all bookings
//! of a show want the same few counters, and so hold them for two short statements instead of the
//! write. Under the lock admission is asked again, about the same frames; should a cap have filled up
//! since, nothing of the plan is kept, and it is booked again with the counters locked first. Limits are locked
//! and counted just before the counters, in either order, so that the counters wait for no count. Nothing is
//! committed that admission did not pass under the lock. What the launches need to know is read before it.

use std::collections::{BTreeSet, HashMap, HashSet};

use cue_domain::admission::{Ledger, Refusal, admit};
use cue_domain::{FrameId, HostId, HostIdle, LayerId, Resources};
use cue_store::{BookRow, Booked, LaunchFacts, OpenBooking, StoreError};

use crate::book::{Plan, PlannedRow};

/// Which comes first: the frames, or the lock on the counters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    WriteFirst,
    LockFirst,
}

/// What a booking transaction has written and not yet committed.
pub(crate) struct Written {
    pub(crate) admitted: Vec<PlannedRow>,
    pub(crate) refusals: Vec<(usize, Refusal)>,
    pub(crate) booked: Booked,
    /// What was idle, before, on the hosts that are not somebody else's.
    pub(crate) hosts: HashMap<HostId, HostIdle>,
    pub(crate) facts: HashMap<LayerId, LaunchFacts>,
}

/// Locks what the plan touches, and writes what every cap admits. `None` when a cap filled up
/// after frames were started on the strength of it: the transaction is to be given up.
pub(crate) async fn write(
    held: &mut OpenBooking,
    rows: &[PlannedRow],
    plan: Plan<'_>,
    order: Order,
) -> Result<Option<Written>, StoreError> {
    let all: Vec<BookRow> = rows.iter().map(|planned| planned.row.clone()).collect();
    let seen = held.look(&all).await?;
    let hosts = seen.hosts.clone();
    let before = held.idle().clone();
    let mut judged = judge(rows, seen);
    let lock_first = order == Order::LockFirst;
    let facts = if plan.launching && (lock_first || !judged.admitted.is_empty()) {
        // Of all rows: under the lock a cap may admit what it refused a moment ago.
        let layers: BTreeSet<&str> = all.iter().map(|row| row.layer.as_str()).collect();
        let layers = layers.into_iter().map(str::to_owned).collect();
        held.launch_facts(layers).await?
    } else {
        HashMap::new()
    };
    let booked = if lock_first {
        judged = judge(rows, held.counters(&all, hosts).await?);
        match judged.rows() {
            admitted if admitted.is_empty() => Booked::default(),
            admitted => held.book(&admitted).await?,
        }
    } else {
        match start_then_charge(held, &judged.rows(), hosts).await? {
            Some(booked) => booked,
            None => return Ok(None),
        }
    };
    Ok(Some(Written {
        admitted: judged.admitted,
        refusals: judged.refusals,
        booked,
        hosts: before,
        facts,
    }))
}

/// What admission made of a plan.
struct Judged {
    admitted: Vec<PlannedRow>,
    refusals: Vec<(usize, Refusal)>,
}

impl Judged {
    fn rows(&self) -> Vec<BookRow> {
        let row = |planned: &PlannedRow| planned.row.clone();
        self.admitted.iter().map(row).collect()
    }
}

fn judge(rows: &[PlannedRow], ledger: Ledger) -> Judged {
    let requests: Vec<_> = rows.iter().map(|planned| planned.row.request()).collect();
    let (mut admitted, mut refusals) = (Vec::with_capacity(rows.len()), Vec::new());
    for (planned, answer) in rows.iter().zip(admit(&requests, ledger)) {
        match answer {
            Ok(()) => admitted.push(planned.clone()),
            Err(refusal) => refusals.push((planned.placement, refusal)),
        }
    }
    Judged { admitted, refusals }
}

/// Starts the rows, then locks the counters, and charges them if every cap still has room for all
/// that was started; `None` if one has not.
async fn start_then_charge(
    held: &mut OpenBooking,
    rows: &[BookRow],
    hosts: HashMap<HostId, Resources>,
) -> Result<Option<Booked>, StoreError> {
    if rows.is_empty() {
        return Ok(Some(Booked::default()));
    }
    let booked = held.start(rows).await?;
    let started: HashSet<&FrameId> = booked.frames.iter().map(|frame| &frame.frame).collect();
    let rows: Vec<BookRow> = rows
        .iter()
        .filter(|row| started.contains(&row.frame))
        .cloned()
        .collect();
    if rows.is_empty() {
        return Ok(Some(booked));
    }
    let ledger = held.counters(&rows, hosts).await?;
    let requests: Vec<_> = rows.iter().map(BookRow::request).collect();
    if admit(&requests, ledger).iter().any(Result::is_err) {
        return Ok(None);
    }
    held.charge(rows.iter()).await?;
    Ok(Some(booked))
}
