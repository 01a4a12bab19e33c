//! A booked batch: its frames, each with a debt until it is known to run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cue_domain::{HostId, LayerId, Lease, Resources, Ticket};
use cue_rqd::{LaunchLayer, TracePoint};
use cue_store::{BookRow, LaunchFacts, Unlaunched};

use crate::book::{Plan, PlannedRow};
use crate::debts::Debt;

/// What a plan came to in the database.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The frames that were booked.
    pub(crate) frames: Vec<BatchFrame>,
    /// What is idle now on the hosts of the plan, where that was seen under a lock.
    pub(crate) hosts: HashMap<HostId, Resources>,
    /// What RQD must be told of their layers.
    pub(crate) layers: HashMap<LayerId, Arc<LaunchLayer>>,
    /// Launches begin before this, or not at all: later, another process may have found the
    /// bookings forgotten and taken them back.
    pub(crate) launch_by: Instant,
}

/// A booked frame.
#[derive(Debug)]
pub(crate) struct BatchFrame {
    pub(crate) row: BookRow,
    /// To be ended once the frame is known to run, or is taken back. `None` in a dry run.
    pub(crate) debt: Option<Lease<Debt>>,
    pub(crate) name: Arc<str>,
    /// Index into the plan's hosts.
    pub(crate) host: usize,
    /// The first operating system the host offers.
    pub(crate) host_os: Option<Arc<str>>,
    pub(crate) ticket: Ticket,
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
        let host = row.host_name.clone();
        let trace = TracePoint::default();
        // Without a launch there is nothing to find out later.
        let debt = plan.launching.then(|| {
            plan.debts.lend(Debt {
                booking,
                host,
                trace,
            })
        });
        Some(Self {
            row,
            debt,
            name: placement.frame.name.clone(),
            host: placement.host,
            host_os: planned.host_os.clone(),
            ticket: layer.ticket.clone(),
        })
    }

    /// Ends the debt: the frame is known to run, or has been taken back.
    pub(crate) fn settled(&mut self) -> Option<Debt> {
        self.debt.take().map(Lease::keep)
    }
}

/// What RQD must be told of a layer.
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
