//! What RQD must be told about the layers of a batch.

use std::collections::HashMap;

use cue_domain::{JobId, Kib, LayerId};

use crate::booking::OpenBooking;
use crate::error::StoreError;
use crate::rows::{get, id};
use crate::statements::LAUNCH_LAYERS;

/// The facts of one layer and its job that a launch needs (contract, 10.2 and 10.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchFacts {
    /// `layer.pk_layer`.
    pub layer: LayerId,
    /// `layer.str_name`.
    pub layer_name: String,
    /// `layer.str_cmd`, tokens in place.
    pub command: String,
    /// `layer.str_range`.
    pub range: String,
    /// `layer.int_chunk_size`.
    pub chunk_size: i64,
    /// `layer.b_threadable`.
    pub threadable: bool,
    /// `layer.int_mem_min`.
    pub memory_min: Kib,
    /// `job.pk_job`.
    pub job: JobId,
    /// `job.str_name`.
    pub job_name: String,
    /// `job.str_show`.
    pub show_name: String,
    /// `job.str_shot`.
    pub shot: String,
    /// `job.str_user`.
    pub user: String,
    /// `job.str_log_dir`.
    pub log_dir: String,
    /// `job.int_uid`.
    pub uid: Option<i64>,
    /// `job.str_os`; `None` when NULL or empty.
    pub os: Option<String>,
    /// `job.str_loki_url`.
    pub loki_url: Option<String>,
    /// `layer.int_stuck_detection_llu`, minutes; 0 where the column is missing (before V48).
    pub stuck_detection_llu: i32,
    /// `job_env` overlaid by `layer_env`; rows without a key are left out.
    pub env: Vec<(String, String)>,
}

impl OpenBooking {
    /// Reads what the launches of these layers need.
    ///
    /// # Errors
    /// The statement failed; the transaction is lost.
    pub async fn launch_facts(
        &mut self,
        layers: Vec<String>,
    ) -> Result<HashMap<LayerId, LaunchFacts>, StoreError> {
        let query = sqlx::query(LAUNCH_LAYERS.sql).bind(layers);
        let (tx, store) = self.parts();
        let rows = store.meters.rows(&LAUNCH_LAYERS, query, tx).await?;
        rows.iter()
            .map(facts)
            .map(|facts| facts.map(|facts| (facts.layer.clone(), facts)))
            .collect()
    }
}

fn facts(row: &sqlx::postgres::PgRow) -> Result<LaunchFacts, StoreError> {
    let name = LAUNCH_LAYERS.name;
    let mut env: std::collections::BTreeMap<String, String> =
        pairs(row, "job_keys", "job_values")?.collect();
    env.extend(pairs(row, "layer_keys", "layer_values")?);
    Ok(LaunchFacts {
        layer: id(row, name, "pk_layer")?,
        layer_name: get(row, name, "layer_name")?,
        command: get(row, name, "str_cmd")?,
        range: get(row, name, "str_range")?,
        chunk_size: get(row, name, "int_chunk_size")?,
        threadable: get(row, name, "b_threadable")?,
        memory_min: Kib(get(row, name, "int_mem_min")?),
        job: id(row, name, "pk_job")?,
        job_name: get(row, name, "job_name")?,
        show_name: get(row, name, "str_show")?,
        shot: get(row, name, "str_shot")?,
        user: get(row, name, "str_user")?,
        log_dir: get(row, name, "str_log_dir")?,
        uid: get(row, name, "int_uid")?,
        os: get::<Option<String>>(row, name, "str_os")?.filter(|os| !os.is_empty()),
        loki_url: get::<Option<String>>(row, name, "str_loki_url")?.filter(|url| !url.is_empty()),
        stuck_detection_llu: get(row, name, "stuck_detection_llu")?,
        env: env.into_iter().collect(),
    })
}

fn pairs(
    row: &sqlx::postgres::PgRow,
    keys: &'static str,
    values: &'static str,
) -> Result<impl Iterator<Item = (String, String)>, StoreError> {
    let keys: Vec<String> = get(row, LAUNCH_LAYERS.name, keys)?;
    let values: Vec<String> = get(row, LAUNCH_LAYERS.name, values)?;
    Ok(keys.into_iter().zip(values))
}
