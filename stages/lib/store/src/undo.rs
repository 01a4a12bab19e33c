//! Taking back bookings whose launch failed.
//!
//! Guarded twice: the frame must still be the run that was booked (RUNNING, the version the
//! booking left), and the proc must still be on that frame. So it is safe to repeat, and it never
//! touches a newer run or a proc that Cuebot has already released (OPENCUE.md, States).

mod parts;

use std::collections::{BTreeSet, HashMap, HashSet};

use cue_domain::{HostId, HostIdle, JobId, ProcId};

use crate::error::StoreError;
use crate::keys::{column, distinct};
use crate::ledger::locked_jobs;
use crate::pool::Store;
use crate::rows::Row;
use crate::statements::{
    LOCK_COUNTERS, LOCK_PROCS, LOCK_STARTED, LOCK_STATS, RESTORE_CHECKPOINTS, UNDO_BOOKINGS,
    WAIT_HOSTS, query,
};
use crate::tx::Tx;
use crate::unlaunched::Unlaunched;

/// Bookings that an undo took back.
#[derive(Clone, Debug, Default)]
pub struct Undone {
    /// The procs that are gone and whose frames wait again.
    pub procs: HashSet<ProcId>,
    /// Resources that are idle on their hosts now.
    pub hosts: HashMap<HostId, HostIdle>,
    /// Procs of bookings that cannot be taken back yet: somebody holds a row that is needed, or the database
    /// refuses one. Every other proc is gone.
    pub postponed: HashSet<ProcId>,
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
    /// Takes bookings back in one transaction.
    async fn try_undo(&self, unlaunched: &[&Unlaunched]) -> Result<Undone, StoreError> {
        let mut tx = self.begin().await?;
        let started = query(&LOCK_STARTED)
            .bind(column(unlaunched, |row| row.frame.as_str()))
            .bind(column(unlaunched, |row| row.version));
        let frames = self.meters.rows(&LOCK_STARTED, started, &mut tx).await?;
        let checkpoints = checkpoints(&frames)?;
        let layers = column_set(&frames, "pk_layer")?;
        let jobs = column_set(&frames, "pk_job")?;
        if frames.is_empty() {
            tx.rollback().await?;
            return Ok(Undone::default());
        }
        let stats = query(&LOCK_STATS).bind(layers).bind(jobs);
        let jobs = locked_jobs(&self.meters.rows(&LOCK_STATS, stats, &mut tx).await?)?;
        let text = |row: &Row, column| row.get::<String>(column);
        let mut of_frame = HashMap::new();
        for row in &frames {
            let stays = jobs.contains(&JobId::from(text(row, "pk_job")?));
            of_frame.insert(text(row, "pk_frame")?, stays);
        }
        let state = |row: &Unlaunched| of_frame.get(row.frame.as_str()).copied();
        let mut wanted = unlaunched.to_vec();
        wanted.retain(|row| state(row) == Some(true));
        // A job that somebody moves at this moment is charged elsewhere in a moment.
        let moving = unlaunched.iter().filter(|row| state(row) == Some(false));
        let postponed = moving.map(|row| row.proc.clone()).collect();
        if wanted.is_empty() {
            tx.rollback().await?;
            return Ok(Undone {
                postponed,
                ..Undone::default()
            });
        }
        let held = self.lock_procs(&mut tx, &wanted).await?;
        let mut undone = self.undo_held(&mut tx, &held).await?;
        undone.postponed = postponed;
        self.restore_checkpoints(&mut tx, checkpoints).await?;
        tx.commit().await?;
        Ok(undone)
    }

    async fn lock_procs(
        &self,
        tx: &mut Tx,
        wanted: &[&Unlaunched],
    ) -> Result<Vec<HeldProc>, StoreError> {
        let query = query(&LOCK_PROCS)
            .bind(column(wanted, |row| row.proc.as_str()))
            .bind(column(wanted, |row| row.frame.as_str()));
        let rows = self.meters.rows(&LOCK_PROCS, query, tx).await?;
        rows.iter().map(held_proc).collect()
    }

    async fn undo_held(&self, tx: &mut Tx, held: &[HeldProc]) -> Result<Undone, StoreError> {
        let hosts = query(&WAIT_HOSTS).bind(distinct(held, |row| row.host.as_str()));
        self.meters.rows(&WAIT_HOSTS, hosts, tx).await?;
        let counters = query(&LOCK_COUNTERS)
            .bind(column(held, |row| row.show.as_str()))
            .bind(column(held, |row| row.alloc.as_str()))
            .bind(distinct(held, |row| row.layer.as_str()))
            .bind(distinct(held, |row| row.job.as_str()))
            .bind(distinct(held, |row| row.folder.as_str()))
            .bind(column(held, |row| row.dept.as_str()))
            .bind(column(held, |row| row.show.as_str()));
        self.meters.rows(&LOCK_COUNTERS, counters, tx).await?;
        let undo = query(&UNDO_BOOKINGS)
            .bind(column(held, |row| row.proc.as_str()))
            .bind(column(held, |row| row.frame.as_str()))
            .bind(column(held, |row| row.alloc.as_str()))
            .bind(column(held, |row| row.folder.as_str()))
            .bind(column(held, |row| row.dept.as_str()));
        let mut undone = Undone::default();
        for row in &self.meters.rows(&UNDO_BOOKINGS, undo, tx).await? {
            undone.procs.insert(row.id("pk_proc")?);
            undone.hosts.insert(row.id("pk_host")?, row.idle()?.into());
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
        let query = query(&RESTORE_CHECKPOINTS).bind(frames).bind(states);
        self.meters.rows(&RESTORE_CHECKPOINTS, query, tx).await?;
        Ok(())
    }
}

/// The frames that have checkpoints switched on, and their checkpoint states.
fn checkpoints(frames: &[Row]) -> Result<Vec<(String, String)>, StoreError> {
    let all = frames
        .iter()
        .map(|row| Ok((row.shown("pk_frame")?, row.shown("str_checkpoint_state")?)));
    let switched_on = |(_, state): &(String, String)| state == "ENABLED" || state == "COPYING";
    let all: Result<Vec<_>, StoreError> = all.collect();
    Ok(all?.into_iter().filter(switched_on).collect())
}

fn held_proc(row: &Row) -> Result<HeldProc, StoreError> {
    let text = |column| row.get::<String>(column);
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

fn column_set(rows: &[Row], column: &str) -> Result<Vec<String>, StoreError> {
    let values = rows
        .iter()
        .map(|row| row.get::<String>(column))
        .collect::<Result<BTreeSet<_>, _>>()?;
    Ok(values.into_iter().collect())
}
