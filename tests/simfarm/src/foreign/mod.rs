//! Changes that others make to the farm while a scheduler works: operators, and Cuebot itself.
//!
//! Each function acts on the rows as Cuebot's own code does (OPENCUE.md, Booking), so that a test can
//! put it beside a booking. Invariant: none of them knows of a scheduler. Kills that RQD would have to
//! do are returned as [`Evicted`], since no host is called from here. Releases subtract from the
//! accounting tables ([`Accounting::Current`]).

mod booking;

use std::sync::atomic::AtomicU64;

use cue_domain::ids::{AllocId, FolderId, FrameId, HostId, JobId, ProcId, ShowId};
use cue_domain::units::Centicores;
use sqlx::PgPool;

use crate::completion::{Accounting, FrameState, Guard, release, with_retries};

pub use booking::{Booking, book_one_frame_like_cuebot};

const PAUSE_JOB: &str = include_str!("../../sql/foreign/pause_job.sql");
const FINISH_JOB: &str = include_str!("../../sql/foreign/finish_job.sql");
const RUNNING_FRAMES_OF_JOB: &str = include_str!("../../sql/foreign/running_frames_of_job.sql");
const STOP_FRAME: &str = include_str!("../../sql/foreign/stop_frame.sql");
const DETACH_PROC: &str = include_str!("../../sql/foreign/detach_proc.sql");
const MOVE_FRAME: &str = include_str!("../../sql/foreign/move_frame.sql");
const REOPEN_JOB: &str = include_str!("../../sql/foreign/reopen_job.sql");
const SET_JOB_MAX_CORES: &str = include_str!("../../sql/foreign/set_job_max_cores.sql");
const SET_SUBSCRIPTION_BURST: &str = include_str!("../../sql/foreign/set_subscription_burst.sql");
const SET_FOLDER_MAX_CORES: &str = include_str!("../../sql/foreign/set_folder_max_cores.sql");
const SET_HOST_LOCK: &str = include_str!("../../sql/foreign/set_host_lock.sql");
const SET_HOST_DOWN: &str = include_str!("../../sql/foreign/set_host_down.sql");
const PROCS_OF_HOST: &str = include_str!("../../sql/foreign/procs_of_host.sql");
const CLEAR_LOST_FRAME: &str = include_str!("../../sql/foreign/clear_lost_frame.sql");
const DELETE_HOST: &str = include_str!("../../sql/foreign/delete_host.sql");

/// The state and status of a frame that was stopped by hand to run again.
pub(crate) const TO_RETRY: (FrameState, i32) = (FrameState::Waiting, 500);
/// The state and status of a frame that was stopped by hand and given up.
pub(crate) const TO_EAT: (FrameState, i32) = (FrameState::Eaten, 506);
/// The status of a frame whose host went down.
const HOST_DOWN: i32 = 399;

/// A run that was ended in the database; the host still has to kill it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// `host.str_name`.
    pub host: String,
    /// The frame that ran.
    pub frame: FrameId,
    /// The proc it ran in.
    pub proc: ProcId,
}

/// Pauses a job, or lets it go on.
pub async fn pause_job(pool: &PgPool, job: &JobId, paused: bool) -> Result<(), sqlx::Error> {
    sqlx::query(PAUSE_JOB)
        .bind(job.as_str())
        .bind(paused)
        .execute(pool)
        .await?;
    Ok(())
}

/// Finishes a job by force and stops what runs of it.
pub async fn kill_job(pool: &PgPool, job: &JobId) -> Result<Vec<Evicted>, sqlx::Error> {
    kill_job_with(pool, job, Accounting::Current).await
}

pub(crate) async fn kill_job_with(
    pool: &PgPool,
    job: &JobId,
    accounting: Accounting,
) -> Result<Vec<Evicted>, sqlx::Error> {
    sqlx::query(FINISH_JOB)
        .bind(job.as_str())
        .execute(pool)
        .await?;
    let running: Vec<String> = sqlx::query_scalar(RUNNING_FRAMES_OF_JOB)
        .bind(job.as_str())
        .fetch_all(pool)
        .await?;
    let mut evicted = Vec::new();
    for frame in running {
        let run = Run {
            frame: &frame.into(),
            proc: None,
            accounting,
        };
        evicted.extend(stop_by_hand(pool, run, TO_RETRY).await?);
    }
    Ok(evicted)
}

/// Gives a frame up, whatever it does now; a frame that succeeded stays as it is.
pub async fn eat_frame(pool: &PgPool, frame: &FrameId) -> Result<Option<Evicted>, sqlx::Error> {
    let run = Run {
        frame,
        proc: None,
        accounting: Accounting::Current,
    };
    let evicted = stop_by_hand(pool, run, TO_EAT).await?;
    if evicted.is_none() {
        move_frame(pool, frame, FrameState::Eaten).await?;
    }
    Ok(evicted)
}

/// Makes a frame run again, and its job pending if it had finished.
pub async fn retry_frame(pool: &PgPool, frame: &FrameId) -> Result<Option<Evicted>, sqlx::Error> {
    let run = Run {
        frame,
        proc: None,
        accounting: Accounting::Current,
    };
    let evicted = stop_by_hand(pool, run, TO_RETRY).await?;
    if evicted.is_none() {
        move_frame(pool, frame, FrameState::Waiting).await?;
    }
    reopen_job(pool, frame).await?;
    Ok(evicted)
}

/// Makes the job of a frame pending again, if it had finished.
pub(crate) async fn reopen_job(pool: &PgPool, frame: &FrameId) -> Result<(), sqlx::Error> {
    sqlx::query(REOPEN_JOB)
        .bind(frame.as_str())
        .execute(pool)
        .await?;
    Ok(())
}

/// Sets the core cap of a job; below what it has booked is legal.
pub async fn set_job_max_cores(
    pool: &PgPool,
    job: &JobId,
    cores: Centicores,
) -> Result<(), sqlx::Error> {
    sqlx::query(SET_JOB_MAX_CORES)
        .bind(job.as_str())
        .bind(narrow(cores))
        .execute(pool)
        .await?;
    Ok(())
}

/// Sets the burst of a show in an allocation; 0 freezes it.
pub async fn set_subscription_burst(
    pool: &PgPool,
    show: &ShowId,
    alloc: &AllocId,
    burst: Centicores,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(SET_SUBSCRIPTION_BURST)
        .bind(show.as_str())
        .bind(alloc.as_str());
    query.bind(burst.0).execute(pool).await?;
    Ok(())
}

/// Sets the core cap of a folder; `None` is no cap.
pub async fn set_folder_max_cores(
    pool: &PgPool,
    folder: &FolderId,
    cores: Option<Centicores>,
) -> Result<(), sqlx::Error> {
    let cores = cores.map_or(-1, narrow);
    sqlx::query(SET_FOLDER_MAX_CORES)
        .bind(folder.as_str())
        .bind(cores)
        .execute(pool)
        .await?;
    Ok(())
}

/// Locks a host for new frames, or opens it again; what runs there goes on.
pub async fn lock_host(pool: &PgPool, host: &HostId, locked: bool) -> Result<(), sqlx::Error> {
    let (state, source) = if locked {
        ("LOCKED", Some("operator"))
    } else {
        ("OPEN", None)
    };
    sqlx::query(SET_HOST_LOCK)
        .bind(host.as_str())
        .bind(state)
        .bind(source)
        .execute(pool)
        .await?;
    Ok(())
}

/// Marks a host as down and clears what ran there. The steps are separate transactions, as in
/// Cuebot: for a moment a frame is RUNNING without a proc.
pub async fn host_down(pool: &PgPool, host: &HostId) -> Result<Vec<Evicted>, sqlx::Error> {
    sqlx::query(SET_HOST_DOWN)
        .bind(host.as_str())
        .execute(pool)
        .await?;
    clear_host(pool, host).await
}

/// Clears what runs on a host and deletes it. A booking that comes in between makes this fail on
/// the proc's foreign key, as it does in Cuebot.
pub async fn delete_host(pool: &PgPool, host: &HostId) -> Result<Vec<Evicted>, sqlx::Error> {
    let evicted = host_down(pool, host).await?;
    sqlx::query(DELETE_HOST)
        .bind(host.as_str())
        .execute(pool)
        .await?;
    Ok(evicted)
}

async fn clear_host(pool: &PgPool, host: &HostId) -> Result<Vec<Evicted>, sqlx::Error> {
    let mut evicted = Vec::new();
    let lost = sqlx::query_as(PROCS_OF_HOST).bind(host.as_str());
    for lost in lost.fetch_all(pool).await? {
        let to = (FrameState::Waiting, HOST_DOWN);
        evicted.extend(clear_lost(pool, lost, to, Accounting::Current).await?);
    }
    Ok(evicted)
}

/// A proc that is lost: its id, its host's name, its frame and the version of that.
pub(crate) type Lost = (String, String, Option<String>, Option<i32>);

/// Releases a lost proc, and then moves its frame; `None` when it had none.
pub(crate) async fn clear_lost(
    pool: &PgPool,
    (proc, host, frame, version): Lost,
    (state, exit_status): (FrameState, i32),
    accounting: Accounting,
) -> Result<Option<Evicted>, sqlx::Error> {
    let retried = AtomicU64::new(0);
    let ids = [proc.as_str()];
    with_retries("release lost proc", &retried, || {
        release(pool, &ids, Guard::Any, accounting)
    })
    .await?;
    let Some(frame) = frame else {
        return Ok(None);
    };
    with_retries("clear lost frame", &retried, || {
        sqlx::query(CLEAR_LOST_FRAME)
            .bind(&frame)
            .bind(version.unwrap_or(0))
            .bind(exit_status)
            .bind(state.as_db())
            .execute(pool)
    })
    .await?;
    Ok(Some(Evicted {
        host,
        frame: frame.into(),
        proc: proc.into(),
    }))
}

/// A run to stop by hand.
pub(crate) struct Run<'a> {
    /// The frame that runs.
    pub(crate) frame: &'a FrameId,
    /// The proc it runs in; without one, any run of the frame.
    pub(crate) proc: Option<&'a ProcId>,
    /// Effect of the release on the accounting tables.
    pub(crate) accounting: Accounting,
}

/// Ends the run of a frame in two transactions; `None` when it did not run.
pub(crate) async fn stop_by_hand(
    pool: &PgPool,
    run: Run<'_>,
    (state, exit_status): (FrameState, i32),
) -> Result<Option<Evicted>, sqlx::Error> {
    let Run {
        frame,
        proc,
        accounting,
    } = run;
    let retried = AtomicU64::new(0);
    let stop = || async {
        let mut tx = pool.begin().await?;
        let stopped = sqlx::query(STOP_FRAME)
            .bind(frame.as_str())
            .bind(state.as_db())
            .bind(exit_status)
            .bind(proc.map(ProcId::as_str))
            .execute(&mut *tx)
            .await?;
        if stopped.rows_affected() == 0 {
            return Ok(None);
        }
        let proc: Option<(String, String)> = sqlx::query_as(DETACH_PROC)
            .bind(frame.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(proc)
    };
    let Some((proc, host)) = with_retries("stop frame by hand", &retried, stop).await? else {
        return Ok(None);
    };
    let ids = [proc.as_str()];
    with_retries("release proc", &retried, || {
        release(pool, &ids, Guard::Detached, accounting)
    })
    .await?;
    Ok(Some(Evicted {
        host,
        frame: frame.clone(),
        proc: proc.into(),
    }))
}

pub(crate) async fn move_frame(
    pool: &PgPool,
    frame: &FrameId,
    state: FrameState,
) -> Result<(), sqlx::Error> {
    let retried = AtomicU64::new(0);
    with_retries("move frame", &retried, || {
        sqlx::query(MOVE_FRAME)
            .bind(frame.as_str())
            .bind(state.as_db())
            .execute(pool)
    })
    .await?;
    Ok(())
}

/// A cap as its 32-bit column holds it; what does not fit is as good as the most that does.
fn narrow(cores: Centicores) -> i32 {
    i32::try_from(cores.0).unwrap_or(if cores.0 < 0 { -1 } else { i32::MAX })
}
