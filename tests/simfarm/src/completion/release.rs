//! The second transaction of a completion: procs are deleted and give back what they held.
//!
//! Invariant: only the transaction whose DELETE removed the row gives anything back, and it gives
//! back what the row said then. A rerun therefore does nothing twice. Local procs are Cuebot's
//! alone and are never touched.

use sqlx::{PgPool, Postgres, Row, Transaction};

const LOCK_PROCS: &str = include_str!("../../sql/completion/lock_procs.sql");
const DELETE_PROCS: &str = include_str!("../../sql/completion/delete_procs.sql");
const GIVE_BACK_HOST: &str = include_str!("../../sql/completion/give_back_host.sql");
const GIVE_BACK_SUBSCRIPTION: &str =
    include_str!("../../sql/completion/give_back_subscription.sql");
const GIVE_BACK_LAYER: &str = include_str!("../../sql/completion/give_back_layer_resource.sql");
const GIVE_BACK_JOB: &str = include_str!("../../sql/completion/give_back_job_resource.sql");
const GIVE_BACK_FOLDER: &str = include_str!("../../sql/completion/give_back_folder_resource.sql");
const GIVE_BACK_POINT: &str = include_str!("../../sql/completion/give_back_point.sql");
const MANAGED_SHOWS: &str = include_str!("../../sql/completion/managed_shows.sql");
const NOTIFY_RELEASE: &str = include_str!("../../sql/completion/notify_release.sql");
const STOPPED_PROCS: &str = include_str!("../../sql/completion/stopped_procs.sql");

/// Keeper of the five accounting tables (OPENCUE.md, Counters).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accounting {
    /// A release always subtracts.
    #[default]
    Current,
    /// A release leaves the tables of managed shows alone and sends `acct_release` instead.
    Managed,
    /// A release leaves the tables of managed shows alone and sends nothing
    /// (`accounting.notify.enabled` is false).
    Silent,
}

/// Procs that may be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Only those whose frame has ended.
    Detached,
    /// Also those that still own a frame: their host is lost.
    Any,
}

/// Amounts that deleted procs held, column by column.
#[derive(Default)]
struct Freed {
    hosts: Vec<String>,
    shows: Vec<String>,
    jobs: Vec<String>,
    layers: Vec<String>,
    cores: Vec<i64>,
    mem: Vec<i64>,
    gpus: Vec<i64>,
    gpu_mem: Vec<i64>,
}

impl Freed {
    /// The rows of some shows, and the rows of all others.
    fn split_by_show(self, shows: &[String]) -> (Self, Self) {
        let (mut inside, mut outside) = (Self::default(), Self::default());
        for n in 0..self.hosts.len() {
            let part = if shows.contains(&self.shows[n]) {
                &mut inside
            } else {
                &mut outside
            };
            part.hosts.push(self.hosts[n].clone());
            part.shows.push(self.shows[n].clone());
            part.jobs.push(self.jobs[n].clone());
            part.layers.push(self.layers[n].clone());
            part.cores.push(self.cores[n]);
            part.mem.push(self.mem[n]);
            part.gpus.push(self.gpus[n]);
            part.gpu_mem.push(self.gpu_mem[n]);
        }
        (inside, outside)
    }
}

/// Releases procs in one transaction, and says how many there were to release.
pub(crate) async fn release(
    pool: &PgPool,
    procs: &[&str],
    guard: Guard,
    accounting: Accounting,
) -> Result<usize, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let any = guard == Guard::Any;
    sqlx::query(LOCK_PROCS)
        .bind(procs)
        .bind(any)
        .execute(&mut *tx)
        .await?;
    let freed = delete(&mut tx, procs, any).await?;
    let count = freed.hosts.len();
    if count > 0 {
        sqlx::query(GIVE_BACK_HOST)
            .bind(&freed.hosts)
            .bind(&freed.cores)
            .bind(&freed.mem)
            .bind(&freed.gpus)
            .bind(&freed.gpu_mem)
            .execute(&mut *tx)
            .await?;
        let ours = match accounting {
            Accounting::Current => freed,
            Accounting::Managed => leave_managed(&mut tx, freed, true).await?,
            Accounting::Silent => leave_managed(&mut tx, freed, false).await?,
        };
        subtract(&mut tx, &ours).await?;
    }
    tx.commit().await?;
    Ok(count)
}

/// Releases procs that were left behind between the two transactions, and says how many it found.
pub async fn release_stopped(
    pool: &PgPool,
    batch: usize,
    accounting: Accounting,
) -> Result<usize, sqlx::Error> {
    let limit = i64::try_from(batch.max(1)).unwrap_or(i64::MAX);
    let mut released = 0;
    loop {
        let procs: Vec<String> = sqlx::query_scalar(STOPPED_PROCS)
            .bind(limit)
            .fetch_all(pool)
            .await?;
        let ids: Vec<&str> = procs.iter().map(String::as_str).collect();
        let gone = if ids.is_empty() {
            0
        } else {
            release(pool, &ids, Guard::Detached, accounting).await?
        };
        released += gone;
        // Another session releases them at this moment and completes the release without us.
        if gone == 0 {
            return Ok(released);
        }
    }
}

async fn delete(
    tx: &mut Transaction<'_, Postgres>,
    procs: &[&str],
    any: bool,
) -> Result<Freed, sqlx::Error> {
    let rows = sqlx::query(DELETE_PROCS)
        .bind(procs)
        .bind(any)
        .fetch_all(&mut **tx)
        .await?;
    let mut freed = Freed::default();
    for row in rows {
        let text = |name| {
            row.try_get::<Option<String>, _>(name)
                .map(Option::unwrap_or_default)
        };
        freed.hosts.push(row.try_get("pk_host")?);
        freed.shows.push(text("pk_show")?);
        freed.jobs.push(text("pk_job")?);
        freed.layers.push(text("pk_layer")?);
        freed.cores.push(row.try_get("int_cores_reserved")?);
        freed.mem.push(row.try_get("int_mem_reserved")?);
        freed.gpus.push(row.try_get("int_gpus_reserved")?);
        freed.gpu_mem.push(row.try_get("int_gpu_mem_reserved")?);
    }
    Ok(freed)
}

async fn leave_managed(
    tx: &mut Transaction<'_, Postgres>,
    freed: Freed,
    notify: bool,
) -> Result<Freed, sqlx::Error> {
    let managed: Vec<String> = sqlx::query_scalar(MANAGED_SHOWS)
        .bind(&freed.shows)
        .fetch_all(&mut **tx)
        .await?;
    let (theirs, ours) = freed.split_by_show(&managed);
    if notify && !theirs.hosts.is_empty() {
        sqlx::query(NOTIFY_RELEASE)
            .bind(&theirs.shows)
            .bind(&theirs.hosts)
            .bind(&theirs.jobs)
            .bind(&theirs.layers)
            .bind(&theirs.cores)
            .bind(&theirs.gpus)
            .execute(&mut **tx)
            .await?;
    }
    Ok(ours)
}

async fn subtract(tx: &mut Transaction<'_, Postgres>, freed: &Freed) -> Result<(), sqlx::Error> {
    if freed.hosts.is_empty() {
        return Ok(());
    }
    let (cores, gpus) = (&freed.cores, &freed.gpus);
    sqlx::query(GIVE_BACK_SUBSCRIPTION)
        .bind(&freed.shows)
        .bind(&freed.hosts)
        .bind(cores)
        .bind(gpus)
        .execute(&mut **tx)
        .await?;
    for (statement, keys) in [
        (GIVE_BACK_LAYER, &freed.layers),
        (GIVE_BACK_JOB, &freed.jobs),
        (GIVE_BACK_FOLDER, &freed.jobs),
        (GIVE_BACK_POINT, &freed.jobs),
    ] {
        sqlx::query(statement)
            .bind(keys)
            .bind(cores)
            .bind(gpus)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}
