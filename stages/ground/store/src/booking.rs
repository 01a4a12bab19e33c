//! The booking transaction: what the caps say, and the one write.
//!
//! The order of locks is the order of the methods: [`OpenBooking`] begins with layers and frames
//! locked, [`OpenBooking::ledger`] locks statistics, hosts and counters, [`OpenBooking::book`]
//! writes. It fits Cuebot's own order (contract, 5.4). Dropping an `OpenBooking` rolls back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

use cue_domain::admission::{FolderCap, JobCap, Ledger, LimitCap, Request, SubscriptionCap};
use cue_domain::{
    AllocId, Centicores, DeptId, FolderId, FrameId, HostId, JobId, Kib, LayerId, LimitId, ProcId,
    Resources, ShowId,
};

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, id, idle};
use crate::statements::{
    BOOK_FRAMES, LIMIT_USE, LOCK_COUNTERS, LOCK_HOSTS, LOCK_STATS, RELOCK_FRAMES,
};
use crate::tx::Tx;

/// How bookings are written.
#[derive(Clone, Debug)]
pub struct BookingRules {
    /// `proc.int_mem_used` of a fresh proc (contract, 5.1 step 4).
    pub memory_used_min: Kib,
    /// Whether `host_stat` free memory follows bookings: for farms without RQD reports.
    pub update_stat_on_book: bool,
}

impl Default for BookingRules {
    fn default() -> Self {
        Self {
            memory_used_min: Kib(262_144),
            update_stat_on_book: false,
        }
    }
}

/// One frame to be booked.
#[derive(Clone, Debug)]
pub struct BookRow {
    /// The frame.
    pub frame: FrameId,
    /// Its version when it was locked.
    pub version: i32,
    /// Its layer.
    pub layer: LayerId,
    /// Its job.
    pub job: JobId,
    /// The job's show.
    pub show: ShowId,
    /// The job's folder.
    pub folder: FolderId,
    /// The job's department.
    pub dept: DeptId,
    /// The host.
    pub host: HostId,
    /// The host's name.
    pub host_name: std::sync::Arc<str>,
    /// The host's allocation.
    pub alloc: AllocId,
    /// The id of the proc to be.
    pub proc: ProcId,
    /// What it takes.
    pub reserved: Resources,
}

impl BookRow {
    /// The row as admission sees it.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            show: self.show.clone(),
            alloc: self.alloc.clone(),
            job: self.job.clone(),
            folder: self.folder.clone(),
            layer: self.layer.clone(),
            host: self.host.clone(),
            reserved: self.reserved,
        }
    }
}

/// A frame that was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookedFrame {
    /// The frame.
    pub frame: FrameId,
    /// Its version now: the fence of an undo.
    pub version: i32,
}

/// What a booking wrote.
#[derive(Clone, Debug, Default)]
pub struct Booked {
    /// The frames that were booked.
    pub frames: Vec<BookedFrame>,
    /// What is idle on their hosts now.
    pub hosts: HashMap<HostId, Resources>,
}

/// A transaction that holds layers and frames.
#[derive(Debug)]
pub struct OpenBooking {
    pub(crate) tx: Tx,
    pub(crate) store: Store,
    limits: HashMap<LayerId, Vec<LimitId>>,
    began: Instant,
}

impl OpenBooking {
    pub(crate) fn new(
        tx: Tx,
        store: &Store,
        limits: HashMap<LayerId, Vec<LimitId>>,
        began: Instant,
    ) -> Self {
        Self {
            tx,
            store: store.clone(),
            limits,
            began,
        }
    }

    /// When the transaction was asked for: not later than the time that the database will write
    /// as the time of the booking.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Begins again after a conflict: rolls back, and locks those of the rows' frames that are as
    /// they were and that nobody else holds. Returns the frames it holds now.
    ///
    /// # Errors
    /// A statement failed; nothing is held.
    pub async fn again(self, rows: &[BookRow]) -> Result<(Self, HashSet<FrameId>), StoreError> {
        let Self {
            tx, store, limits, ..
        } = self;
        drop(tx);
        let began = Instant::now();
        let mut tx = store.begin().await?;
        let query = sqlx::query(RELOCK_FRAMES.sql)
            .bind(
                rows.iter()
                    .map(|row| row.frame.as_str().to_owned())
                    .collect::<Vec<_>>(),
            )
            .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>());
        let held = store.meters.rows(&RELOCK_FRAMES, query, &mut tx).await?;
        let held = held
            .iter()
            .map(|row| id(row, RELOCK_FRAMES.name, "pk_frame"));
        let held = held.collect::<Result<HashSet<FrameId>, _>>()?;
        Ok((Self::new(tx, &store, limits, began), held))
    }

    pub(crate) const fn parts(&mut self) -> (&mut Tx, &Store) {
        (&mut self.tx, &self.store)
    }

    /// Locks everything the rows touch and reads what the caps say. A host that is held, locked,
    /// down or moved to another allocation is not in the ledger.
    ///
    /// # Errors
    /// A statement failed; the transaction is lost.
    pub async fn ledger(&mut self, rows: &[BookRow]) -> Result<Ledger, StoreError> {
        let layers = distinct(rows, |row| row.layer.as_str());
        let jobs = distinct(rows, |row| row.job.as_str());
        let stats = sqlx::query(LOCK_STATS.sql).bind(layers).bind(jobs);
        self.store
            .meters
            .rows(&LOCK_STATS, stats, &mut self.tx)
            .await?;
        let hosts = self.lock_hosts(rows).await?;
        let mut ledger = self.lock_counters(rows).await?;
        ledger.hosts = hosts;
        Ok(ledger)
    }

    async fn lock_hosts(
        &mut self,
        rows: &[BookRow],
    ) -> Result<HashMap<HostId, Resources>, StoreError> {
        let name = LOCK_HOSTS.name;
        let planned: HashMap<&HostId, &AllocId> =
            rows.iter().map(|row| (&row.host, &row.alloc)).collect();
        let query = sqlx::query(LOCK_HOSTS.sql).bind(distinct(rows, |row| row.host.as_str()));
        let mut hosts = HashMap::new();
        for row in &self
            .store
            .meters
            .rows(&LOCK_HOSTS, query, &mut self.tx)
            .await?
        {
            let host: HostId = id(row, name, "pk_host")?;
            let alloc: AllocId = id(row, name, "pk_alloc")?;
            if planned.get(&host).is_some_and(|planned| **planned == alloc) {
                hosts.insert(host, idle(row, name)?);
            }
        }
        Ok(hosts)
    }

    async fn lock_counters(&mut self, rows: &[BookRow]) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::default();
        for layer in rows.iter().map(|row| &row.layer) {
            if let Some(limits) = self.limits.get(layer) {
                ledger
                    .layer_limits
                    .entry(layer.clone())
                    .or_insert_with(|| limits.clone());
            }
        }
        let limits: BTreeSet<&str> = ledger
            .layer_limits
            .values()
            .flatten()
            .map(LimitId::as_str)
            .collect();
        let limits: Vec<String> = limits.into_iter().map(str::to_owned).collect();
        let (shows, allocs) = distinct_pairs(rows, |row| (row.show.as_str(), row.alloc.as_str()));
        let (depts, dept_shows) =
            distinct_pairs(rows, |row| (row.dept.as_str(), row.show.as_str()));
        let query = sqlx::query(LOCK_COUNTERS.sql)
            .bind(shows)
            .bind(allocs)
            .bind(distinct(rows, |row| row.layer.as_str()))
            .bind(distinct(rows, |row| row.job.as_str()))
            .bind(distinct(rows, |row| row.folder.as_str()))
            .bind(depts)
            .bind(dept_shows)
            .bind(limits.clone());
        for row in &self
            .store
            .meters
            .rows(&LOCK_COUNTERS, query, &mut self.tx)
            .await?
        {
            note_counter(&mut ledger, row)?;
        }
        if !limits.is_empty() {
            self.count_limits(limits, &mut ledger).await?;
        }
        Ok(ledger)
    }

    /// Counts what runs under limits whose rows are locked by now: a statement of its own, because
    /// only a new snapshot sees what the last holder of the lock committed.
    async fn count_limits(
        &mut self,
        limits: Vec<String>,
        ledger: &mut Ledger,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(LIMIT_USE.sql).bind(limits);
        for row in &self
            .store
            .meters
            .rows(&LIMIT_USE, query, &mut self.tx)
            .await?
        {
            let limit: LimitId = id(row, LIMIT_USE.name, "pk_limit_record")?;
            let running: i64 = get(row, LIMIT_USE.name, "running")?;
            if let Some(cap) = ledger.limits.get_mut(&limit) {
                cap.running = running;
            }
        }
        Ok(())
    }

    /// Books the rows that are still as they were read.
    ///
    /// # Errors
    /// The statement failed; the transaction is lost.
    pub async fn book(&mut self, rows: &[BookRow]) -> Result<Booked, StoreError> {
        let name = BOOK_FRAMES.name;
        let text = |of: fn(&BookRow) -> &str| {
            rows.iter()
                .map(|row| of(row).to_owned())
                .collect::<Vec<String>>()
        };
        let amount = |of: fn(&BookRow) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
        let query = sqlx::query(BOOK_FRAMES.sql)
            .bind(text(|row| row.frame.as_str()))
            .bind(rows.iter().map(|row| row.version).collect::<Vec<i32>>())
            .bind(text(|row| row.layer.as_str()))
            .bind(text(|row| row.job.as_str()))
            .bind(text(|row| row.show.as_str()))
            .bind(text(|row| row.folder.as_str()))
            .bind(text(|row| row.dept.as_str()))
            .bind(text(|row| row.host.as_str()))
            .bind(text(|row| &row.host_name))
            .bind(text(|row| row.alloc.as_str()))
            .bind(text(|row| row.proc.as_str()))
            .bind(amount(|row| row.reserved.cores.0))
            .bind(amount(|row| row.reserved.memory.0))
            .bind(amount(|row| row.reserved.gpus))
            .bind(amount(|row| row.reserved.gpu_memory.0))
            .bind(self.store.rules.memory_used_min.0)
            .bind(self.store.rules.update_stat_on_book);
        let mut booked = Booked::default();
        for row in &self
            .store
            .meters
            .rows(&BOOK_FRAMES, query, &mut self.tx)
            .await?
        {
            booked.frames.push(BookedFrame {
                frame: id(row, name, "pk_frame")?,
                version: get(row, name, "new_version")?,
            });
            booked
                .hosts
                .insert(id(row, name, "pk_host")?, idle(row, name)?);
        }
        Ok(booked)
    }
}

fn note_counter(ledger: &mut Ledger, row: &sqlx::postgres::PgRow) -> Result<(), StoreError> {
    let name = LOCK_COUNTERS.name;
    let kind: String = get(row, name, "kind")?;
    let key: String = get(row, name, "id")?;
    let amount = |column| get::<Option<i64>>(row, name, column);
    let cores = Centicores(amount("cores")?.unwrap_or_default());
    let max_cores = amount("max_cores")?;
    let gpus = amount("gpus")?.unwrap_or_default();
    let max_gpus = amount("max_gpus")?.unwrap_or_default();
    match kind.as_str() {
        "subscription" => {
            let alloc: AllocId = id(row, name, "other_id")?;
            let burst = Centicores(max_cores.unwrap_or_default());
            ledger
                .subscriptions
                .insert((ShowId::from(key), alloc), SubscriptionCap { burst, cores });
        }
        "job" => {
            let max_cores = Centicores(max_cores.unwrap_or_default());
            ledger.jobs.insert(
                JobId::from(key),
                JobCap {
                    max_cores,
                    cores,
                    max_gpus,
                    gpus,
                },
            );
        }
        "folder" => {
            let max_cores = Centicores(max_cores.unwrap_or_default());
            ledger.folders.insert(
                FolderId::from(key),
                FolderCap {
                    max_cores,
                    cores,
                    max_gpus,
                    gpus,
                },
            );
        }
        "limit" => {
            ledger.limits.insert(
                LimitId::from(key),
                LimitCap {
                    max: max_cores,
                    running: 0,
                },
            );
        }
        // Layers and points have no cap; their rows are only locked.
        _ => {}
    }
    Ok(())
}

pub(crate) fn distinct<R>(rows: &[R], of: impl Fn(&R) -> &str) -> Vec<String> {
    rows.iter()
        .map(of)
        .collect::<BTreeSet<&str>>()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn distinct_pairs<R>(rows: &[R], of: impl Fn(&R) -> (&str, &str)) -> (Vec<String>, Vec<String>) {
    let pairs: BTreeSet<(&str, &str)> = rows.iter().map(of).collect();
    pairs
        .into_iter()
        .map(|(first, second)| (first.to_owned(), second.to_owned()))
        .unzip()
}
