//! Layer lock: one transaction that owns the layers and frames of a part of a turn.
//!
//! A layer that another transaction holds is skipped: the other transaction serves it. A layer whose limits are full
//! backs off for a moment, so that turns go to others meanwhile.

mod attempt;
mod metrics;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::backoff::Backoffs;
use cue_domain::fit;
use cue_domain::health::Step;
use cue_domain::messages::{LockedBatch, LockedLayer, TurnPart, WantedLayer, Work};
use cue_domain::{BookingHealth, JobId, LayerId, Setback};
use cue_flow::{Capacity, Chain, Outlet, Reserved, Stage, Verdict, record_count};
use cue_store::{ErrorClass, Locked, LockedRow, OpenBooking, Store, StoreError};
use prometheus::Registry;

use crate::attempt::{Attempt, Outcome, Skipped};
use crate::metrics::LockMetrics;

/// Keeps the rows of a batch locked, and reserves capacity for its launches.
type Held = (OpenBooking, Reserved);

/// First and longest backoff of a layer of which a row cannot be read.
const UNREADABLE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));

/// First and longest backoff of a layer whose limits are full.
const FULL_LIMIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));

/// Statements of one pass that may time out: more are an outage.
const TIMEOUTS: u32 = 3;

/// Values that layer lock shares with other parts.
pub struct Connections {
    /// The database.
    pub store: Store,
    /// Layers that back off.
    pub backoffs: Arc<Backoffs<LayerId>>,
    /// Launches under way; frames are locked only with capacity to launch them.
    pub launches: Capacity,
    /// Outcomes of transactions.
    pub health: BookingHealth,
}

/// The stage.
pub struct LayerLock {
    shared: Connections,
    /// Backoff of a worker after a failed transaction.
    backoff: Duration,
    metrics: LockMetrics,
}

impl LayerLock {
    /// A layer lock whose workers back off for `backoff` after a failed transaction.
    pub fn new(
        shared: Connections,
        backoff: Duration,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            shared,
            backoff,
            metrics: LockMetrics::new(registry)?,
        })
    }

    /// The layers that may be locked, in order of service, each once.
    fn may_lock<'a>(&self, work: &'a Work) -> Vec<&'a WantedLayer> {
        let mut seen = HashSet::new();
        let mut wanted = Vec::new();
        for layer in &work.layers {
            let id = &layer.layer.id;
            work.part.ticket.wanted(layer.frames.into());
            if is_at_job_cap(layer) {
                self.metrics.at_job_cap.inc();
            } else if layer.frames > 0 && seen.insert(id) {
                wanted.push(layer);
            }
        }
        wanted
    }

    /// Counts the jobs of a batch, each once.
    fn count_jobs(&self, part: &TurnPart, layers: &[LockedLayer]) {
        let jobs: HashSet<&JobId> = layers.iter().map(|layer| &layer.wanted.job.id).collect();
        let processed = &self.metrics.processed;
        let processed = processed.with_label_values(&[&part.cluster.show_name]);
        processed.inc_by(jobs.len() as u64);
    }

    /// Verdict after layers that could not be locked. Nothing is held.
    fn failed(&self, work: &Work, error: StoreError) -> Verdict {
        if error.class() == ErrorClass::Conflict {
            return Verdict::Skip("conflict");
        }
        // The statement waits for no row, so a session that blocks it blocks every batch.
        work.part.ticket.fail();
        Verdict::RetryAfter(self.backoff, error.into())
    }

    fn record_health(&self, ask: &[(LayerId, u32)], answer: &Result<Locked, StoreError>) {
        let now = Instant::now();
        match answer {
            Ok(locked) => {
                for (layer, error) in &locked.unreadable {
                    let layer = std::slice::from_ref(layer);
                    self.shared.health.failed(Step::Lock, layer, error, now);
                }
                // Layers that another worker holds, or that are at a limit, prove nothing.
                if locked.batch.is_some() {
                    self.shared.health.succeeded(Step::Lock);
                }
            }
            Err(error) if error.class() == ErrorClass::Conflict => {}
            Err(error) => {
                let layers: Vec<LayerId> = ask.iter().map(|(layer, _)| layer.clone()).collect();
                self.shared.health.failed(Step::Lock, &layers, error, now);
            }
        }
    }

    /// Records a backoff of a layer of which a row cannot be read.
    fn record_unreadable(&self, layer: &LayerId, error: &StoreError) {
        self.metrics.unreadable.inc();
        let reason = Setback::Refused {
            code: error.code().unwrap_or_default().into(),
            message: error.message().into(),
        };
        let now = Instant::now();
        let backoff = self
            .shared
            .backoffs
            .record_failure_within(layer, now, UNREADABLE, reason);
        tracing::warn!(
            error = %Chain(error), layer.id = %layer, backoff_seconds = backoff.as_secs(),
            "a layer cannot be read; it backs off"
        );
    }

    /// Locks a part, or its halves if an error may be due to one row.
    async fn lock_part(
        &self,
        work: &Work,
        part: &[&WantedLayer],
        out: &Outlet<LockedBatch<Held>>,
        outcome: &mut Outcome,
    ) -> Result<(), Verdict> {
        let mut parts = vec![part];
        let mut timeouts = 0;
        while let Some(part) = parts.pop() {
            let is_last = parts.is_empty();
            match self.lock(work, part, (out, is_last)).await {
                Ok(Attempt::Sent) => outcome.is_locked = true,
                // The reason of a part that failed hides that of a part without work.
                Ok(Attempt::Skipped(Skipped::NothingToLock)) => {}
                Ok(Attempt::Skipped(reason)) => outcome.reason = reason,
                Ok(Attempt::Closed(closed)) => return Err(closed),
                Err(error) if error.may_be_of_a_row() && timeouts < TIMEOUTS => {
                    timeouts += u32::from(error.class().is_outage());
                    outcome.failed += usize::from(part.len() == 1);
                    if let [wanted] = part {
                        self.record_unreadable(&wanted.layer.id, &error);
                        outcome.reason = Skipped::Unreadable;
                        outcome.last = Some(error);
                        continue;
                    }
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => return Err(self.failed(work, error)),
            }
        }
        Ok(())
    }

    async fn lock(
        &self,
        work: &Work,
        part: &[&WantedLayer],
        (out, is_last): (&Outlet<LockedBatch<Held>>, bool),
    ) -> Result<Attempt, StoreError> {
        // Reserved before anything is locked, so that a plan with locks never waits for the launches of another.
        let frames = part.iter().map(|wanted| wanted.frames);
        let frames = frames.fold(0, u32::saturating_add);
        let mut capacity = self.shared.launches.reserve(frames).await;
        let ask = part.iter();
        let ask = ask.map(|wanted| (wanted.layer.id.clone(), wanted.frames));
        let ask: Vec<(LayerId, u32)> = ask.collect();
        let answer = self.shared.store.lock_layers(&ask).await;
        self.record_health(&ask, &answer);
        let Locked {
            batch,
            at_limit,
            unreadable,
            held,
        } = answer?;
        for (layer, error) in &unreadable {
            self.record_unreadable(layer, error);
        }
        self.metrics.at_limit.inc_by(at_limit.len() as u64);
        let now = Instant::now();
        for layer in &at_limit {
            self.shared
                .backoffs
                .record_failure_within(layer, now, FULL_LIMIT, Setback::AtLimit);
        }
        self.metrics.skipped.inc_by(held);
        let Some((held, rows)) = batch else {
            return Ok(Attempt::Skipped(match (at_limit.len(), unreadable.len()) {
                (0, 0) => Skipped::NothingToLock,
                (0, _) => Skipped::Unreadable,
                _ => Skipped::AtLimit,
            }));
        };
        let locked = rows.iter().map(|row| row.frames.len()).sum::<usize>();
        self.metrics.batch_frames.observe(locked as f64);
        capacity.shrink_to(u32::try_from(locked).unwrap_or(u32::MAX));
        let layers = join(part, rows);
        self.count_jobs(&work.part, &layers);
        let batch = LockedBatch {
            held: (held, capacity),
            part: work.part.clone(),
            layers,
        };
        let sent = if is_last {
            record_count("cue.frames", locked);
            out.send_last(batch).await
        } else {
            out.send(batch).await
        };
        Ok(match sent {
            Ok(()) => Attempt::Sent,
            Err(closed) => Attempt::Closed(closed.into()),
        })
    }
}

/// Joins each locked row with the layer that was wanted.
fn join(part: &[&WantedLayer], rows: Vec<LockedRow>) -> Vec<LockedLayer> {
    let wanted = part.iter().map(|wanted| (&wanted.layer.id, *wanted));
    let wanted: HashMap<&LayerId, &WantedLayer> = wanted.collect();
    let joined = rows.into_iter().filter_map(|row| {
        let mut wanted = WantedLayer::clone(wanted.get(&row.layer.id)?);
        wanted.layer = row.layer;
        Some(LockedLayer {
            wanted,
            frames: row.frames,
            limits: row.limits,
        })
    });
    joined.collect()
}

/// Returns true if the caps of job and folder leave too few cores for any frame of the layer.
fn is_at_job_cap(wanted: &WantedLayer) -> bool {
    let least = fit::least_cores(&wanted.layer);
    let headroom = &wanted.job.headroom;
    !headroom.job.at_most(headroom.folder).admits(least, 0)
}

impl Stage for LayerLock {
    const NAME: &'static str = "layer_lock";
    type In = Work;
    type Out = LockedBatch<Held>;

    async fn handle(&self, work: Work, out: &Outlet<Self::Out>) -> Verdict {
        let wanted = self.may_lock(&work);
        if wanted.is_empty() {
            return Verdict::Skip("no_room");
        }
        record_count("cue.layers", wanted.len());
        let mut outcome = Outcome::default();
        if let Err(bad) = self.lock_part(&work, &wanted, out, &mut outcome).await {
            return bad;
        }
        match outcome.last {
            _ if outcome.is_locked => Verdict::Done,
            // Every layer fails, so the cause is not a layer.
            Some(error) if outcome.failed == wanted.len() => self.failed(&work, error),
            _ => Verdict::Skip(outcome.reason.name()),
        }
    }
}
