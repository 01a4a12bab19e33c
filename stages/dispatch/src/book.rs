//! Booking a plan: lock, admit, write, commit.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cue_domain::admission::admit;
use cue_domain::messages::{HostLease, LockedLayer, Placement};
use cue_domain::{FrameId, HostId, LayerId, Lease, ProcId, Resources, Ticket};
use cue_rqd::LaunchLayer;
use cue_store::{BookRow, LaunchFacts, OpenBooking, StoreError, Unlaunched};
use tracing::Instrument;

use crate::debts::{Debt, Debts};
use crate::metrics::DispatchMetrics;

/// What a plan came to in the database.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The frames that were booked.
    pub(crate) frames: Vec<BatchFrame>,
    /// What is idle on their hosts now.
    pub(crate) hosts: HashMap<HostId, Resources>,
    /// What RQD must be told of their layers.
    pub(crate) layers: HashMap<LayerId, Arc<LaunchLayer>>,
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
    /// Ends the debt: the frame is known to run, or has been taken back.
    pub(crate) fn settled(&mut self) {
        if let Some(debt) = self.debt.take() {
            drop(debt.keep());
        }
    }
}

/// A row to book, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct PlannedRow {
    row: BookRow,
    placement: usize,
    host_os: Option<Arc<str>>,
}

/// The rows of a plan, in order of service.
pub(crate) fn rows(
    layers: &[LockedLayer],
    hosts: &[HostLease],
    placements: &[Placement],
) -> Vec<PlannedRow> {
    placements
        .iter()
        .enumerate()
        .filter_map(|(index, placement)| {
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
            Some(PlannedRow {
                row,
                placement: index,
                host_os: host.os.first().cloned(),
            })
        })
        .collect()
}

/// What a booking is made from and noted in.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) layers: &'a [LockedLayer],
    pub(crate) placements: &'a [Placement],
    pub(crate) metrics: &'a DispatchMetrics,
    pub(crate) debts: &'a Arc<Debts>,
    /// Whether RQD will be called, so that it must be known what to tell it.
    pub(crate) launching: bool,
}

/// Books every row that all caps admit, and commits.
pub(crate) async fn book(
    held: OpenBooking,
    rows: Vec<PlannedRow>,
    plan: Plan<'_>,
) -> Result<Batch, StoreError> {
    let span = tracing::info_span!(
        "book",
        frames_planned = rows.len(),
        frames_booked = tracing::field::Empty,
        frames_refused = tracing::field::Empty,
        first_refusal = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    );
    let answer = book_in(held, rows, plan).instrument(span.clone()).await;
    match &answer {
        Ok(batch) => span.record("frames_booked", batch.frames.len()),
        Err(_) => span.record("otel.status_code", "ERROR"),
    };
    answer
}

async fn book_in(
    mut held: OpenBooking,
    planned: Vec<PlannedRow>,
    plan: Plan<'_>,
) -> Result<Batch, StoreError> {
    let admitted = admitted(&mut held, planned, plan).await?;
    if admitted.is_empty() {
        // Nothing to write: dropping the transaction lets the rows go.
        return Ok(Batch::default());
    }
    let rows: Vec<BookRow> = admitted.iter().map(|planned| planned.row.clone()).collect();
    let booked = held.book(&rows).await?;
    let facts = if plan.launching && !booked.frames.is_empty() {
        let of: BTreeSet<String> = rows
            .iter()
            .map(|row| row.layer.as_str().to_owned())
            .collect();
        held.launch_facts(of.into_iter().collect()).await?
    } else {
        HashMap::new()
    };
    held.commit(&rows).await?;
    plan.metrics
        .stolen
        .inc_by((rows.len() - booked.frames.len()) as u64);
    let versions: HashMap<FrameId, i32> = booked
        .frames
        .into_iter()
        .map(|frame| (frame.frame, frame.version))
        .collect();
    note(&versions, plan);
    let layers = facts
        .into_iter()
        .map(|(id, facts)| (id, Arc::new(launch_layer(facts))))
        .collect();
    Ok(Batch {
        frames: frames(admitted, &versions, plan),
        hosts: booked.hosts,
        layers,
    })
}

/// Locks what the plan touches, and lets through what every cap admits.
async fn admitted(
    held: &mut OpenBooking,
    planned: Vec<PlannedRow>,
    plan: Plan<'_>,
) -> Result<Vec<PlannedRow>, StoreError> {
    let all: Vec<BookRow> = planned.iter().map(|planned| planned.row.clone()).collect();
    let ledger = held.ledger(&all).await?;
    let requests: Vec<_> = all.iter().map(BookRow::request).collect();
    let mut admitted = Vec::with_capacity(planned.len());
    let mut first_refusal = None;
    for (planned, answer) in planned.into_iter().zip(admit(&requests, ledger)) {
        match answer {
            Ok(()) => admitted.push(planned),
            Err(refusal) => {
                plan.metrics
                    .refused
                    .with_label_values(&[refusal.cap()])
                    .inc();
                if let Some(layer) = plan
                    .placements
                    .get(planned.placement)
                    .and_then(|placement| plan.layers.get(placement.layer))
                {
                    layer.ticket.refused(1);
                }
                first_refusal.get_or_insert(refusal);
            }
        }
    }
    let span = tracing::Span::current();
    span.record("frames_refused", all.len() - admitted.len());
    if let Some(refusal) = first_refusal {
        span.record("first_refusal", tracing::field::display(refusal));
    }
    Ok(admitted)
}

fn frames(
    admitted: Vec<PlannedRow>,
    versions: &HashMap<FrameId, i32>,
    plan: Plan<'_>,
) -> Vec<BatchFrame> {
    admitted
        .into_iter()
        .filter_map(|planned| {
            let version = *versions.get(&planned.row.frame)?;
            let placement = plan.placements.get(planned.placement)?;
            let layer = plan.layers.get(placement.layer)?;
            let row = &planned.row;
            let booking = Unlaunched {
                frame: row.frame.clone(),
                version,
                proc: row.proc.clone(),
            };
            let debt = Debt {
                booking,
                host: row.host_name.clone(),
            };
            Some(BatchFrame {
                // Without a launch there is nothing to find out later.
                debt: plan.launching.then(|| plan.debts.lend(debt)),
                name: placement.frame.name.clone(),
                host: placement.host,
                host_os: planned.host_os,
                ticket: layer.ticket.clone(),
                row: planned.row,
            })
        })
        .collect()
}

/// Counts what was booked: by show, by turn, and how long the frames had waited.
fn note(booked: &HashMap<FrameId, i32>, plan: Plan<'_>) {
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
    for placement in plan
        .placements
        .iter()
        .filter(|placement| booked.contains_key(&placement.frame.id))
    {
        let Some(layer) = plan.layers.get(placement.layer) else {
            continue;
        };
        layer.ticket.booked(1);
        plan.metrics
            .dispatched
            .with_label_values(&[&layer.cluster.show_name])
            .inc();
        if let Some(since) = placement.frame.waiting_since_ms {
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds of waiting fit a double exactly for 285,000 years"
            )]
            plan.metrics
                .time_to_book
                .observe(now_ms.saturating_sub(since).max(0) as f64 / 1000.0);
        }
    }
}

fn launch_layer(facts: LaunchFacts) -> LaunchLayer {
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
        env: facts.env,
    }
}
