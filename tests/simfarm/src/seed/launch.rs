//! Launching one job on a running farm.
//!
//! Invariant: a job appears at once and whole. All its rows are written in one transaction, and
//! the change to PENDING is the last of them, so that no scheduler sees half a job.

use std::collections::HashMap;

use anyhow::Context as _;
use cue_domain::Kib;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::rows::GIB;
use super::work_rows::{JobRow, LayerRow, insert_jobs};
use crate::rqd::{FrameDuration, MAX_RSS, RUN_TIME};

/// Show, folder, department and facility of a job, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The facility.
    pub facility: String,
    /// The show.
    pub show: String,
    /// The name of the show.
    pub show_name: String,
    /// The department.
    pub dept: String,
    /// The folder.
    pub folder: String,
}

/// A job to be launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// Show, folder, department and facility of the job.
    pub place: Place,
    /// Its name, unique among live jobs.
    pub name: String,
    /// The shot.
    pub shot: String,
    /// Owner of the job.
    pub user: String,
    /// The user id frames run with; nothing leaves it to the host.
    pub uid: Option<i64>,
    /// Higher first.
    pub priority: i32,
    /// Cap, centicores.
    pub max_cores: i32,
    /// Cap, GPUs.
    pub max_gpus: i32,
    /// Retries of a failed frame.
    pub max_retries: i16,
    /// True if it waits for somebody to resume it.
    pub paused: bool,
    /// True if failed frames are eaten.
    pub autoeat: bool,
    /// The operating system it needs; nothing means any.
    pub os: Option<String>,
    /// Directory of the frames' logs.
    pub log_dir: String,
    /// Environment of all its frames.
    pub env: Vec<(String, String)>,
    /// Its layers, in dispatch order.
    pub layers: Vec<LayerSpec>,
}

/// A layer to be launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// Its name, unique in the job.
    pub name: String,
    /// `PRE`, `POST`, `RENDER` or `UTIL`.
    pub kind: String,
    /// The command template.
    pub command: String,
    /// Frames: rows, each a chunk.
    pub frames: i64,
    /// Frame numbers in a chunk.
    pub chunk: i64,
    /// Centicores of a frame; 0 is a whole host, negative is all but that many.
    pub cores_min: i64,
    /// Most centicores of a threaded frame; 0 is no cap.
    pub cores_max: i32,
    /// Memory of a frame, KiB.
    pub mem_min: i64,
    /// GPUs of a frame.
    pub gpus_min: i64,
    /// GPU memory of a frame, KiB.
    pub gpu_mem_min: i64,
    /// True if a frame can use more cores than it asks for.
    pub threadable: bool,
    /// Acceptable host tags, joined by ` | `.
    pub tags: String,
    /// Ids of limits, all of which apply.
    pub limits: Vec<String>,
    /// Environment of its frames.
    pub env: Vec<(String, String)>,
}

/// A launched job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launched {
    /// The id of the job.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its layers, in the order of the spec.
    pub layers: Vec<LaunchedLayer>,
}

/// A launched layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchedLayer {
    /// The id of the layer.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The ids of its frames, in dispatch order.
    pub frames: Vec<String>,
}

impl JobSpec {
    /// A job without layers and with values that suit most tests: priority 1, 200 cores, 100
    /// GPUs, three retries.
    #[must_use]
    pub fn new(place: Place, name: &str) -> Self {
        let log_dir = format!("/tmp/logs/{}/shot010/{name}", place.show_name);
        Self {
            place,
            name: name.to_owned(),
            shot: "shot010".to_owned(),
            user: "artist".to_owned(),
            uid: None,
            priority: 1,
            max_cores: 20_000,
            max_gpus: 100,
            max_retries: 3,
            paused: false,
            autoeat: false,
            os: None,
            log_dir,
            env: Vec::new(),
            layers: Vec::new(),
        }
    }

    /// Adds a layer for hosts tagged `tags`, after `change` has had its say.
    pub fn layer(
        &mut self,
        name: &str,
        tags: &str,
        change: impl FnOnce(&mut LayerSpec),
    ) -> &mut Self {
        let mut layer = LayerSpec::new(name, tags);
        change(&mut layer);
        self.layers.push(layer);
        self
    }
}

impl LayerSpec {
    /// One frame of one core and 1 GiB on hosts tagged `tags`.
    #[must_use]
    pub fn new(name: &str, tags: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: "RENDER".to_owned(),
            command: "render #IFRAME#".to_owned(),
            frames: 1,
            chunk: 1,
            cores_min: 100,
            cores_max: 0,
            mem_min: GIB,
            gpus_min: 0,
            gpu_mem_min: 0,
            threadable: false,
            tags: tags.to_owned(),
            limits: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Makes simulated hosts run its frames for this time, whatever the farm's duration is.
    pub fn runs_for(&mut self, duration: FrameDuration) -> &mut Self {
        self.env.push((RUN_TIME.to_owned(), duration.to_string()));
        self
    }

    /// Makes its frames use this much memory on simulated hosts, whatever the layer asks for.
    pub fn uses(&mut self, memory: Kib) -> &mut Self {
        self.env.push((MAX_RSS.to_owned(), memory.0.to_string()));
        self
    }
}

/// Adds one job to a running farm.
pub async fn launch_job(pool: &PgPool, spec: &JobSpec) -> anyhow::Result<Launched> {
    let mut launched = launch_jobs(pool, std::slice::from_ref(spec)).await?;
    launched.pop().context("a job was written and not returned")
}

/// Adds jobs to a running farm, all in one transaction: they appear at the same moment.
pub async fn launch_jobs(pool: &PgPool, specs: &[JobSpec]) -> anyhow::Result<Vec<Launched>> {
    let rows: Vec<JobRow> = specs.iter().map(job_row).collect();
    let mut tx = pool.begin().await?;
    insert_jobs(&mut tx, &rows).await?;
    let layers = rows.iter().flat_map(|row| &row.layers);
    let mut frames = frame_ids(&mut tx, layers.map(|layer| layer.id.as_str()).collect()).await?;
    tx.commit().await?;
    let mut launched_layer = |layer: LayerRow| LaunchedLayer {
        frames: frames.remove(&layer.id).unwrap_or_default(),
        id: layer.id,
        name: layer.name,
    };
    let launched = rows.into_iter().map(|row| Launched {
        id: row.id,
        name: row.name,
        layers: row.layers.into_iter().map(&mut launched_layer).collect(),
    });
    Ok(launched.collect())
}

/// The ids of the frames of each layer, in dispatch order.
async fn frame_ids(
    conn: &mut PgConnection,
    layers: Vec<&str>,
) -> sqlx::Result<HashMap<String, Vec<String>>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT pk_layer::text, pk_frame::text FROM frame WHERE pk_layer = ANY($1)
         ORDER BY pk_layer, int_dispatch_order",
    )
    .bind(layers)
    .fetch_all(conn)
    .await?;
    let mut frames: HashMap<String, Vec<String>> = HashMap::new();
    for (layer, frame) in rows {
        frames.entry(layer).or_default().push(frame);
    }
    Ok(frames)
}

fn job_row(spec: &JobSpec) -> JobRow {
    let place = spec.place.clone();
    JobRow {
        id: Uuid::new_v4().to_string(),
        folder: place.folder,
        show: place.show,
        show_name: place.show_name,
        facility: place.facility,
        dept: place.dept,
        name: spec.name.clone(),
        shot: spec.shot.clone(),
        user: spec.user.clone(),
        uid: spec.uid,
        priority: spec.priority,
        max_cores: spec.max_cores,
        max_gpus: spec.max_gpus,
        max_retries: spec.max_retries,
        paused: spec.paused,
        autoeat: spec.autoeat,
        os: spec.os.clone(),
        log_dir: spec.log_dir.clone(),
        env: spec.env.clone(),
        layers: (1..)
            .zip(&spec.layers)
            .map(|(order, layer)| layer_row(order, layer))
            .collect(),
    }
}

fn layer_row(order: i64, spec: &LayerSpec) -> LayerRow {
    let LayerSpec {
        name,
        kind,
        command,
        tags,
        limits,
        env,
        ..
    } = spec.clone();
    LayerRow {
        id: Uuid::new_v4().to_string(),
        name,
        kind,
        command,
        order,
        frames: spec.frames,
        chunk: spec.chunk,
        cores_min: spec.cores_min,
        cores_max: spec.cores_max,
        mem_min: spec.mem_min,
        gpus_min: spec.gpus_min,
        gpu_mem_min: spec.gpu_mem_min,
        threadable: spec.threadable,
        tags,
        limits,
        env,
    }
}
