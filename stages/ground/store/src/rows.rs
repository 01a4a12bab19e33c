//! Reading columns out of rows.

use std::sync::Arc;

use cue_domain::{Centicores, Kib, Layer, MemoryReport, Resources, tags};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

use crate::error::StoreError;

/// Reads one column, and names the statement and the column when it cannot be read.
pub(crate) fn get<'r, T>(
    row: &'r PgRow,
    statement: &'static str,
    column: &'static str,
) -> Result<T, StoreError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column)
        .map_err(|source| StoreError::Failed { statement, source })
}

/// Reads an id.
pub(crate) fn id<I: From<String>>(
    row: &PgRow,
    statement: &'static str,
    column: &'static str,
) -> Result<I, StoreError> {
    get::<String>(row, statement, column).map(I::from)
}

/// Reads the four idle columns of a host.
pub(crate) fn idle(row: &PgRow, statement: &'static str) -> Result<Resources, StoreError> {
    Ok(Resources {
        cores: Centicores(get(row, statement, "int_cores_idle")?),
        memory: Kib(get(row, statement, "int_mem_idle")?),
        gpus: get(row, statement, "int_gpus_idle")?,
        gpu_memory: Kib(get(row, statement, "int_gpu_mem_idle")?),
    })
}

/// Reads the four columns of what a host has in all.
pub(crate) fn total(row: &PgRow, statement: &'static str) -> Result<Resources, StoreError> {
    Ok(Resources {
        cores: Centicores(get(row, statement, "int_cores")?),
        memory: Kib(get(row, statement, "int_mem")?),
        gpus: get(row, statement, "int_gpus")?,
        gpu_memory: Kib(get(row, statement, "int_gpu_mem")?),
    })
}

/// Reads the free memory that a host reported last.
pub(crate) fn memory_report(
    row: &PgRow,
    statement: &'static str,
) -> Result<MemoryReport, StoreError> {
    Ok(MemoryReport {
        free: Kib(get(row, statement, "mem_free")?),
        gpu_free: Kib(get(row, statement, "gpu_mem_free")?),
    })
}

/// Reads the four columns of what the procs of a host hold.
pub(crate) fn held(row: &PgRow, statement: &'static str) -> Result<Resources, StoreError> {
    Ok(Resources {
        cores: Centicores(get(row, statement, "cores_held")?),
        memory: Kib(get(row, statement, "mem_held")?),
        gpus: get(row, statement, "gpus_held")?,
        gpu_memory: Kib(get(row, statement, "gpu_mem_held")?),
    })
}

/// Reads a layer from the columns that `pending_layers` and `lock_layers` share.
pub(crate) fn layer(row: &PgRow, statement: &'static str) -> Result<Layer, StoreError> {
    let cores_max: i64 = get(row, statement, "int_cores_max")?;
    let services: String = get(row, statement, "str_services")?;
    let tags: String = get(row, statement, "str_tags")?;
    Ok(Layer {
        id: id(row, statement, "pk_layer")?,
        name: get::<String>(row, statement, "layer_name")?.into(),
        dispatch_order: get(row, statement, "int_dispatch_order")?,
        cores_min: Centicores(get(row, statement, "int_cores_min")?),
        cores_max: (cores_max > 0).then_some(Centicores(cores_max)),
        memory_min: Kib(get(row, statement, "int_mem_min")?),
        gpus_min: get(row, statement, "int_gpus_min")?,
        gpu_memory_min: Kib(get(row, statement, "int_gpu_mem_min")?),
        threadable: get(row, statement, "b_threadable")?,
        services: services
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(Arc::from)
            .collect(),
        tags: tags::alternatives(&tags).into(),
        waiting: get(row, statement, "int_waiting_count")?,
    })
}
