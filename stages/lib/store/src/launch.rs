//! Facts about the layers of a batch that their launches need.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::{Booking, Kib, LaunchLayer, LayerId};

use crate::booking::OpenBooking;
use crate::error::StoreError;
use crate::keys::distinct;
use crate::rows::Row;
use crate::statements::{LAUNCH_LAYERS, query};

impl OpenBooking {
    /// Reads the facts that the launches of the bookings need.
    ///
    /// # Errors
    /// The statement failed; the transaction is lost.
    pub async fn launch_facts(
        &mut self,
        bookings: &[&Booking],
    ) -> Result<HashMap<LayerId, Arc<LaunchLayer>>, StoreError> {
        let layers = distinct(bookings, |booking| booking.layer.id.as_str());
        let query = query(&LAUNCH_LAYERS).bind(layers);
        let (tx, store) = self.parts();
        let rows = store.meters.rows(&LAUNCH_LAYERS, query, tx).await?;
        rows.iter()
            .map(facts)
            .map(|facts| facts.map(|facts| (facts.layer_id.clone(), Arc::new(facts))))
            .collect()
    }
}

fn facts(row: &Row) -> Result<LaunchLayer, StoreError> {
    let mut env: std::collections::BTreeMap<String, String> =
        pairs(row, "job_keys", "job_values")?.collect();
    env.extend(pairs(row, "layer_keys", "layer_values")?);
    let filled = |column| {
        row.get::<Option<String>>(column)
            .map(|text| text.filter(|text| !text.is_empty()))
    };
    Ok(LaunchLayer {
        layer_id: row.id("pk_layer")?,
        layer_name: row.get("layer_name")?,
        command: row.get("str_cmd")?,
        range: row.get::<String>("str_range")?.into(),
        chunk_size: row.get("int_chunk_size")?,
        threadable: row.get("b_threadable")?,
        memory_min: Kib(row.get("int_mem_min")?),
        job_id: row.id("pk_job")?,
        job_name: row.get("job_name")?,
        show_name: row.get("str_show")?,
        shot: row.get("str_shot")?,
        user: row.get("str_user")?,
        log_dir: row.get("str_log_dir")?,
        uid: row.get("int_uid")?,
        os: filled("str_os")?,
        loki_url: filled("str_loki_url")?,
        stuck_detection_llu: row.get("stuck_detection_llu")?,
        env: env.into_iter().collect(),
    })
}

fn pairs(
    row: &Row,
    keys: &'static str,
    values: &'static str,
) -> Result<impl Iterator<Item = (String, String)>, StoreError> {
    let keys: Vec<String> = row.get(keys)?;
    let values: Vec<String> = row.get(values)?;
    Ok(keys.into_iter().zip(values))
}
