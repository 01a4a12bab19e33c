//! Writing a recorded farm (`cue-scheduler record`) into an empty database.
//!
//! The format is read with types of its own, so that a fault in the program that writes it cannot hide.
//!
//! Invariant: hosts begin idle, and what ran when the farm was recorded waits, so that a replay decides about
//! everything.

use std::collections::HashMap;

use anyhow::{Context, ensure};
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::rows::{self, FolderRow, GIB, HELD_BACK, HostSpec, LimitRow, Sites, SubscriptionRow};
use super::seeded::{Named, Seeded};
use super::work_rows::{self, JobRow, LayerRow};

#[derive(Deserialize)]
struct Recorded {
    version: u32,
    hosts: Vec<Host>,
    subscriptions: Vec<Subscription>,
    limits: Vec<Limit>,
    folders: Vec<Folder>,
    jobs: Vec<Job>,
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Host {
    name: String,
    allocation: String,
    cores: i64,
    memory: i64,
    gpus: i64,
    gpu_memory: i64,
    os: String,
    thread_mode: i32,
    lock_state: String,
    state: String,
    tags: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Subscription {
    show: String,
    allocation: String,
    size: i64,
    burst: i64,
}

#[derive(Deserialize)]
struct Limit {
    name: String,
    max: i32,
}

#[derive(Deserialize)]
struct Folder {
    name: String,
    show: String,
    max_cores: i32,
    max_gpus: i32,
}

#[derive(Deserialize)]
struct Job {
    name: String,
    show: String,
    folder: String,
    os: Option<String>,
    priority: i32,
    max_cores: i32,
    max_gpus: i32,
}

#[derive(Deserialize)]
struct Layer {
    job: String,
    order: i64,
    tags: String,
    cores_min: i64,
    cores_max: i32,
    memory_min: i64,
    gpus_min: i64,
    gpu_memory_min: i64,
    threadable: bool,
    waiting: i64,
    running: i64,
    limits: Vec<String>,
}

/// Ids by names, made as names come.
#[derive(Default)]
struct Ids(HashMap<String, String>);

impl Ids {
    fn of(&mut self, name: &str) -> String {
        let made = || Uuid::new_v4().to_string();
        self.0.entry(name.to_owned()).or_insert_with(made).clone()
    }

    fn named(&self) -> Vec<Named> {
        let named = self.0.iter().map(|(name, id)| Named {
            id: id.clone(),
            name: name.clone(),
        });
        let mut named: Vec<Named> = named.collect();
        named.sort_by(|a, b| a.name.cmp(&b.name));
        named
    }
}

/// Writes a recording into an empty farm, in one transaction.
///
/// # Errors
/// It is none, or the database refused it.
pub async fn seed_recording(pool: &PgPool, text: &str) -> anyhow::Result<Seeded> {
    let recorded: Recorded = serde_json::from_str(text).context("this is no recording")?;
    ensure!(
        recorded.version == 1,
        "version {} is not known",
        recorded.version
    );
    let (sites, hosts, jobs) = rows_of(&recorded)?;
    let mut tx = pool.begin().await?;
    rows::insert_sites(&mut tx, &sites).await?;
    rows::insert_hosts(&mut tx, &hosts).await?;
    work_rows::insert_jobs(&mut tx, &jobs).await?;
    tx.commit().await?;
    let layers = || jobs.iter().flat_map(|job| &job.layers);
    let total =
        |value: fn(&HostSpec) -> i64| hosts.iter().map(|host| value(host).unsigned_abs()).sum();
    Ok(Seeded {
        hosts: hosts.len(),
        jobs: jobs.len(),
        layers: layers().count(),
        frames: layers().map(|layer| layer.frames.unsigned_abs()).sum(),
        cores: total(|host| host.cores / 100),
        gpus: total(|host| host.gpus),
        facility: sites.facility,
        shows: sites.shows,
        allocations: sites.allocations,
    })
}

fn rows_of(recorded: &Recorded) -> anyhow::Result<(Sites, Vec<HostSpec>, Vec<JobRow>)> {
    let (mut shows, mut allocations, mut limits) = (Ids::default(), Ids::default(), Ids::default());
    let hosts = recorded
        .hosts
        .iter()
        .map(|host| host_of(host, &mut allocations));
    let hosts = hosts.collect::<anyhow::Result<Vec<_>>>()?;
    let subscriptions = recorded.subscriptions.iter().map(|row| SubscriptionRow {
        id: Uuid::new_v4().to_string(),
        show: shows.of(&row.show),
        allocation: allocations.of(&row.allocation),
        size: row.size,
        burst: row.burst,
    });
    let subscriptions = subscriptions.collect();
    let limit_rows = recorded.limits.iter().map(|limit| LimitRow {
        id: limits.of(&limit.name),
        name: limit.name.clone(),
        max: limit.max,
    });
    let limit_rows = limit_rows.collect();
    let folder_rows = recorded.folders.iter().map(|folder| FolderRow {
        id: folder.name.clone(),
        parent: None,
        show: shows.of(&folder.show),
        name: folder.name.clone(),
        max_cores: folder.max_cores,
        max_gpus: folder.max_gpus,
    });
    let folder_rows = folder_rows.collect();
    let (facility, dept) = (named("recorded"), named("unit"));
    let mut layers: HashMap<&str, Vec<&Layer>> = HashMap::new();
    for layer in &recorded.layers {
        layers.entry(&layer.job).or_default().push(layer);
    }
    let jobs = recorded.jobs.iter().filter_map(|job| {
        let layers = layers.remove(job.name.as_str())?;
        let layers = layers.into_iter().map(|layer| layer_of(layer, &mut limits));
        let layers = layers.collect();
        let place = (&facility, &dept, &mut shows);
        Some(job_of(job, layers, place))
    });
    let jobs = jobs.collect();
    let shows = shows.named();
    let sites = Sites {
        points: shows.iter().map(|_| Uuid::new_v4().to_string()).collect(),
        facility,
        dept,
        shows,
        scheduler_managed: true,
        allocations: allocations.named(),
        subscriptions,
        folders: folder_rows,
        limits: limit_rows,
    };
    Ok((sites, hosts, jobs))
}

fn host_of(host: &Host, allocations: &mut Ids) -> anyhow::Result<HostSpec> {
    const KINDS: [&str; 4] = ["ALLOC", "HOSTNAME", "HARDWARE", "MANUAL"];
    let tags = host.tags.iter().map(|(tag, kind)| {
        let known = KINDS.into_iter().find(|known| known == kind);
        Ok((
            tag.clone(),
            known.with_context(|| format!("no tag is of kind {kind}"))?,
        ))
    });
    Ok(HostSpec {
        id: Uuid::new_v4().to_string(),
        name: host.name.clone(),
        allocation: allocations.of(&host.allocation),
        cores: host.cores,
        // The row has what Cuebot lends out; a machine has that and what is held back.
        memory: (host.memory + HELD_BACK).max(GIB),
        gpus: host.gpus,
        gpu_memory: host.gpu_memory,
        os: host.os.clone(),
        thread_mode: host.thread_mode,
        lock_state: host.lock_state.clone(),
        state: host.state.clone(),
        tags: tags.collect::<anyhow::Result<_>>()?,
    })
}

fn job_of(
    job: &Job,
    layers: Vec<LayerRow>,
    (facility, dept, shows): (&Named, &Named, &mut Ids),
) -> JobRow {
    JobRow {
        id: Uuid::new_v4().to_string(),
        folder: job.folder.clone(),
        show: shows.of(&job.show),
        show_name: job.show.clone(),
        facility: facility.id.clone(),
        dept: dept.id.clone(),
        name: job.name.clone(),
        shot: "shot".to_owned(),
        user: "user".to_owned(),
        uid: None,
        priority: job.priority,
        max_cores: job.max_cores,
        max_gpus: job.max_gpus,
        max_retries: 3,
        paused: false,
        autoeat: false,
        os: job.os.clone(),
        log_dir: "/tmp/logs".to_owned(),
        env: Vec::new(),
        layers,
    }
}

fn layer_of(layer: &Layer, limits: &mut Ids) -> LayerRow {
    LayerRow {
        id: Uuid::new_v4().to_string(),
        name: format!("layer{}", layer.order),
        kind: "RENDER".to_owned(),
        command: "true".to_owned(),
        order: layer.order,
        frames: layer.waiting + layer.running,
        chunk: 1,
        cores_min: layer.cores_min,
        cores_max: layer.cores_max,
        mem_min: layer.memory_min,
        gpus_min: layer.gpus_min,
        gpu_mem_min: layer.gpu_memory_min,
        threadable: layer.threadable,
        tags: layer.tags.clone(),
        limits: layer.limits.iter().map(|limit| limits.of(limit)).collect(),
        env: Vec::new(),
    }
}

fn named(name: &str) -> Named {
    Named {
        id: Uuid::new_v4().to_string(),
        name: name.to_owned(),
    }
}
