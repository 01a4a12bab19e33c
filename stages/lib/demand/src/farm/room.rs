//! The reason for which a shape of layers finds room or finds none, before the order of layers counts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use cue_domain::fit::least_cores;
use cue_domain::{AllocId, ClusterKey, WaitReason};

use super::supplies::Supplies;
use crate::cluster_rows::ShapeId;
use crate::rows::{Rows, Shape};

/// Room of a shape for the layers of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// The reason; `CanRun` if an idle host has room now.
    pub(super) reason: WaitReason,
    /// Allocations with room now, or where hosts are large enough.
    pub(super) allocs: Vec<AllocId>,
    /// Least centicores of a frame.
    pub(super) least: i64,
}

/// Room of a shape in one allocation that has hosts which are large enough.
#[derive(Clone, Debug)]
struct AllocRoom {
    alloc: AllocId,
    reason: WaitReason,
    /// Idle cores of the hosts with its tags, unless one has room.
    idle: i64,
}

/// Rooms that were found already. They are the same for all clusters, until the shapes get other numbers.
#[derive(Debug, Default)]
pub(crate) struct KnownRooms {
    numbering: u64,
    rooms: RefCell<HashMap<ShapeId, Rc<[AllocRoom]>>>,
}

impl KnownRooms {
    /// Forgets the rooms if the shapes have other numbers than before.
    pub(super) fn of_numbering(&mut self, numbering: u64) {
        if self.numbering != numbering {
            self.numbering = numbering;
            self.rooms.get_mut().clear();
        }
    }

    fn of(&self, id: ShapeId, shape: &Shape, supplies: &Supplies<'_>) -> Rc<[AllocRoom]> {
        if let Some(known) = self.rooms.borrow().get(&id) {
            return Rc::clone(known);
        }
        let (layer, os) = (&shape.layer, shape.os.as_deref());
        let able = supplies.whole.allocs();
        let able = able.filter(|alloc| supplies.whole.offer(layer, os, alloc).is_some());
        let rooms = able.map(|alloc| of_alloc(shape, alloc, supplies));
        let rooms: Rc<[AllocRoom]> = rooms.collect();
        self.rooms.borrow_mut().insert(id, Rc::clone(&rooms));
        rooms
    }
}

fn of_alloc(shape: &Shape, alloc: &AllocId, supplies: &Supplies<'_>) -> AllocRoom {
    let (layer, os, idle) = (&shape.layer, shape.os.as_deref(), &supplies.idle);
    let mut room = AllocRoom {
        alloc: alloc.clone(),
        reason: WaitReason::CanRun,
        idle: 0,
    };
    if idle.offer(layer, os, alloc).is_some() {
        return room;
    }
    room.idle = idle.tagged_cores(layer, alloc);
    room.reason = if idle.is_kept_for_gpus(layer, os, alloc) {
        WaitReason::GpuProtected
    } else if idle.fits_reserved(layer, os, alloc) {
        WaitReason::ReservedForOther
    } else if supplies.backing_off.offer(layer, os, alloc).is_some() {
        WaitReason::HostsBackOff
    } else {
        WaitReason::Capacity
    };
    room
}

/// Finds the room of the shape for the cluster.
pub(super) fn of(
    rows: &Rows,
    key: &ClusterKey,
    (id, shape): (ShapeId, &Shape),
    (supplies, known): (&Supplies<'_>, &KnownRooms),
) -> Room {
    let layer = &shape.layer;
    let mut room = Room {
        reason: WaitReason::NoSubscription,
        allocs: Vec::new(),
        least: least_cores(layer).0,
    };
    let Some(subscriptions) = rows.subscriptions.get(key) else {
        return room;
    };
    let cluster = rows.clusters.get(key);
    let asked = |alloc: &AllocId| cluster.map_or(0, |of| of.asked.of_alloc(alloc));
    let able = known.of(id, shape, supplies);
    let takes = if layer.cores_min.0 > 0 {
        room.least
    } else {
        100
    };
    let (mut closed, mut open) = (Vec::new(), Vec::new());
    for found in able.iter() {
        let mut subscriptions = subscriptions.iter();
        let Some(subscription) = subscriptions.find(|of| of.alloc == found.alloc) else {
            continue;
        };
        let held = subscription.cores.0.saturating_add(asked(&found.alloc));
        let left = subscription.burst.0.saturating_sub(held);
        if subscription.burst.0 > 0 && left >= takes {
            open.push(found);
        } else {
            closed.push(found);
        }
    }
    let allocs = |of: &[&AllocRoom]| of.iter().map(|found| found.alloc.clone()).collect();
    if open.is_empty() {
        room.allocs = allocs(&closed);
        room.reason = if closed.is_empty() {
            WaitReason::NoHost
        } else {
            WaitReason::ShowBurst
        };
        return room;
    }
    room.reason = first_reason(shape, &open);
    if room.reason == WaitReason::CanRun {
        open.retain(|found| found.reason == WaitReason::CanRun);
    }
    room.allocs = allocs(&open);
    room
}

/// The reason in all of these allocations together.
fn first_reason(shape: &Shape, open: &[&AllocRoom]) -> WaitReason {
    let order = [
        WaitReason::CanRun,
        WaitReason::GpuProtected,
        WaitReason::ReservedForOther,
        WaitReason::HostsBackOff,
    ];
    let is_anywhere = |reason: &WaitReason| open.iter().any(|found| found.reason == *reason);
    if let Some(first) = order.into_iter().find(is_anywhere) {
        return first;
    }
    let idle = open.iter().map(|found| found.idle);
    let idle = idle.fold(0, i64::saturating_add);
    if shape.layer.cores_min.0 > 0 && idle >= least_cores(&shape.layer).0 {
        WaitReason::NoFit
    } else {
        WaitReason::Capacity
    }
}
