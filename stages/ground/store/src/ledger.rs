//! What the caps say: the locks of a booking on statistics, hosts and counters.
//!
//! [`OpenBooking::look`] locks what is written first and only reads the counters;
//! [`OpenBooking::counters`] locks them. Invariant: both take their locks in the order of the
//! tables that Cuebot follows (contract, 5.4), each table in the order of its key, and what they
//! return of a locked row is its newest version.

use std::collections::{BTreeSet, HashMap};

use cue_domain::admission::{FolderCap, JobCap, Ledger, SubscriptionCap};
use cue_domain::host::{Held, bookable};
use cue_domain::{
    AllocId, Centicores, FolderId, HostId, HostIdle, JobId, Kib, Limit, LimitId, Resources, ShowId,
};
use sqlx::postgres::PgRow;

use crate::booking::{BookRow, OpenBooking, distinct};
use crate::error::StoreError;
use crate::limits::Count;
use crate::rows::{get, held, id, memory_report};
use crate::statements::{LOCK_COUNTERS, LOCK_LIMITS, LOCK_STATS, LOCK_TARGETS, Statement};

impl OpenBooking {
    /// Locks the statistics and hosts the rows touch, and reads what the caps say at this moment.
    /// Hosts are exact from here on; the caps are exact only once [`OpenBooking::counters`] holds
    /// them, and limits are not in the ledger at all. A host that is held, locked, down or moved to
    /// another allocation is not in it either.
    ///
    /// # Errors
    /// A statement failed; the transaction is lost.
    pub async fn look(&mut self, rows: &[BookRow]) -> Result<Ledger, StoreError> {
        let jobs = distinct(rows, |row| row.job.as_str());
        let stats = sqlx::query(LOCK_STATS.sql)
            .bind(distinct(rows, |row| row.layer.as_str()))
            .bind(jobs.clone());
        let (shows, allocs) = distinct_pairs(rows, |row| (row.show.as_str(), row.alloc.as_str()));
        let targets = sqlx::query(LOCK_TARGETS.sql)
            .bind(distinct(rows, |row| row.host.as_str()))
            .bind(shows)
            .bind(allocs)
            .bind(jobs)
            .bind(distinct(rows, |row| row.folder.as_str()));
        let (tx, store) = self.parts();
        // Two statements: statistics may be waited for, and the hosts are to be seen as they are
        // after that wait.
        store.meters.rows(&LOCK_STATS, stats, tx).await?;
        let found = store.meters.rows(&LOCK_TARGETS, targets, tx).await?;
        let planned: HashMap<&HostId, &AllocId> =
            rows.iter().map(|row| (&row.host, &row.alloc)).collect();
        let mut ledger = Ledger::default();
        self.idle.clear();
        for row in &found {
            if get::<String>(row, LOCK_TARGETS.name, "kind")? != "host" {
                note(&mut ledger, row, &LOCK_TARGETS)?;
                continue;
            }
            let (host, alloc, idle) = host_room(row)?;
            if planned.get(&host).is_some_and(|planned| **planned == alloc) {
                ledger.hosts.insert(host.clone(), idle.bookable());
                self.idle.insert(host, idle);
            }
        }
        Ok(ledger)
    }

    /// Locks the limits of the rows and counts what runs under them, then locks the counters, which are
    /// wanted by all bookings of a show, and reads them. Procs of the rows themselves, where they are
    /// written already, are not in what it counts. The hosts are those of `seen`, which a booking has locked
    /// since it looked.
    ///
    /// # Errors
    /// A statement failed; the transaction is lost.
    pub async fn counters(
        &mut self,
        rows: &[BookRow],
        seen: HashMap<HostId, Resources>,
    ) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger {
            hosts: seen,
            ..Ledger::default()
        };
        self.limits(rows, &mut ledger).await?;
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
            .bind(dept_shows);
        let (tx, store) = self.parts();
        for row in &store.meters.rows(&LOCK_COUNTERS, query, tx).await? {
            note(&mut ledger, row, &LOCK_COUNTERS)?;
        }
        Ok(ledger)
    }

    /// Locks everything the rows touch and reads what the caps say, all of it exact.
    ///
    /// # Errors
    /// A statement failed; the transaction is lost.
    pub async fn ledger(&mut self, rows: &[BookRow]) -> Result<Ledger, StoreError> {
        let seen = self.look(rows).await?;
        self.counters(rows, seen.hosts).await
    }

    /// Locks the limits of the rows' layers, and counts them under the lock.
    async fn limits(&mut self, rows: &[BookRow], ledger: &mut Ledger) -> Result<(), StoreError> {
        let of_layers: HashMap<_, _> = rows
            .iter()
            .filter_map(|row| Some((row.layer.clone(), self.limits.get(&row.layer)?.clone())))
            .collect();
        let limits: BTreeSet<&str> = of_layers.values().flatten().map(LimitId::as_str).collect();
        if limits.is_empty() {
            return Ok(());
        }
        let limits: Vec<String> = limits.into_iter().map(str::to_owned).collect();
        let own = distinct(rows, |row| row.proc.as_str());
        let (tx, store) = self.parts();
        let query = sqlx::query(LOCK_LIMITS.sql).bind(limits.clone());
        store.meters.rows(&LOCK_LIMITS, query, tx).await?;
        let found = store.read_limits(tx, limits, own, Count::Gating).await?;
        ledger.limits = found
            .into_iter()
            .map(|(id, found)| (id, Limit::new(found.rows)))
            .collect();
        ledger.layer_limits = of_layers;
        Ok(())
    }
}

/// Reads a locked host: its allocation, and what is idle on it.
fn host_room(row: &PgRow) -> Result<(HostId, AllocId, HostIdle), StoreError> {
    let name = LOCK_TARGETS.name;
    let amount = |column| get::<i64>(row, name, column);
    let ledger = Resources {
        cores: Centicores(amount("cores")?),
        memory: Kib(amount("mem")?),
        gpus: amount("gpus")?,
        gpu_memory: Kib(amount("gpu_mem")?),
    };
    let total = Resources {
        cores: Centicores(amount("max_cores")?),
        memory: Kib(amount("max_mem")?),
        gpus: amount("max_gpus")?,
        gpu_memory: Kib(amount("max_gpu_mem")?),
    };
    let held = Held {
        all: held(row, name)?,
        unreported: Kib(amount("mem_booked")?),
        gpu_unreported: Kib(amount("gpu_mem_booked")?),
    };
    let bookable = bookable(&ledger, &total, memory_report(row, name)?, &held);
    let idle = HostIdle {
        ledger,
        withheld: ledger.minus(&bookable),
    };
    Ok((id(row, name, "id")?, id(row, name, "other_id")?, idle))
}

/// Notes one row: which columns it fills depends on its kind.
fn note(ledger: &mut Ledger, row: &PgRow, statement: &Statement) -> Result<(), StoreError> {
    let name = statement.name;
    let kind: String = get(row, name, "kind")?;
    let key: String = get(row, name, "id")?;
    let amount = |column| get::<Option<i64>>(row, name, column).map(Option::unwrap_or_default);
    match kind.as_str() {
        "subscription" => {
            let alloc: AllocId = id(row, name, "other_id")?;
            let cap = SubscriptionCap {
                burst: Centicores(amount("max_cores")?),
                cores: Centicores(amount("cores")?),
            };
            ledger.subscriptions.insert((ShowId::from(key), alloc), cap);
        }
        "job" => {
            let cap = JobCap {
                max_cores: Centicores(amount("max_cores")?),
                cores: Centicores(amount("cores")?),
                max_gpus: amount("max_gpus")?,
                gpus: amount("gpus")?,
            };
            ledger.jobs.insert(JobId::from(key), cap);
        }
        "folder" => {
            let cap = FolderCap {
                max_cores: Centicores(amount("max_cores")?),
                cores: Centicores(amount("cores")?),
                max_gpus: amount("max_gpus")?,
                gpus: amount("gpus")?,
            };
            ledger.folders.insert(FolderId::from(key), cap);
        }
        // Layers and points have no cap, their rows are only locked; hosts have a function of their own.
        _ => {}
    }
    Ok(())
}

fn distinct_pairs<R>(rows: &[R], of: impl Fn(&R) -> (&str, &str)) -> (Vec<String>, Vec<String>) {
    let pairs: BTreeSet<(&str, &str)> = rows.iter().map(of).collect();
    pairs
        .into_iter()
        .map(|(first, second)| (first.to_owned(), second.to_owned()))
        .unzip()
}
