//! Booking a plan: lock, admit, write, commit.
//!
//! A deadlock or a serialization failure costs the transaction, not the plan: it is tried again, a
//! bounded number of times, with the frames that are still there. Any other error gives everything
//! back, with one exception: when it cannot be found out whether a commit took place, its frames
//! become pending launches.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cue_domain::messages::{HostLease, LockedLayer, Placement};
use cue_domain::{FrameId, ProcId, Ticket};
use cue_flow::Chain;
use cue_store::{BookRow, OpenBooking, StoreError, Trouble};
use tracing::Instrument;

use crate::batch::{Batch, BatchFrame, BookedAt, launch_layer};
use crate::launch::failed_because;
use crate::metrics::DispatchMetrics;
use crate::pending::PendingLaunches;
use crate::record::{number, record_bookings, record_refusals};
use crate::write::{Order, Written, write};

/// How often a plan is tried.
const TRIES: u32 = 4;

/// A row to book, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct PlannedRow {
    pub(crate) row: BookRow,
    pub(crate) placement: usize,
    pub(crate) host_os: Option<Arc<str>>,
}

/// What a booking is made from and noted in.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) layers: &'a [LockedLayer],
    pub(crate) hosts: &'a [HostLease],
    pub(crate) placements: &'a [Placement],
    pub(crate) metrics: &'a DispatchMetrics,
    pub(crate) pending: &'a Arc<PendingLaunches>,
    /// The turns of the plan, each once.
    pub(crate) turns: &'a [Ticket],
    /// RQD will be called, so that the facts it is sent are read.
    pub(crate) launching: bool,
    /// Time after the start of the booking within which launches begin.
    pub(crate) launch_deadline: Duration,
}

impl Plan<'_> {
    /// The index of the turn of a layer.
    pub(crate) fn turn_of(&self, layer: usize) -> usize {
        let ticket = self.layers.get(layer).map(|layer| &layer.ticket);
        let is_its = |turn: &Ticket| ticket.is_some_and(|ticket| turn.same_turn(ticket));
        self.turns.iter().position(is_its).unwrap_or_default()
    }
}

/// The rows of a plan, in order of service.
pub(crate) fn rows(
    layers: &[LockedLayer],
    hosts: &[HostLease],
    placements: &[Placement],
) -> Vec<PlannedRow> {
    let row = |placement: &Placement| {
        let (layer, host) = (layers.get(placement.layer)?, hosts.get(placement.host)?);
        let row = BookRow {
            frame: placement.frame.id.clone(),
            version: placement.frame.version,
            layer: layer.layer.id.clone(),
            job: layer.job.id.clone(),
            show: layer.job.show.clone(),
            folder: layer.job.folder.clone(),
            dept: layer.job.dept.clone(),
            host: host.id.clone(),
            host_name: host.name.clone(),
            alloc: host.alloc.clone(),
            proc: ProcId::from(uuid::Uuid::new_v4().to_string()),
            reserved: placement.reserved,
        };
        Some((row, host.os.first().cloned()))
    };
    let planned = placements
        .iter()
        .enumerate()
        .filter_map(|(placement, place)| {
            let (row, host_os) = row(place)?;
            Some(PlannedRow {
                row,
                placement,
                host_os,
            })
        });
    planned.collect()
}

/// Books every row that all caps admit, and commits. A batch without frames is one of which nothing was
/// booked.
pub(crate) async fn book(
    held: OpenBooking,
    rows: Vec<PlannedRow>,
    plan: Plan<'_>,
) -> Result<Batch, StoreError> {
    let span = tracing::info_span!(
        "book",
        frames_planned = number(rows.len()),
        frames_booked = tracing::field::Empty,
        frames_refused = tracing::field::Empty,
        first_refusal = tracing::field::Empty,
        tries = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
    );
    let answer = try_book(held, rows, plan).instrument(span.clone()).await;
    match &answer {
        Ok(batch) => {
            span.record("frames_booked", number(batch.frames.len()));
        }
        Err(error) => {
            span.in_scope(|| failed_because(error.trouble().name(), Chain(error)));
        }
    }
    answer
}

async fn try_book(
    mut held: OpenBooking,
    mut rows: Vec<PlannedRow>,
    plan: Plan<'_>,
) -> Result<Batch, StoreError> {
    let mut tries = 1;
    let mut order = Order::WriteFirst;
    loop {
        match write(&mut held, &rows, plan, order).await {
            Ok(Some(written)) => {
                tracing::Span::current().record("tries", i64::from(tries));
                return commit(held, written, plan).await;
            }
            Ok(None) => {
                plan.metrics.outrun.inc();
                order = Order::LockFirst;
            }
            Err(error) if error.trouble() == Trouble::Conflict && tries < TRIES => {
                plan.metrics.conflicts.inc();
                tracing::debug!(
                    error = %Chain(&error),
                    tries,
                    "a booking met a conflict and is tried again"
                );
            }
            Err(error) => return Err(error),
        }
        let all: Vec<BookRow> = rows.iter().map(|planned| planned.row.clone()).collect();
        let (again, frames) = held.again(&all).await?;
        held = again;
        rows.retain(|planned| frames.contains(&planned.row.frame));
        tries += 1;
    }
}

async fn commit(held: OpenBooking, written: Written, plan: Plan<'_>) -> Result<Batch, StoreError> {
    let Written {
        admitted,
        refusals,
        booked,
        mut hosts,
        facts,
    } = written;
    hosts.extend(booked.hosts);
    let launch_by = held.began() + plan.launch_deadline;
    let at = BookedAt {
        ours: held.began(),
        database_ms: booked.at_ms.unwrap_or_default(),
    };
    record_refusals(&refusals, plan);
    plan.metrics
        .stolen
        .inc_by((admitted.len() - booked.frames.len()) as u64);
    if booked.frames.is_empty() {
        // Nothing was written: dropping the transaction lets the rows go.
        return Ok(Batch {
            frames: Vec::new(),
            hosts,
            layers: HashMap::new(),
            booked: at,
            launch_by,
        });
    }
    let versions: HashMap<FrameId, i32> = booked
        .frames
        .into_iter()
        .map(|frame| (frame.frame, frame.version))
        .collect();
    let rows: Vec<BookRow> = admitted.iter().map(|planned| planned.row.clone()).collect();
    let answer = held.commit(&rows).await;
    let frame =
        |planned: &PlannedRow| BatchFrame::new(planned, *versions.get(&planned.row.frame)?, plan);
    match answer {
        Ok(()) => {}
        Err(error @ StoreError::CommitUnknown(_)) => {
            // Each frame is made, and dropped with its pending launch: whether it was booked is found
            // out once the database answers again. It was certainly not launched.
            let frames = admitted.iter().filter_map(frame);
            frames.for_each(|mut frame| frame.is_dead());
            return Err(error);
        }
        Err(error) => return Err(error),
    }
    record_bookings(&versions, plan);
    let layers = facts
        .into_iter()
        .map(|(id, facts)| (id, Arc::new(launch_layer(facts))));
    Ok(Batch {
        frames: admitted.iter().filter_map(frame).collect(),
        hosts,
        layers: layers.collect(),
        booked: at,
        launch_by,
    })
}
