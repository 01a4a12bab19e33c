//! What the caps say: the locks of a booking on statistics, hosts and counters.
//!
//! [`OpenBooking::look`] locks what is written first and only reads the counters;
//! [`OpenBooking::counters`] locks them. Invariant: both take their locks in the order of the
//! tables that Cuebot follows (contract, 5.4), each table in the order of its key, and what they
//! return of a locked row is its newest version.

use std::collections::{BTreeSet, HashMap};

use cue_domain::admission::{FolderCap, JobCap, Ledger, LimitCap, SubscriptionCap};
use cue_domain::{AllocId, Centicores, FolderId, HostId, JobId, Kib, LimitId, Resources, ShowId};
use sqlx::postgres::PgRow;

use crate::booking::{BookRow, OpenBooking, distinct};
use crate::error::StoreError;
use crate::rows::{get, id};
use crate::statements::{LIMIT_USE, LOCK_COUNTERS, LOCK_STATS, LOCK_TARGETS, Statement};

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
        for row in &found {
            note(&mut ledger, row, &LOCK_TARGETS, &planned)?;
        }
        Ok(ledger)
    }

    /// Locks the counters of the rows and reads what the caps say under the lock, limits included.
    /// The hosts are those of `seen`, which a booking has locked since it looked.
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
        let (tx, store) = self.parts();
        for row in &store.meters.rows(&LOCK_COUNTERS, query, tx).await? {
            note(&mut ledger, row, &LOCK_COUNTERS, &HashMap::new())?;
        }
        if !limits.is_empty() {
            self.count_limits(limits, &mut ledger).await?;
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

    /// Whether any of the rows' layers carries a limit.
    #[must_use]
    pub fn is_limited(&self, rows: &[BookRow]) -> bool {
        let limited = |row: &BookRow| self.limits.get(&row.layer).is_some_and(|l| !l.is_empty());
        rows.iter().any(limited)
    }

    /// Counts what runs under limits whose rows are locked by now: a statement of its own, because
    /// only a new snapshot sees what the last holder of the lock committed.
    async fn count_limits(
        &mut self,
        limits: Vec<String>,
        ledger: &mut Ledger,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(LIMIT_USE.sql).bind(limits);
        let (tx, store) = self.parts();
        for row in &store.meters.rows(&LIMIT_USE, query, tx).await? {
            let limit: LimitId = id(row, LIMIT_USE.name, "pk_limit_record")?;
            let running: i64 = get(row, LIMIT_USE.name, "running")?;
            if let Some(cap) = ledger.limits.get_mut(&limit) {
                cap.running = running;
            }
        }
        Ok(())
    }
}

/// Notes one row: which columns it fills depends on its kind.
fn note(
    ledger: &mut Ledger,
    row: &PgRow,
    statement: &Statement,
    planned: &HashMap<&HostId, &AllocId>,
) -> Result<(), StoreError> {
    let name = statement.name;
    let kind: String = get(row, name, "kind")?;
    let key: String = get(row, name, "id")?;
    let amount = |column| get::<Option<i64>>(row, name, column).map(Option::unwrap_or_default);
    match kind.as_str() {
        "host" => {
            let (host, alloc) = (HostId::from(key), id::<AllocId>(row, name, "other_id")?);
            if planned.get(&host).is_some_and(|planned| **planned == alloc) {
                let idle = Resources {
                    cores: Centicores(amount("cores")?),
                    memory: Kib(amount("mem")?),
                    gpus: amount("gpus")?,
                    gpu_memory: Kib(amount("gpu_mem")?),
                };
                ledger.hosts.insert(host, idle);
            }
        }
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
        "limit" => {
            let max = get(row, name, "max_cores")?;
            let cap = LimitCap { max, running: 0 };
            ledger.limits.insert(LimitId::from(key), cap);
        }
        // Layers and points have no cap; their rows are only locked.
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
