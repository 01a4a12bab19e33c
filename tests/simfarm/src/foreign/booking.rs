//! One frame booked the way Cuebot books it: one transaction, step by step (OPENCUE.md, Booking).
//!
//! Invariant: the order of the statements is Cuebot's, and so is what guards them. Folder caps are
//! tested only by the search that comes before; this function does not search.

use cue_domain::ids::{FrameId, HostId, ProcId};
use cue_domain::units::Resources;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Postgres, Row, Transaction};
use uuid::Uuid;

const READ_FRAME: &str = include_str!("../../sql/foreign/book_01_read_frame.sql");
const LOCK_FRAME: &str = include_str!("../../sql/foreign/book_02_lock_frame.sql");
const START_FRAME: &str = include_str!("../../sql/foreign/book_03_start_frame.sql");
const CHARGE_RETRY: &str = include_str!("../../sql/foreign/book_04_charge_retry.sql");
const INSERT_PROC: &str = include_str!("../../sql/foreign/book_05_insert_proc.sql");
const TAKE_HOST: &str = include_str!("../../sql/foreign/book_06_take_host.sql");
const TAKE_SUBSCRIPTION: &str = include_str!("../../sql/foreign/book_07_take_subscription.sql");
const TAKE_LAYER: &str = include_str!("../../sql/foreign/book_08_take_layer.sql");
const TAKE_JOB: &str = include_str!("../../sql/foreign/book_09_take_job.sql");
const TAKE_FOLDER: &str = include_str!("../../sql/foreign/book_10_take_folder.sql");
const TAKE_POINT: &str = include_str!("../../sql/foreign/book_11_take_point.sql");

/// Outcome of a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booking {
    /// The frame runs in this proc.
    Booked(ProcId),
    /// Somebody else has the frame, it does not wait, or its layer may not start frames now.
    FrameTaken,
    /// A trigger refused: the host or a cap has no room. The text is the trigger's.
    Refused(String),
}

/// Rows that the booker read before it began.
struct Seen {
    version: i32,
    layer: String,
    job: String,
    show: String,
    folder: String,
    dept: String,
    alloc: String,
    host_name: String,
}

impl Seen {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            version: row.try_get::<Option<i32>, _>("int_version")?.unwrap_or(0),
            layer: row.try_get("pk_layer")?,
            job: row.try_get("pk_job")?,
            show: row.try_get("pk_show")?,
            folder: row.try_get("pk_folder")?,
            dept: row.try_get("pk_dept")?,
            alloc: row.try_get("pk_alloc")?,
            host_name: row.try_get("str_name")?,
        })
    }
}

/// Books one waiting frame on a host with the amounts given, as Cuebot does.
pub async fn book_one_frame_like_cuebot(
    pool: &PgPool,
    frame: &FrameId,
    host: &HostId,
    reserved: Resources,
) -> Result<Booking, sqlx::Error> {
    let row = sqlx::query(READ_FRAME)
        .bind(frame.as_str())
        .bind(host.as_str())
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else {
        return Ok(Booking::FrameTaken);
    };
    let seen = Seen::read(&row)?;
    let proc = Uuid::new_v4().to_string();
    let mut tx = pool.begin().await?;
    let booked = async {
        if !start(&mut tx, frame, &seen, reserved).await? {
            return Ok(false);
        }
        occupy(
            &mut tx,
            [&proc, host.as_str(), frame.as_str()],
            &seen,
            reserved,
        )
        .await?;
        account(&mut tx, &seen, reserved).await?;
        Ok(true)
    }
    .await;
    match booked {
        Ok(true) => {
            tx.commit().await?;
            Ok(Booking::Booked(proc.into()))
        }
        // Rolled back here and not by drop, which leaves the rows locked until the pool has had the
        // connection back: the caller's next attempt would find its own frame taken.
        Ok(false) => {
            tx.rollback().await?;
            Ok(Booking::FrameTaken)
        }
        Err(error) => {
            let refusal = verdict(error)?;
            tx.rollback().await?;
            Ok(refusal)
        }
    }
}

/// Cuebot's handling of an error of these statements.
fn verdict(error: sqlx::Error) -> Result<Booking, sqlx::Error> {
    let sqlx::Error::Database(fault) = &error else {
        return Err(error);
    };
    match fault.code().as_deref() {
        // Row lock not available, or the frame already has a proc.
        Some("55P03" | "23505") => Ok(Booking::FrameTaken),
        // Errors that the triggers raise.
        Some("P0001") => Ok(Booking::Refused(fault.message().to_owned())),
        _ => Err(error),
    }
}

async fn start(
    tx: &mut Transaction<'_, Postgres>,
    frame: &FrameId,
    seen: &Seen,
    reserved: Resources,
) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query(LOCK_FRAME)
        .bind(frame.as_str())
        .bind(seen.version)
        .execute(&mut **tx)
        .await?;
    if locked.rows_affected() == 0 {
        return Ok(false);
    }
    let started = sqlx::query(START_FRAME)
        .bind(frame.as_str())
        .bind(seen.version)
        .bind(&seen.host_name)
        .bind(reserved.cores.0)
        .bind(reserved.memory.0)
        .bind(reserved.gpus)
        .bind(reserved.gpu_memory.0)
        .execute(&mut **tx)
        .await?;
    if started.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(CHARGE_RETRY)
        .bind(frame.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(true)
}

/// Inserts the proc and takes the amounts from the host; `ids` are proc, host and frame.
async fn occupy(
    tx: &mut Transaction<'_, Postgres>,
    ids: [&str; 3],
    seen: &Seen,
    reserved: Resources,
) -> Result<(), sqlx::Error> {
    let [proc, host, frame] = ids;
    sqlx::query(INSERT_PROC)
        .bind(proc)
        .bind(host)
        .bind(&seen.show)
        .bind(&seen.job)
        .bind(&seen.layer)
        .bind(frame)
        .bind(reserved.cores.0)
        .bind(reserved.memory.0)
        .bind(reserved.gpus)
        .bind(reserved.gpu_memory.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query(TAKE_HOST)
        .bind(host)
        .bind(reserved.cores.0)
        .bind(reserved.memory.0)
        .bind(reserved.gpus)
        .bind(reserved.gpu_memory.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The five accounting tables, in Cuebot's order.
async fn account(
    tx: &mut Transaction<'_, Postgres>,
    seen: &Seen,
    reserved: Resources,
) -> Result<(), sqlx::Error> {
    let (cores, gpus) = (reserved.cores.0, reserved.gpus);
    sqlx::query(TAKE_SUBSCRIPTION)
        .bind(&seen.show)
        .bind(&seen.alloc)
        .bind(cores)
        .bind(gpus)
        .execute(&mut **tx)
        .await?;
    for (statement, key) in [
        (TAKE_LAYER, &seen.layer),
        (TAKE_JOB, &seen.job),
        (TAKE_FOLDER, &seen.folder),
    ] {
        sqlx::query(statement)
            .bind(key)
            .bind(cores)
            .bind(gpus)
            .execute(&mut **tx)
            .await?;
    }
    let point = sqlx::query(TAKE_POINT).bind(&seen.dept).bind(&seen.show);
    point.bind(cores).bind(gpus).execute(&mut **tx).await?;
    Ok(())
}
