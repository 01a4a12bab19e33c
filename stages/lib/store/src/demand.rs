//! Demand: the jobs and layers that wait, and what has changed of them since the last look.
//!
//! A look reads the rows that changed since the last one, by a [`Horizon`]. Rows that left cannot be found that way: a
//! look counts the jobs, and asks which of the known ones are gone when they are more.
//!
//! Invariant: everything in one [`DemandRows`] is of one snapshot.

mod cursor;
mod kept;

use std::collections::HashSet;
use std::sync::Arc;

use cue_domain::demand::{DemandRows, Subscription, WaitingJob, WaitingLayer};
use cue_domain::job::Room;
use cue_domain::{Centicores, JobId};

use crate::error::StoreError;
use crate::horizon::Horizon;
use crate::pool::Store;
use crate::rows::{Row, first};
use crate::statements::{
    Bound, DEMAND_GONE, DEMAND_JOBS, DEMAND_LAYERS, DEMAND_SUBSCRIPTIONS, Statement, query,
};
use crate::tx::Tx;
pub use cursor::DemandCursor;
use cursor::Known;

impl Store {
    /// Demand of one facility, if `facility` names one, and the cursor for the next look.
    ///
    /// Returns the rows that changed since the look that returned `cursor`. Returns all rows if `complete` is set, and
    /// if `cursor` is of no use: it has seen nothing yet, another server, another facility, or its look is a thousand
    /// million transactions ago. A layer whose own row has changed, or whose time to start has come, is returned by the
    /// next complete pass if its statistics stay as they were.
    pub async fn demand(
        &self,
        facility: Option<&str>,
        cursor: &DemandCursor,
        complete: bool,
    ) -> Result<(DemandRows, DemandCursor), StoreError> {
        let mut tx = self.begin_snapshot().await?;
        let (horizon, subscriptions) = self.subscriptions(facility, &mut tx).await?;
        let since = cursor.usable(&horizon, facility).filter(|_| !complete);
        let mut look = Look {
            store: self,
            tx,
            facility,
            since: since.map(|(oldest, _)| oldest.to_string()),
            known: since.map(|(_, known)| known.clone()).unwrap_or_default(),
            rows: DemandRows {
                complete: since.is_none(),
                subscriptions,
                ..DemandRows::default()
            },
        };
        let new = look.jobs().await?;
        look.layers(new).await?;
        let Look {
            tx, known, rows, ..
        } = look;
        // Nothing was written, so nothing is lost if this fails.
        drop(tx.rollback().await);
        Ok((rows, DemandCursor::new(horizon, facility, known)))
    }

    async fn subscriptions(
        &self,
        facility: Option<&str>,
        tx: &mut Tx,
    ) -> Result<(Horizon, Vec<Subscription>), StoreError> {
        let query = query(&DEMAND_SUBSCRIPTIONS).bind(facility.map(str::to_owned));
        let rows = self.meters.rows(&DEMAND_SUBSCRIPTIONS, query, tx).await?;
        let horizon = Horizon::of(first(&rows, &DEMAND_SUBSCRIPTIONS)?)?;
        let reader = self.meters.reader(&DEMAND_SUBSCRIPTIONS);
        let found = reader.each(&rows, subscription)?;
        Ok((horizon, found.into_iter().flatten().collect()))
    }
}

/// A look under way, in its transaction.
struct Look<'a> {
    store: &'a Store,
    tx: Tx,
    facility: Option<&'a str>,
    /// The oldest transaction that the last look saw running.
    since: Option<String>,
    known: Known,
    rows: DemandRows,
}

impl Look<'_> {
    /// Reads the jobs, and returns the new ones among them.
    async fn jobs(&mut self) -> Result<Vec<JobId>, StoreError> {
        let query = query(&DEMAND_JOBS)
            .bind(self.facility.map(str::to_owned))
            .bind(self.since.clone())
            .bind(self.known.capped_folders());
        let meters = &self.store.meters;
        let rows = meters.rows(&DEMAND_JOBS, query, &mut self.tx).await?;
        let mut reader = meters.reader(&DEMAND_JOBS);
        let (mut new, mut count) = (Vec::new(), None);
        for row in &rows {
            let key = reader.row(row, row.get::<Option<String>>("pk_job"))?;
            let key = match key {
                Some(Some(key)) => JobId::from(key),
                Some(None) => {
                    match kept::of_row(row)? {
                        Some(kept) => self.rows.kept.push(kept),
                        None => count = Some(row.get::<i64>("int_priority")?),
                    }
                    continue;
                }
                None => continue,
            };
            match reader.row(row, job(row))? {
                Some(job) => {
                    if self.known.add(&job) {
                        new.push(key);
                    }
                    self.rows.jobs.push(job);
                }
                None if self.known.leave_out(&key) => self.rows.gone_jobs.push(key),
                None => {}
            }
        }
        drop(reader);
        // All that are there are known by now, so more of them are known only if some have left.
        if count.is_some_and(|count| !self.known.are(count)) {
            self.find_gone().await?;
        }
        Ok(new)
    }

    async fn find_gone(&mut self) -> Result<(), StoreError> {
        let query = query(&DEMAND_GONE)
            .bind(self.facility.map(str::to_owned))
            .bind(self.known.ids());
        let meters = &self.store.meters;
        let rows = meters.rows(&DEMAND_GONE, query, &mut self.tx).await?;
        for row in &rows {
            let key: JobId = row.id("pk_job")?;
            if self.known.remove(&key) {
                self.rows.gone_jobs.push(key);
            }
        }
        Ok(())
    }

    /// Reads the layers of the jobs that were read. A trigger counts the states of frames in the rows of layer and job
    /// at once, so the layers of the other jobs are as they were.
    async fn layers(&mut self, new: Vec<JobId>) -> Result<(), StoreError> {
        if self.rows.jobs.is_empty() {
            return Ok(());
        }
        let new: HashSet<JobId> = new.into_iter().collect();
        let jobs = self.rows.jobs.iter().map(|job| &job.id);
        let (jobs, are_new): (Vec<String>, Vec<bool>) = jobs
            .map(|id| (id.as_str().to_owned(), new.contains(id)))
            .unzip();
        let query = query(&DEMAND_LAYERS)
            .bind(jobs)
            .bind(are_new)
            .bind(self.since.clone());
        let found = self.read(&DEMAND_LAYERS, query, waiting_layer).await?;
        if self.rows.complete {
            let gated = found.iter();
            let gated = gated.map(|(found, gated)| (found.job.clone(), *gated));
            self.rows.kept.extend(kept::gated(&self.rows.jobs, gated));
        }
        let layers = found.into_iter().map(|(found, _)| found);
        let waits = |found: &WaitingLayer| found.layer.waiting > 0 || !new.contains(&found.job);
        self.rows.layers = layers.filter(waits).collect();
        Ok(())
    }

    async fn read<T>(
        &mut self,
        statement: &Statement,
        query: Bound,
        read: fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let meters = &self.store.meters;
        let rows = meters.rows(statement, query, &mut self.tx).await?;
        meters.reader(statement).each(&rows, read)
    }
}

fn job(row: &Row) -> Result<WaitingJob, StoreError> {
    // Names of a facility and a show are only shown, and one that cannot be read would cost all their jobs.
    let site = |column| row.shown(column).map(Arc::from);
    let os: Option<String> = row.get("str_os")?;
    Ok(WaitingJob {
        id: row.id("pk_job")?,
        name: row.get::<String>("job_name")?.into(),
        facility: row.id("pk_facility")?,
        facility_name: site("facility_name")?,
        show: row.id("pk_show")?,
        show_name: site("show_name")?,
        folder: row.id("pk_folder")?,
        os: os.filter(|os| !os.is_empty()).map(Arc::from),
        priority: row.get("int_priority")?,
        started_us: row.get("started_us")?,
        cores: Centicores(row.get("int_cores")?),
        room: Room {
            cores: Some(Centicores(row.get("cores_left")?)),
            gpus: Some(row.get("gpus_left")?),
        },
        folder_room: row.folder_room()?,
        idle_since_us: row.get("idle_since_us")?,
    })
}

/// A layer, and its frames that may not start yet.
fn waiting_layer(row: &Row) -> Result<(WaitingLayer, i64), StoreError> {
    let layer = WaitingLayer {
        job: row.id("pk_job")?,
        layer: row.layer()?,
        running: row.get("int_running_count")?,
        stopped_us: row.get("stopped_us")?,
        longest_run_s: row.get("longest_run_s")?,
        is_measured: row.get("is_measured")?,
    };
    Ok((layer, row.get("gated_count")?))
}

/// A subscription; `None` if the row is there for the horizon alone.
fn subscription(row: &Row) -> Result<Option<Subscription>, StoreError> {
    if row.get::<Option<String>>("pk_show")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Subscription {
        show: row.id("pk_show")?,
        show_name: row.shown("show_name")?.into(),
        facility: row.id("pk_facility")?,
        facility_name: row.shown("facility_name")?.into(),
        alloc: row.id("pk_alloc")?,
        size: Centicores(row.get("int_size")?),
        burst: Centicores(row.get("int_burst")?),
        cores: Centicores(row.get("int_cores")?),
    }))
}
