//! Steps of Cuebot after a frame has stopped: statistics, usage, memory raises, finished jobs.
//!
//! Invariant: each statement is a transaction of its own, as in Cuebot; none of them decides
//! whether a frame may run, so none may hold a lock that a booking waits for.

use std::sync::atomic::AtomicU64;

use sqlx::PgPool;

use super::retry::with_retries;
use super::stop::Stopped;

const COUNT_SHOW_STATS: &str = include_str!("../../sql/completion/count_show_stats.sql");
const ADD_JOB_USAGE: &str = include_str!("../../sql/completion/add_job_usage.sql");
const ADD_LAYER_USAGE: &str = include_str!("../../sql/completion/add_layer_usage.sql");
const RAISE_LAYER_MEMORY: &str = include_str!("../../sql/completion/raise_layer_memory.sql");
const FINISH_JOBS: &str = include_str!("../../sql/completion/finish_jobs.sql");

/// Adds ended frames to the statistics of their show, job and layer, and raises the memory of
/// layers whose frames were killed for it.
pub(crate) async fn record(
    pool: &PgPool,
    stopped: &[Stopped],
    retried: &AtomicU64,
) -> Result<(), sqlx::Error> {
    if stopped.is_empty() {
        return Ok(());
    }
    let jobs: Vec<_> = stopped.iter().map(|s| s.job.as_str()).collect();
    let layers: Vec<_> = stopped.iter().map(|s| s.layer.as_str()).collect();
    let good: Vec<_> = stopped.iter().map(|s| s.good).collect();
    let seconds: Vec<_> = stopped.iter().map(|s| s.seconds).collect();
    let cores: Vec<_> = stopped.iter().map(|s| s.cores).collect();
    let gpus: Vec<_> = stopped.iter().map(|s| s.gpus).collect();
    with_retries("count show stats", retried, || {
        sqlx::query(COUNT_SHOW_STATS)
            .bind(&jobs)
            .bind(&good)
            .execute(pool)
    })
    .await?;
    for (statement, keys) in [(ADD_JOB_USAGE, &jobs), (ADD_LAYER_USAGE, &layers)] {
        with_retries("add usage", retried, || {
            sqlx::query(statement)
                .bind(keys)
                .bind(&good)
                .bind(&seconds)
                .bind(&cores)
                .bind(&gpus)
                .execute(pool)
        })
        .await?;
    }
    let (starved, had): (Vec<_>, Vec<_>) = stopped
        .iter()
        .filter(|s| s.memory_failure)
        .map(|s| (s.layer.as_str(), s.mem_reserved))
        .unzip();
    if !starved.is_empty() {
        with_retries("raise layer memory", retried, || {
            sqlx::query(RAISE_LAYER_MEMORY)
                .bind(&starved)
                .bind(&had)
                .execute(pool)
        })
        .await?;
    }
    Ok(())
}

/// Finishes those of the frames' jobs that have nothing left to run.
pub(crate) async fn finish_jobs(
    pool: &PgPool,
    stopped: &[Stopped],
    retried: &AtomicU64,
) -> Result<(), sqlx::Error> {
    let mut jobs: Vec<_> = stopped.iter().map(|s| s.job.as_str()).collect();
    jobs.sort_unstable();
    jobs.dedup();
    if !jobs.is_empty() {
        with_retries("finish jobs", retried, || {
            sqlx::query(FINISH_JOBS).bind(&jobs).execute(pool)
        })
        .await?;
    }
    Ok(())
}
