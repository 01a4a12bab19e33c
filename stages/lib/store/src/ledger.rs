//! Caps as a booking reads them, with its locks on statistics, hosts and counters.
//!
//! [`OpenBooking::look`] locks what is written first and only reads the counters;
//! [`OpenBooking::counters`] locks them. Invariant: both take their locks in the order of the
//! tables that Cuebot follows (OPENCUE.md, Lock order), each table in the order of its key, and what they
//! return of a locked row is its newest version.

use std::collections::{BTreeSet, HashMap, HashSet};

use cue_domain::admission::{Ledger, ResourceCap, SubscriptionCap};
use cue_domain::host::{Held, bookable};
use cue_domain::{
    AllocId, Booking, Centicores, FolderId, HostId, HostIdle, JobId, Kib, Limit, LimitId,
    Resources, ShowId,
};

use crate::booking::OpenBooking;
use crate::error::StoreError;
use crate::keys::{column, distinct, distinct_pairs};
use crate::limits::Count;
use crate::rows::Row;
use crate::statements::{LOCK_COUNTERS, LOCK_LIMITS, LOCK_STATS, LOCK_TARGETS, query};

impl OpenBooking {
    /// Locks the statistics, jobs and hosts that the bookings touch, and reads the caps as they are at this moment.
    /// Hosts are exact from here on; the caps are exact only once [`OpenBooking::counters`] holds
    /// them, and limits are not in the ledger at all. A host that is held, locked, down or moved to
    /// another allocation is not in it either. A job that somebody else changes at this moment is passed over:
    /// see [`OpenBooking::has_job`].
    ///
    /// # Errors
    /// A statement failed; the transaction is lost.
    pub async fn look(&mut self, bookings: &[&Booking]) -> Result<Ledger, StoreError> {
        let jobs = distinct(bookings, |booking| booking.layer.job.as_str());
        let stats = query(&LOCK_STATS)
            .bind(distinct(bookings, |booking| booking.layer.id.as_str()))
            .bind(jobs.clone());
        let (shows, allocs) = distinct_pairs(bookings, |booking| subscription(booking));
        let targets = query(&LOCK_TARGETS)
            .bind(distinct(bookings, |booking| booking.host.id.as_str()))
            .bind(shows)
            .bind(allocs)
            .bind(jobs)
            .bind(distinct(bookings, |booking| booking.layer.folder.as_str()));
        let (tx, store) = self.parts();
        // Two statements: statistics may be waited for, and the second reads the hosts as they are
        // after that wait.
        let locked = store.meters.rows(&LOCK_STATS, stats, tx).await?;
        let found = store.meters.rows(&LOCK_TARGETS, targets, tx).await?;
        let planned: HashMap<&HostId, &AllocId> =
            column(bookings, |booking| (&booking.host.id, &booking.host.alloc))
                .into_iter()
                .collect();
        let mut ledger = Ledger::default();
        self.jobs = locked_jobs(&locked)?;
        self.idle.clear();
        for row in &found {
            if row.get::<String>("kind")? != "host" {
                add(&mut ledger, row)?;
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

    /// Locks the limits of the bookings and counts what runs under them, then locks the counters, which are
    /// wanted by all bookings of a show, and reads them. Procs of the bookings themselves, where they are
    /// written already, are not in what it counts. The hosts are those of `seen`, which a booking has locked
    /// since it looked.
    ///
    /// # Errors
    /// A statement failed; the transaction is lost.
    pub async fn counters(
        &mut self,
        bookings: &[&Booking],
        seen: HashMap<HostId, Resources>,
    ) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger {
            hosts: seen,
            ..Ledger::default()
        };
        self.limits(bookings, &mut ledger).await?;
        let (shows, allocs) = distinct_pairs(bookings, |booking| subscription(booking));
        let (depts, dept_shows) = distinct_pairs(bookings, |booking| point(booking));
        let query = query(&LOCK_COUNTERS)
            .bind(shows)
            .bind(allocs)
            .bind(distinct(bookings, |booking| booking.layer.id.as_str()))
            .bind(distinct(bookings, |booking| booking.layer.job.as_str()))
            .bind(distinct(bookings, |booking| booking.layer.folder.as_str()))
            .bind(depts)
            .bind(dept_shows);
        let (tx, store) = self.parts();
        for row in &store.meters.rows(&LOCK_COUNTERS, query, tx).await? {
            add(&mut ledger, row)?;
        }
        Ok(ledger)
    }

    /// Locks the limits of the bookings' layers, and counts them under the lock.
    async fn limits(
        &mut self,
        bookings: &[&Booking],
        ledger: &mut Ledger,
    ) -> Result<(), StoreError> {
        let of_layers: HashMap<_, _> = distinct(bookings, |booking| &booking.layer.id)
            .into_iter()
            .filter_map(|layer| Some((layer.clone(), self.limits.get(layer)?.clone())))
            .collect();
        let limits: BTreeSet<&str> = of_layers.values().flatten().map(LimitId::as_str).collect();
        if limits.is_empty() {
            return Ok(());
        }
        let limits: Vec<String> = limits.into_iter().map(str::to_owned).collect();
        let own = column(bookings, |booking| booking.proc.as_str().to_owned());
        let (tx, store) = self.parts();
        let query = query(&LOCK_LIMITS).bind(limits.clone());
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

/// The jobs that `lock_stats` has locked.
pub(crate) fn locked_jobs(rows: &[Row]) -> Result<HashSet<JobId>, StoreError> {
    let job = |row: &Row| row.get::<Option<String>>("pk_job");
    let jobs = rows.iter().map(job).filter_map(Result::transpose);
    jobs.map(|job| job.map(JobId::from)).collect()
}

/// Reads a locked host: its allocation, and what is idle on it.
fn host_room(row: &Row) -> Result<(HostId, AllocId, HostIdle), StoreError> {
    let ledger = row.amounts(["cores", "mem", "gpus", "gpu_mem"])?;
    let total = row.amounts(["max_cores", "max_mem", "max_gpus", "max_gpu_mem"])?;
    let held = Held {
        all: row.held()?,
        unreported: Kib(row.get("mem_booked")?),
        gpu_unreported: Kib(row.get("gpu_mem_booked")?),
    };
    let bookable = bookable(&ledger, &total, row.memory_report()?, &held);
    let idle = HostIdle {
        ledger,
        withheld: ledger.minus(&bookable),
    };
    Ok((row.id("id")?, row.id("other_id")?, idle))
}

/// Adds one row to the ledger; its kind decides about its columns.
fn add(ledger: &mut Ledger, row: &Row) -> Result<(), StoreError> {
    let kind: String = row.get("kind")?;
    let key: String = row.get("id")?;
    let amount = |column| {
        row.get::<Option<i64>>(column)
            .map(Option::unwrap_or_default)
    };
    match kind.as_str() {
        "subscription" => {
            let alloc: AllocId = row.id("other_id")?;
            let cap = SubscriptionCap {
                burst: Centicores(amount("max_cores")?),
                cores: Centicores(amount("cores")?),
            };
            ledger.subscriptions.insert((ShowId::from(key), alloc), cap);
        }
        "job" | "folder" => {
            let cap = ResourceCap {
                max_cores: Centicores(amount("max_cores")?),
                cores: Centicores(amount("cores")?),
                max_gpus: amount("max_gpus")?,
                gpus: amount("gpus")?,
            };
            if kind == "job" {
                ledger.jobs.insert(JobId::from(key), cap);
            } else {
                ledger.folders.insert(FolderId::from(key), cap);
            }
        }
        // Layers and points have no cap, their rows are only locked; hosts have a function of their own.
        _ => {}
    }
    Ok(())
}

/// Key of the subscription that a booking uses.
pub(crate) fn subscription(booking: &Booking) -> (&str, &str) {
    (booking.layer.show.as_str(), booking.host.alloc.as_str())
}

/// Key of the point that a booking is charged to.
pub(crate) fn point(booking: &Booking) -> (&str, &str) {
    (booking.layer.dept.as_str(), booking.layer.show.as_str())
}
