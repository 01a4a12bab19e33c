//! The jobs of a cluster that could run.

use std::sync::Arc;

use cue_domain::job::Headroom;
use cue_domain::{AllocId, Centicores, Cluster, Depth, Job, Layer};
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, id, layer};
use crate::statements::PENDING_LAYERS;

/// A job and its layers that could run, in dispatch order.
#[derive(Clone, Debug)]
pub struct PendingJob {
    /// The job.
    pub job: Arc<Job>,
    /// Its layers.
    pub layers: Vec<Layer>,
}

/// What a turn's query found.
#[derive(Clone, Debug, Default)]
pub struct PendingLayers {
    /// The jobs, in order of service.
    pub jobs: Vec<PendingJob>,
    /// When a bound cut the answer, so that there may be more: what it covers whole. If the first job
    /// alone has more layers than the bound, that is layers of it.
    pub cut_after: Option<Depth>,
}

impl Store {
    /// The jobs of `cluster` that could run, in order of service: priority, then age.
    ///
    /// Begins behind `skip`; returns at most `jobs` jobs and `layers` layers.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn pending_layers(
        &self,
        cluster: &Cluster,
        skip: Depth,
        jobs: u32,
        layers: u32,
    ) -> Result<PendingLayers, StoreError> {
        // The indexed expression has no blanks in it; the exact comparison follows below.
        let tags: Vec<String> = cluster
            .key
            .tags
            .iter()
            .map(|tag| tag.as_str().replace(' ', ""))
            .collect();
        let query = sqlx::query(PENDING_LAYERS.sql)
            .bind(cluster.key.facility.as_str().to_owned())
            .bind(cluster.key.show.as_str().to_owned())
            .bind(tags)
            .bind(i64::from(skip.jobs))
            .bind(i64::from(jobs))
            .bind(i64::from(layers))
            .bind(i64::from(skip.layers));
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&PENDING_LAYERS, query, &mut conn).await?;
        drop(conn);
        group(cluster, &rows, skip, (jobs, layers))
    }
}

/// Groups rows, which come job by job, and drops layers whose tags only look alike.
fn group(
    cluster: &Cluster,
    rows: &[PgRow],
    skip: Depth,
    (job_bound, layer_bound): (u32, u32),
) -> Result<PendingLayers, StoreError> {
    let mut found = PendingLayers::default();
    for row in rows {
        let job_id: String = get(row, PENDING_LAYERS.name, "pk_job")?;
        let layer = layer(row, PENDING_LAYERS.name)?;
        if cluster.shared_tags(&layer.tags).next().is_none() {
            continue;
        }
        match found.jobs.last_mut() {
            Some(pending) if pending.job.id.as_str() == job_id => pending.layers.push(layer),
            _ => found.jobs.push(PendingJob {
                job: Arc::new(job(cluster, row)?),
                layers: vec![layer],
            }),
        }
    }
    found.cut_after = match rows.last() {
        Some(last) => {
            let number = |column| {
                let number: i64 = get(last, PENDING_LAYERS.name, column)?;
                Ok::<u32, StoreError>(u32::try_from(number).unwrap_or(u32::MAX))
            };
            let (place, of) = (number("place")?, number("of")?);
            let at_bound = rows.len() >= layer_bound as usize;
            match place {
                1 if at_bound => Some(Depth {
                    jobs: 0,
                    layers: layer_bound,
                }),
                place if at_bound => Some(Depth::of_jobs(place - 1)),
                _ => (of >= job_bound).then_some(Depth::of_jobs(of)),
            }
        }
        // All layers of the first job are behind; there may be jobs after it.
        None => (skip.layers > 0).then_some(Depth::of_jobs(1)),
    };
    Ok(found)
}

fn job(cluster: &Cluster, row: &PgRow) -> Result<Job, StoreError> {
    let name = PENDING_LAYERS.name;
    let os: Option<String> = get(row, name, "str_os")?;
    let folder_cores: Option<i64> = get(row, name, "folder_cores_rest")?;
    let allocs: Vec<String> = get(row, name, "allocs")?;
    let rests: Vec<i64> = get(row, name, "rests")?;
    Ok(Job {
        id: id(row, name, "pk_job")?,
        name: get::<String>(row, name, "job_name")?.into(),
        show: cluster.key.show.clone(),
        facility: cluster.key.facility.clone(),
        folder: id(row, name, "pk_folder")?,
        dept: id(row, name, "pk_dept")?,
        priority: get(row, name, "int_priority")?,
        os: os.filter(|os| !os.is_empty()).map(Arc::from),
        headroom: Headroom {
            cores: Some(Centicores(get(row, name, "job_cores_rest")?)),
            gpus: Some(get(row, name, "job_gpus_rest")?),
            folder_cores: folder_cores.map(Centicores),
            folder_gpus: get(row, name, "folder_gpus_rest")?,
            subscriptions: allocs
                .into_iter()
                .zip(rests)
                .map(|(alloc, rest)| (AllocId::from(alloc), Centicores(rest)))
                .collect(),
        },
    })
}
