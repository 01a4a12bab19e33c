//! Layer lock: one transaction that owns the layers and frames of a batch.
//!
//! It takes whatever work is queued, up to a bound: batches grow under load, and a lone layer does
//! not wait. No SQL is spent on a layer for which the host index has no room at all. A layer that
//! another transaction holds is skipped; whoever holds it serves it.

mod metrics;
mod share;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::fit;
use cue_domain::messages::{JobWork, LockedBatch, LockedLayer};
use cue_domain::resting::Resting;
use cue_domain::{Layer, LayerId, Tag};
use cue_flow::{BatchStage, Capacity, Chain, Outlet, Reserved, Verdict};
use cue_hosts::{HostIndex, Want};
use cue_store::{Locked, LockedRow, OpenBooking, Store, StoreError, Trouble, WantedLayer};

pub use metrics::LockMetrics;

/// Keeps a batch's rows locked, and room for its launches.
type Held = (OpenBooking, Reserved);

/// How big a batch may be.
#[derive(Clone, Copy, Debug)]
pub struct LockSettings {
    /// Jobs taken from the queue at most.
    pub jobs: usize,
    /// Layers in one transaction at most.
    pub layers: usize,
    /// Frames in one transaction at most.
    pub frames: u32,
    /// Frames of one layer at most, unless so few layers are at hand that the transaction would not
    /// be full.
    pub frames_per_layer: u32,
    /// How long a worker rests after the database failed it.
    pub rest: Duration,
}

/// The stage.
pub struct LayerLock {
    store: Store,
    hosts: HostIndex,
    resting: Arc<Resting<LayerId>>,
    settings: LockSettings,
    metrics: LockMetrics,
    launches: Capacity,
}

/// A layer that there is room for.
struct Wanted {
    work: usize,
    layer: LayerId,
    frames: u32,
}

impl LayerLock {
    /// A layer lock over `store`, asking `hosts` for room and passing over layers in `resting`. Before it
    /// locks frames, it reserves capacity to launch them.
    #[must_use]
    pub const fn new(
        store: Store,
        hosts: HostIndex,
        resting: Arc<Resting<LayerId>>,
        settings: LockSettings,
        metrics: LockMetrics,
        launches: Capacity,
    ) -> Self {
        Self {
            store,
            hosts,
            resting,
            settings,
            metrics,
            launches,
        }
    }

    /// The layers there is room for, in order of service, each once: of several clusters that have it, for
    /// the first that has a host for it.
    fn with_room(&self, works: &[JobWork]) -> Vec<Wanted> {
        let now = Instant::now();
        let layers = works.iter().map(|work| work.layers.len()).sum();
        let each = share::each(layers, self.settings.frames_per_layer, self.settings.frames);
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut seen: HashSet<&LayerId> = HashSet::new();
        for (index, work) in works.iter().enumerate() {
            for layer in &work.layers {
                if seen.contains(&layer.id) {
                    continue;
                }
                let waiting = u32::try_from(layer.waiting.max(0)).unwrap_or(u32::MAX);
                let at_most = waiting.min(each);
                work.ticket.wanted(at_most.into());
                if self.resting.rests(&layer.id, now) {
                    self.metrics.resting.inc();
                    continue;
                }
                if is_at_job_cap(work, layer) {
                    self.metrics.at_job_cap.inc();
                    continue;
                }
                let frames = self.room(work, layer, at_most);
                if frames > 0 {
                    seen.insert(&layer.id);
                    work.ticket.tried();
                    wanted.push(Wanted {
                        work: index,
                        layer: layer.id.clone(),
                        frames,
                    });
                } else {
                    self.metrics.no_room();
                }
            }
        }
        wanted
    }

    fn room(&self, work: &JobWork, layer: &Layer, at_most: u32) -> u32 {
        let tags: Vec<Tag> = work.cluster.shared_tags(&layer.tags).cloned().collect();
        let want = Want {
            facility: &work.cluster.key.facility,
            tags: &tags,
            subscriptions: &work.job.headroom.subscriptions,
            os: work.job.os.as_deref(),
            layer,
        };
        let room = self.hosts.room(&want, at_most as usize);
        u32::try_from(room).unwrap_or(at_most).min(at_most)
    }

    /// Counts the jobs of a batch, each once.
    fn count_jobs(&self, layers: &[LockedLayer]) {
        let mut seen = HashSet::new();
        for layer in layers {
            if seen.insert(&layer.job.id) {
                let show = &layer.cluster.show_name;
                self.metrics.processed.with_label_values(&[show]).inc();
            }
        }
    }

    /// What follows from a batch that could not be locked: nothing is held.
    fn failed(&self, works: &[JobWork], error: StoreError) -> Verdict {
        match error.trouble() {
            Trouble::Conflict => Verdict::Skip("conflict"),
            Trouble::TimedOut => {
                tracing::warn!(
                    error = %Chain(&error),
                    "locking layers took too long; the next turn tries again"
                );
                Verdict::Skip("timed_out")
            }
            Trouble::Unavailable | Trouble::Refused | Trouble::Fault => {
                works.iter().for_each(|work| work.ticket.fail());
                Verdict::RetryAfter(self.settings.rest, error.into())
            }
        }
    }

    async fn lock(
        &self,
        works: &[JobWork],
        part: &[Wanted],
        out: &Outlet<LockedBatch<Held>>,
    ) -> Verdict {
        // Waited for while nothing is locked: a plan with locks never waits for the launches of another.
        let frames = part.iter().map(|wanted| wanted.frames);
        let frames = frames.fold(0, u32::saturating_add);
        let mut capacity = self.launches.reserve(frames).await;
        let ask: Vec<WantedLayer> = part
            .iter()
            .map(|wanted| WantedLayer {
                layer: wanted.layer.clone(),
                frames: wanted.frames,
            })
            .collect();
        let Locked { batch, at_limit } = match self.store.lock_layers(&ask).await {
            Ok(locked) => locked,
            Err(error) => return self.failed(works, error),
        };
        self.metrics.at_limit.inc_by(at_limit as u64);
        let had = batch.as_ref().map_or(0, |(_, rows)| rows.len()) + at_limit;
        self.metrics
            .skipped
            .inc_by(part.len().saturating_sub(had) as u64);
        let Some((held, rows)) = batch else {
            return Verdict::Skip(if at_limit > 0 {
                AT_LIMIT
            } else {
                NOTHING_TO_LOCK
            });
        };
        self.metrics
            .batch_frames
            .observe(rows.iter().map(|row| row.frames.len()).sum::<usize>() as f64);
        let locked = rows.iter().map(|row| row.frames.len()).sum::<usize>();
        capacity.shrink_to(u32::try_from(locked).unwrap_or(u32::MAX));
        let layers = join(works, part, rows);
        self.count_jobs(&layers);
        let held = (held, capacity);
        match out.send(LockedBatch { held, layers }).await {
            Ok(()) => Verdict::Done,
            Err(closed) => closed.into(),
        }
    }
}

/// Whether job and folder have too little left under their caps for any frame of the layer.
fn is_at_job_cap(work: &JobWork, layer: &Layer) -> bool {
    let least = fit::least_cores(layer);
    let rest = work.job.headroom.least_cores();
    rest.is_some_and(|rest| rest < least)
}

/// Gives each locked row back the turn and job it was wanted for.
fn join(works: &[JobWork], part: &[Wanted], rows: Vec<LockedRow>) -> Vec<LockedLayer> {
    let of_layer: HashMap<&LayerId, usize> = part
        .iter()
        .map(|wanted| (&wanted.layer, wanted.work))
        .collect();
    rows.into_iter()
        .filter_map(|row| {
            let work = of_layer
                .get(&row.layer.id)
                .and_then(|index| works.get(*index))?;
            Some(LockedLayer {
                cluster: work.cluster.clone(),
                ticket: work.ticket.clone(),
                job: work.job.clone(),
                layer: row.layer,
                frames: row.frames,
                limits: row.limits,
            })
        })
        .collect()
}

/// Others hold all the layers, or their frames.
const NOTHING_TO_LOCK: &str = "nothing_to_lock";

/// Limits of the layers are full.
const AT_LIMIT: &str = "at_limit";

impl BatchStage for LayerLock {
    const NAME: &'static str = "layer_lock";
    type In = JobWork;
    type Out = LockedBatch<Held>;

    fn max_batch(&self) -> usize {
        self.settings.jobs
    }

    async fn handle(&self, works: Vec<JobWork>, out: &Outlet<Self::Out>) -> Verdict {
        let wanted = self.with_room(&works);
        if wanted.is_empty() {
            return Verdict::Skip("no_room");
        }
        let (mut locked, mut why) = (false, NOTHING_TO_LOCK);
        let now = Instant::now();
        // Where the database refused a batch, its layers get a transaction each: one is to blame.
        let weight = |wanted: &Wanted| match self.resting.is_suspect(&wanted.layer, now) {
            true => u32::MAX,
            false => wanted.frames,
        };
        let parts = share::parts(&wanted, self.settings.layers, self.settings.frames, weight);
        for part in parts {
            match self.lock(&works, part, out).await {
                Verdict::Done => locked = true,
                // Of several parts the one that failed says more than one that found nothing.
                Verdict::Skip(reason) if reason != NOTHING_TO_LOCK => why = reason,
                Verdict::Skip(_) => {}
                bad => return bad,
            }
        }
        if locked {
            Verdict::Done
        } else {
            Verdict::Skip(why)
        }
    }
}
