//! Layers by key as they are now, with their jobs.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::job::{Headroom, Room};
use cue_domain::{AllocId, Centicores, Cluster, Job, JobId, Layer, LayerId};

use crate::error::StoreError;
use crate::keys::column;
use crate::pool::Store;
use crate::rows::Row;
use crate::statements::{WANTED_LAYERS, query};
use crate::unreadable::Reader;

/// A job and those of its layers that were asked for and could run.
#[derive(Clone, Debug)]
pub struct PendingJob {
    /// The job.
    pub job: Arc<Job>,
    /// The layers.
    pub layers: Vec<Layer>,
}

impl Store {
    /// Layers among these that could run now, with their jobs, in no order. Facility and show are those of
    /// `cluster`.
    pub async fn wanted_layers(
        &self,
        cluster: &Cluster,
        layers: &[LayerId],
    ) -> Result<Vec<PendingJob>, StoreError> {
        let query = query(&WANTED_LAYERS)
            .bind(cluster.key.facility.as_str().to_owned())
            .bind(cluster.key.show.as_str().to_owned())
            .bind(column(layers, LayerId::as_str));
        let rows = self.fetch(&WANTED_LAYERS, query).await?;
        group(cluster, &rows, self.meters.reader(&WANTED_LAYERS))
    }
}

/// Groups rows, which come in any order, by job.
fn group(
    cluster: &Cluster,
    rows: &[Row],
    mut reader: Reader<'_>,
) -> Result<Vec<PendingJob>, StoreError> {
    let mut found: Vec<PendingJob> = Vec::new();
    let mut places: HashMap<JobId, usize> = HashMap::new();
    for row in rows {
        let Some(layer) = reader.row(row, row.layer())? else {
            continue;
        };
        let Some(job_id) = reader.row(row, row.id::<JobId>("pk_job"))? else {
            continue;
        };
        if let Some(pending) = places.get(&job_id).and_then(|place| found.get_mut(*place)) {
            pending.layers.push(layer);
        } else if let Some(job) = reader.row(row, job(cluster, row))? {
            places.insert(job_id, found.len());
            found.push(PendingJob {
                job: Arc::new(job),
                layers: vec![layer],
            });
        }
    }
    Ok(found)
}

fn job(cluster: &Cluster, row: &Row) -> Result<Job, StoreError> {
    let os: Option<String> = row.get("str_os")?;
    let allocs: Vec<String> = row.get("allocs")?;
    let left: Vec<i64> = row.get("cores_left")?;
    Ok(Job {
        id: row.id("pk_job")?,
        name: row.get::<String>("job_name")?.into(),
        show: cluster.key.show.clone(),
        facility: cluster.key.facility.clone(),
        folder: row.id("pk_folder")?,
        dept: row.id("pk_dept")?,
        priority: row.get("int_priority")?,
        os: os.filter(|os| !os.is_empty()).map(Arc::from),
        headroom: Headroom {
            job: Room {
                cores: Some(Centicores(row.get("job_cores_left")?)),
                gpus: Some(row.get("job_gpus_left")?),
            },
            folder: row.folder_room()?,
            subscriptions: allocs
                .into_iter()
                .zip(left)
                .map(|(alloc, left)| (AllocId::from(alloc), Centicores(left)))
                .collect(),
        },
    })
}
