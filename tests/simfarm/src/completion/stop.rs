//! The first transaction of a completion: frames stop, procs let go of them.
//!
//! Invariant: a frame is stopped only if it is still RUNNING in the version that was read under
//! its lock. All frame rows are locked before any counter row (OPENCUE.md, Lock order).

use cue_domain::ids::{JobId, LayerId};
use sqlx::{PgPool, Postgres, Row, Transaction};

use super::Completion;
use super::state::{FrameState, StopFacts, next_state};

const LOCK_FRAMES: &str = include_str!("../../sql/completion/lock_reported_frames.sql");
const LOCK_LAYER_STATS: &str = include_str!("../../sql/completion/lock_layer_stats.sql");
const LOCK_JOB_STATS: &str = include_str!("../../sql/completion/lock_job_stats.sql");
const STOP_FRAMES: &str = include_str!("../../sql/completion/stop_frames.sql");
const RAISE_LAYER_MEM: &str = include_str!("../../sql/completion/raise_layer_mem.sql");
const RAISE_JOB_MEM: &str = include_str!("../../sql/completion/raise_job_mem.sql");
const DETACH_PROCS: &str = include_str!("../../sql/completion/detach_procs.sql");

/// A frame whose run was ended by its report.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    /// Its job.
    pub(crate) job: JobId,
    /// Its layer.
    pub(crate) layer: LayerId,
    /// True if it counts as a success: a status of 0 or less.
    pub(crate) good: bool,
    /// True if it was killed for memory.
    pub(crate) memory_failure: bool,
    /// Time for which it ran, in whole seconds.
    pub(crate) seconds: i64,
    /// `frame.int_cores` in centicores.
    pub(crate) cores: i64,
    /// `frame.int_gpus`.
    pub(crate) gpus: i64,
    /// `frame.int_mem_reserved` in KiB.
    pub(crate) mem_reserved: i64,
}

/// The frame's row and its neighbours under the lock.
struct Found {
    report: usize,
    version: i32,
    facts: StopFacts,
}

/// Stops the frames of a batch in one transaction, and says which reports had something to stop.
pub(crate) async fn stop(pool: &PgPool, batch: &[Completion]) -> Result<Vec<Stopped>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let found = lock(&mut tx, batch).await?;
    let stopped = write(&mut tx, batch, &found).await?;
    if !found.is_empty() {
        raise_memory(&mut tx, batch, &found).await?;
        let procs: Vec<_> = found
            .iter()
            .map(|f| &*batch[f.report].resource_id)
            .collect();
        let frames: Vec<_> = found.iter().map(|f| &*batch[f.report].frame_id).collect();
        sqlx::query(DETACH_PROCS)
            .bind(procs)
            .bind(frames)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(stopped)
}

async fn lock(
    tx: &mut Transaction<'_, Postgres>,
    batch: &[Completion],
) -> Result<Vec<Found>, sqlx::Error> {
    let procs: Vec<_> = batch.iter().map(|c| &*c.resource_id).collect();
    let frames: Vec<_> = batch.iter().map(|c| &*c.frame_id).collect();
    let rows = sqlx::query(LOCK_FRAMES)
        .bind(procs)
        .bind(&frames)
        .fetch_all(&mut **tx)
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let place: i64 = row.try_get("place")?;
        let Some(report) = usize::try_from(place - 1).ok().filter(|n| *n < batch.len()) else {
            continue;
        };
        let state: String = row.try_get("str_state")?;
        let Some(state) = FrameState::from_db(&state) else {
            tracing::warn!(frame = %batch[report].frame_id, state, "the frame has a state that is none");
            continue;
        };
        let facts = StopFacts {
            state,
            exit_status: batch[report].exit_status,
            exit_signal: batch[report].exit_signal,
            stored_exit_status: row.try_get("int_exit_status")?,
            retries: row.try_get("int_retries")?,
            max_retries: row.try_get::<i16, _>("int_max_retries")?.into(),
            autoeat: row.try_get("b_autoeat")?,
            nimby_locked: row.try_get("nimby_locked")?,
            run_time: batch[report].run_time,
            timeout_min: row.try_get("int_timeout")?,
            timeout_llu_min: row.try_get("int_timeout_llu")?,
            minutes_since_log: row.try_get("minutes_since_log")?,
        };
        let version = row.try_get::<Option<i32>, _>("int_version")?.unwrap_or(0);
        found.push(Found {
            report,
            version,
            facts,
        });
    }
    // The triggers of the frames write these rows one by one; taking them here keeps them sorted.
    let frames: Vec<_> = found.iter().map(|f| &*batch[f.report].frame_id).collect();
    sqlx::query(LOCK_LAYER_STATS)
        .bind(&frames)
        .execute(&mut **tx)
        .await?;
    sqlx::query(LOCK_JOB_STATS)
        .bind(&frames)
        .execute(&mut **tx)
        .await?;
    Ok(found)
}

async fn write(
    tx: &mut Transaction<'_, Postgres>,
    batch: &[Completion],
    found: &[Found],
) -> Result<Vec<Stopped>, sqlx::Error> {
    let running: Vec<_> = found
        .iter()
        .filter(|f| f.facts.state == FrameState::Running)
        .collect();
    let reports = || running.iter().map(|f| &batch[f.report]);
    let rows = sqlx::query(STOP_FRAMES)
        .bind((0_i64..).take(running.len()).collect::<Vec<_>>())
        .bind(reports().map(|c| &*c.frame_id).collect::<Vec<_>>())
        .bind(reports().map(|c| &*c.resource_id).collect::<Vec<_>>())
        .bind(running.iter().map(|f| f.version).collect::<Vec<_>>())
        .bind(
            running
                .iter()
                .map(|f| next_state(&f.facts).as_db())
                .collect::<Vec<_>>(),
        )
        .bind(reports().map(|c| c.exit_status).collect::<Vec<_>>())
        .bind(reports().map(|c| c.max_rss.0).collect::<Vec<_>>())
        .fetch_all(&mut **tx)
        .await?;
    let mut stopped = Vec::with_capacity(rows.len());
    for row in rows {
        let place: i64 = row.try_get("place")?;
        let Some(found) = usize::try_from(place).ok().and_then(|n| running.get(n)) else {
            continue;
        };
        let facts = &found.facts;
        stopped.push(Stopped {
            job: row.try_get::<String, _>("pk_job")?.into(),
            layer: row.try_get::<String, _>("pk_layer")?.into(),
            good: facts.exit_status <= 0,
            memory_failure: facts.exit_status != 0 && facts.is_memory_failure(),
            seconds: i64::try_from(facts.run_time.as_secs()).unwrap_or(i64::MAX),
            cores: row.try_get("int_cores")?,
            gpus: row.try_get("int_gpus")?,
            mem_reserved: row.try_get("int_mem_reserved")?,
        });
    }
    Ok(stopped)
}

async fn raise_memory(
    tx: &mut Transaction<'_, Postgres>,
    batch: &[Completion],
    found: &[Found],
) -> Result<(), sqlx::Error> {
    let reports = || found.iter().map(|f| &batch[f.report]);
    let rss: Vec<_> = reports().map(|c| c.max_rss.0).collect();
    let layers: Vec<_> = reports().map(|c| &*c.layer_id).collect();
    sqlx::query(RAISE_LAYER_MEM)
        .bind(layers)
        .bind(&rss)
        .execute(&mut **tx)
        .await?;
    let jobs: Vec<_> = reports().map(|c| &*c.job_id).collect();
    sqlx::query(RAISE_JOB_MEM)
        .bind(jobs)
        .bind(&rss)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
