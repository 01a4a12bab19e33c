//! Taking back bookings whose launch failed.
//!
//! Guarded twice: the frame must still be the run that was booked (RUNNING, the version the
//! booking left), and the proc must still be on that frame. So it is safe to repeat, and it never
//! touches a newer run or a proc that Cuebot has already released.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

use cue_domain::{FrameId, HostId, HostIdle, ProcId};
use sqlx::postgres::PgRow;

use crate::booking::distinct;
use crate::error::{StoreError, Trouble};
use crate::pool::Store;
use crate::rows::{get, id, idle};
use crate::statements::{
    LOCK_COUNTERS, LOCK_PROCS, LOCK_STARTED, LOCK_STATS, RESTORE_CHECKPOINTS, UNDO_BOOKINGS,
    WAIT_HOSTS,
};
use crate::tx::Tx;

/// How often an undo that met a deadlock is tried again.
const TRIES: u32 = 5;

/// A booking that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlaunched {
    /// The frame.
    pub frame: FrameId,
    /// Its version as the booking left it.
    pub version: i32,
    /// The proc.
    pub proc: ProcId,
}

/// What an undo took back.
#[derive(Clone, Debug, Default)]
pub struct Undone {
    /// The procs that are gone and whose frames wait again.
    pub procs: HashSet<ProcId>,
    /// What is idle on their hosts now.
    pub hosts: HashMap<HostId, HostIdle>,
}

/// A locked proc and the rows that hang on it.
struct HeldProc {
    proc: String,
    frame: String,
    host: String,
    show: String,
    layer: String,
    job: String,
    alloc: String,
    folder: String,
    dept: String,
}

impl Store {
    /// Takes bookings back, all in one transaction.
    ///
    /// # Errors
    /// A statement failed, a conflict also after several tries; nothing was taken back.
    pub async fn undo(&self, unlaunched: &[Unlaunched]) -> Result<Undone, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_undo(unlaunched).await {
                Err(error) if error.trouble() == Trouble::Conflict && tries < TRIES => {
                    tracing::debug!(error = %error, tries, "an undo met a conflict and is tried again");
                }
                answer => return answer,
            }
        }
    }

    async fn try_undo(&self, unlaunched: &[Unlaunched]) -> Result<Undone, StoreError> {
        let mut tx = self.begin().await?;
        let query = sqlx::query(LOCK_STARTED.sql)
            .bind(
                unlaunched
                    .iter()
                    .map(|row| row.frame.as_str().to_owned())
                    .collect::<Vec<_>>(),
            )
            .bind(unlaunched.iter().map(|row| row.version).collect::<Vec<_>>());
        let frames = self.meters.rows(&LOCK_STARTED, query, &mut tx).await?;
        let checkpoints = checkpoints(&frames)?;
        let layers = column_set(&frames, LOCK_STARTED.name, "pk_layer")?;
        let jobs = column_set(&frames, LOCK_STARTED.name, "pk_job")?;
        let frames: BTreeSet<String> = column_set(&frames, LOCK_STARTED.name, "pk_frame")?
            .into_iter()
            .collect();
        let wanted: Vec<&Unlaunched> = unlaunched
            .iter()
            .filter(|row| frames.contains(row.frame.as_str()))
            .collect();
        if wanted.is_empty() {
            return Ok(Undone::default());
        }
        self.meters
            .rows(
                &LOCK_STATS,
                sqlx::query(LOCK_STATS.sql).bind(layers).bind(jobs),
                &mut tx,
            )
            .await?;
        let query = sqlx::query(LOCK_PROCS.sql)
            .bind(
                wanted
                    .iter()
                    .map(|row| row.proc.as_str().to_owned())
                    .collect::<Vec<_>>(),
            )
            .bind(
                wanted
                    .iter()
                    .map(|row| row.frame.as_str().to_owned())
                    .collect::<Vec<_>>(),
            );
        let rows = self.meters.rows(&LOCK_PROCS, query, &mut tx).await?;
        let held = rows.iter().map(held_proc).collect::<Result<Vec<_>, _>>()?;
        let undone = self.undo_held(&mut tx, &held).await?;
        self.restore_checkpoints(&mut tx, checkpoints).await?;
        let asked = Instant::now();
        let answer = tx.commit().await;
        self.meters.note("commit", asked, answer.is_ok());
        answer
            .map(|()| undone)
            .map_err(|source| StoreError::Failed {
                statement: "commit",
                source,
            })
    }

    async fn undo_held(&self, tx: &mut Tx, held: &[HeldProc]) -> Result<Undone, StoreError> {
        let hosts = sqlx::query(WAIT_HOSTS.sql).bind(distinct(held, |row| &row.host));
        self.meters.rows(&WAIT_HOSTS, hosts, tx).await?;
        let counters = sqlx::query(LOCK_COUNTERS.sql)
            .bind(list(held, |row| &row.show))
            .bind(list(held, |row| &row.alloc))
            .bind(distinct(held, |row| &row.layer))
            .bind(distinct(held, |row| &row.job))
            .bind(distinct(held, |row| &row.folder))
            .bind(list(held, |row| &row.dept))
            .bind(list(held, |row| &row.show));
        self.meters.rows(&LOCK_COUNTERS, counters, tx).await?;
        let undo = sqlx::query(UNDO_BOOKINGS.sql)
            .bind(list(held, |row| &row.proc))
            .bind(list(held, |row| &row.frame))
            .bind(list(held, |row| &row.alloc))
            .bind(list(held, |row| &row.folder))
            .bind(list(held, |row| &row.dept));
        let mut undone = Undone::default();
        for row in &self.meters.rows(&UNDO_BOOKINGS, undo, tx).await? {
            undone.procs.insert(id(row, UNDO_BOOKINGS.name, "pk_proc")?);
            undone.hosts.insert(
                id(row, UNDO_BOOKINGS.name, "pk_host")?,
                idle(row, UNDO_BOOKINGS.name)?.into(),
            );
        }
        Ok(undone)
    }

    async fn restore_checkpoints(
        &self,
        tx: &mut Tx,
        of: Vec<(String, String)>,
    ) -> Result<(), StoreError> {
        if of.is_empty() {
            return Ok(());
        }
        let (frames, states): (Vec<_>, Vec<_>) = of.into_iter().unzip();
        let query = sqlx::query(RESTORE_CHECKPOINTS.sql)
            .bind(frames)
            .bind(states);
        self.meters.rows(&RESTORE_CHECKPOINTS, query, tx).await?;
        Ok(())
    }
}

/// The frames that have checkpoints switched on, and how.
fn checkpoints(frames: &[PgRow]) -> Result<Vec<(String, String)>, StoreError> {
    let text = |row, column| get::<String>(row, LOCK_STARTED.name, column);
    let all = frames
        .iter()
        .map(|row| Ok((text(row, "pk_frame")?, text(row, "str_checkpoint_state")?)));
    let switched_on = |(_, state): &(String, String)| state == "ENABLED" || state == "COPYING";
    let all: Result<Vec<_>, StoreError> = all.collect();
    Ok(all?.into_iter().filter(switched_on).collect())
}

fn held_proc(row: &PgRow) -> Result<HeldProc, StoreError> {
    let text = |column| get::<String>(row, LOCK_PROCS.name, column);
    Ok(HeldProc {
        proc: text("pk_proc")?,
        frame: text("pk_frame")?,
        host: text("pk_host")?,
        show: text("pk_show")?,
        layer: text("pk_layer")?,
        job: text("pk_job")?,
        alloc: text("pk_alloc")?,
        folder: text("pk_folder")?,
        dept: text("pk_dept")?,
    })
}

fn column_set(
    rows: &[PgRow],
    statement: &'static str,
    column: &'static str,
) -> Result<Vec<String>, StoreError> {
    let values = rows
        .iter()
        .map(|row| get::<String>(row, statement, column))
        .collect::<Result<BTreeSet<_>, _>>()?;
    Ok(values.into_iter().collect())
}

fn list(held: &[HeldProc], of: fn(&HeldProc) -> &str) -> Vec<String> {
    held.iter().map(|row| of(row).to_owned()).collect()
}
