//! A booked batch: its frames, each with its pending launch.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::{HostId, HostIdle, LayerId};
use cue_rqd::{LaunchLayer, TracePoint};
use cue_store::{BookRow, LaunchFacts, Moment, Unlaunched};

use crate::book::{Plan, PlannedRow};
use crate::pending::{Launch, PendingLaunch};

/// A plan as it was booked in the database.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The frames that were booked.
    pub(crate) frames: Vec<BatchFrame>,
    /// Idle resources of the hosts of the plan, where they were seen under a lock.
    pub(crate) hosts: HashMap<HostId, HostIdle>,
    /// Facts of their layers that RQD is sent.
    pub(crate) layers: HashMap<LayerId, Arc<LaunchLayer>>,
    /// The moment when the booking began, by our clock and by the database's.
    pub(crate) booked: BookedAt,
    /// Launches begin before this, or not at all: later, another process may have found the
    /// bookings forgotten and taken them back.
    pub(crate) launch_by: Moment,
}

/// A moment by two clocks: a host is sent the time of the database, which does not depend on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BookedAt {
    pub(crate) ours: Moment,
    /// Milliseconds since 1970.
    pub(crate) database_ms: i64,
}

impl BookedAt {
    /// The present by the database's clock, in milliseconds since 1970.
    pub(crate) fn now_ms(self) -> i64 {
        let since = i64::try_from(self.ours.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.database_ms.saturating_add(since)
    }
}

/// A booked frame.
#[derive(Debug)]
pub(crate) struct BatchFrame {
    pub(crate) row: BookRow,
    /// `None` in a dry run, where there is nothing to find out later.
    pub(crate) pending: Option<PendingLaunch>,
    pub(crate) name: Arc<str>,
    /// Index into the plan's hosts.
    pub(crate) host: usize,
    /// The first operating system the host offers.
    pub(crate) host_os: Option<Arc<str>>,
    /// Index into the turns of the plan.
    pub(crate) turn: usize,
    /// The root of its turn's trace.
    pub(crate) trace: Option<u64>,
}

impl BatchFrame {
    /// A frame that has been booked, or may have been; `version` is what the booking left.
    pub(crate) fn new(planned: &PlannedRow, version: i32, plan: Plan<'_>) -> Option<Self> {
        let placement = plan.placements.get(planned.placement)?;
        let layer = plan.layers.get(placement.layer)?;
        let row = planned.row.clone();
        let booking = Unlaunched {
            frame: row.frame.clone(),
            version,
            proc: row.proc.clone(),
        };
        let launch = Launch {
            booking,
            host: row.host_name.clone(),
            trace: TracePoint::default(),
            dead: false,
        };
        let pending = match plan.launching {
            true => plan.pending.hold(launch),
            false => None,
        };
        Some(Self {
            row,
            pending,
            name: placement.frame.name.clone(),
            host: placement.host,
            host_os: planned.host_os.clone(),
            turn: plan.turn_of(placement.layer),
            trace: layer.ticket.trace(),
        })
    }

    /// Records that its launch certainly does not run.
    pub(crate) fn is_dead(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.launch_mut().dead = true;
        }
    }
}

/// Facts of a layer that RQD is sent.
pub(crate) fn launch_layer(facts: LaunchFacts) -> LaunchLayer {
    LaunchLayer {
        job_id: facts.job,
        job_name: facts.job_name,
        show_name: facts.show_name,
        shot: facts.shot,
        user: facts.user,
        log_dir: facts.log_dir,
        uid: facts.uid,
        os: facts.os,
        loki_url: facts.loki_url,
        layer_id: facts.layer,
        layer_name: facts.layer_name,
        command: facts.command,
        range: facts.range.into(),
        chunk_size: facts.chunk_size,
        threadable: facts.threadable,
        memory_min: facts.memory_min,
        stuck_detection_llu: facts.stuck_detection_llu,
        env: facts.env,
    }
}
