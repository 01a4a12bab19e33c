//! Job fetch and layer lock on a seeded database. Neither changes it: what is locked is rolled back.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use cue_domain::messages::{Ask, JobWork, LockedBatch, Turn};
use cue_domain::resting::Resting;
use cue_domain::{Cluster, ClusterKey, TagKind, Ticket};
use cue_flow::{BatchStage, Capacity, Flow, Reserved, Stage};
use cue_host_match::MatchMetrics;
use cue_hosts::{HostIndex, IndexSettings};
use cue_job_fetch::{FetchMetrics, JobFetch};
use cue_layer_lock::{LayerLock, LockMetrics};
use cue_scheduler::config::Settings;
use cue_scheduler::wiring;
use cue_store::{OpenBooking, PendingJob, Store};
use prometheus::Registry;

use super::parts::{Feed, Sink, for_a_time, rate};
use super::{Alone, StagesOptions, each};
use crate::book;
use crate::ground::Ground;
use crate::scheduler::settings;

/// How long a round takes.
const ROUND: Duration = Duration::from_secs(2);

/// How long a worker rests after an error; there are none.
const REST: Duration = Duration::from_secs(1);

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// A seeded database with what the stages need of it.
pub(super) struct Field {
    pub ground: Ground,
    pub store: Store,
    pub index: HostIndex,
    pub cluster: Arc<Cluster>,
    pub settings: Settings,
}

impl Field {
    /// Seeds the farm of `book` with so many frames; at most `pool` connections.
    pub(super) async fn new(hosts: usize, frames: u64, pool: u32) -> anyhow::Result<Self> {
        let ground = Ground::seeded(&book::farm(hosts, frames)).await?;
        let settings = settings(&[
            ("CUE_DATABASE_URL", ground.url().to_owned()),
            ("CUE_DATABASE_POOL", pool.to_string()),
            ("CUE_DRY_RUN", "true".to_owned()),
        ])?;
        let store = Store::connect(&wiring::store(&settings), &Registry::new()).await?;
        let index = HostIndex::new(IndexSettings::default());
        let mark = index.mark();
        index.apply(mark, store.host_snapshot(None, None).await?.hosts);
        ensure!(index.len() == hosts, "the index has not all hosts");
        let rows = store.list_clusters(None).await?;
        let row = rows
            .into_iter()
            .find(|row| row.kind == TagKind::Alloc)
            .context("the farm has no cluster of an allocation")?;
        let (show, show_name) = row
            .shows
            .into_iter()
            .next()
            .context("the allocation has no show")?;
        let cluster = Arc::new(Cluster {
            key: ClusterKey {
                facility: row.facility,
                show,
                kind: row.kind,
                tags: row.tags.into(),
            },
            facility_name: row.facility_name.into(),
            show_name: show_name.into(),
        });
        Ok(Self {
            ground,
            store,
            index,
            cluster,
            settings,
        })
    }

    /// Every job with its layers.
    pub(super) async fn jobs(&self) -> anyhow::Result<Vec<PendingJob>> {
        let found = self
            .store
            .pending_layers(
                &self.cluster,
                cue_domain::Depth::FRONT,
                1_000_000,
                1_000_000,
            )
            .await?;
        ensure!(!found.jobs.is_empty(), "the farm has no jobs");
        Ok(found.jobs)
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.store.close().await;
        self.ground.ensure_sound(None).await?;
        self.ground.close().await
    }
}

pub(super) async fn measure(options: &StagesOptions) -> anyhow::Result<Vec<Alone>> {
    let most = options.workers.iter().copied().max().unwrap_or(1);
    let pool = u32::try_from(most * 3 + 24)?;
    let field = Field::new(options.hosts, options.frames, pool).await?;
    let mut rows = each(options, ("job fetch", "turns"), |workers| {
        fetch(&field, workers)
    })
    .await?;
    let jobs: Arc<[PendingJob]> = field.jobs().await?.into();
    let what = ("layer lock, rolled back", "frames");
    rows.extend(each(options, what, |workers| lock(&field, &jobs, workers)).await?);
    field.close().await?;
    Ok(rows)
}

/// Turns a second; the jobs they find are dropped.
async fn fetch(field: &Field, workers: NonZeroUsize) -> anyhow::Result<f64> {
    let stage = JobFetch::new(
        field.store.clone(),
        field.index.clone(),
        wiring::fetch(&field.settings),
        FetchMetrics::new(&Registry::new())?,
    );
    let cluster = Arc::clone(&field.cluster);
    let jobs_a_turn = wiring::fetch(&field.settings).jobs.into();
    let jobs = rate(|flow| {
        let next = move || Turn {
            cluster: Arc::clone(&cluster),
            ticket: Ticket::open(|_| {}),
            skip: cue_domain::Depth::FRONT,
            ask: Ask::Always,
        };
        let (sink, taken) = Sink::new(|_: &JobWork| 1);
        let (to_fetch, turns) = flow.edge(JobFetch::NAME, workers);
        let (to_sink, arrivals) = flow.edge("sink", field.settings.stages.layer_lock.queue);
        flow.stage(sink, ONE, arrivals, Flow::last_outlet());
        flow.stage(stage, workers, turns, to_sink);
        flow.source(Feed::new(for_a_time(ROUND, next)), to_fetch);
        taken
    })
    .await?;
    // A turn gives a full page of jobs while there are as many.
    let page = u64::min(jobs_a_turn, field.ground.seeded.jobs as u64).max(1);
    Ok(jobs / crate::stats::count(page))
}

/// Frames locked a second; the batches are dropped, which rolls back.
async fn lock(
    field: &Field,
    jobs: &Arc<[PendingJob]>,
    workers: NonZeroUsize,
) -> anyhow::Result<f64> {
    let registry = Registry::new();
    let stage = LayerLock::new(
        field.store.clone(),
        field.index.clone(),
        Arc::new(Resting::new(REST, REST)),
        wiring::lock(&field.settings),
        LockMetrics::new(&registry, MatchMetrics::new(&registry)?.without_host())?,
        Capacity::new(1_000_000),
    );
    let (cluster, jobs) = (Arc::clone(&field.cluster), Arc::clone(jobs));
    rate(|flow| {
        let mut turn = 0;
        let next = move || {
            let job = &jobs[turn % jobs.len()];
            turn += 1;
            JobWork {
                cluster: Arc::clone(&cluster),
                ticket: Ticket::open(|_| {}),
                job: Arc::clone(&job.job),
                layers: job.layers.clone(),
            }
        };
        let (sink, taken) = Sink::new(|batch: &LockedBatch<(OpenBooking, Reserved)>| {
            batch
                .layers
                .iter()
                .map(|layer| layer.frames.len() as u64)
                .sum()
        });
        let (to_lock, works) = flow.edge(LayerLock::NAME, field.settings.stages.layer_lock.queue);
        let (to_sink, arrivals) = flow.edge("sink", ONE);
        flow.stage(sink, ONE, arrivals, Flow::last_outlet());
        flow.batch_stage(stage, workers, works, to_sink);
        flow.source(Feed::new(for_a_time(ROUND, next)), to_lock);
        taken
    })
    .await
}
