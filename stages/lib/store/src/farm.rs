//! Facts about hosts for people to see: those that may not be booked, the names of allocations, and what runs on a
//! host.
//!
//! Invariant: it only reads, and no decision depends on it.

use std::collections::HashMap;
use std::time::Duration;

use cue_domain::{AllocId, HostId, Resources};

use crate::error::StoreError;
use crate::pool::Store;
use crate::procs::UNREPORTED_AFTER;
use crate::rows::Row;
use crate::statements::{ALLOCATIONS, CLOSED_HOSTS, RUNNING_ON, query};

/// A host that may not be booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedHost {
    /// `host.pk_host`.
    pub id: HostId,
    /// `host.str_name`.
    pub name: String,
    /// `host.pk_alloc`.
    pub alloc: AllocId,
    /// `host.str_lock_state`: `OPEN`, `LOCKED` or `NIMBY_LOCKED`.
    pub lock_state: String,
    /// `host_stat.str_state`: `UP`, `DOWN`, `REBOOTING`, `REBOOT_WHEN_IDLE` or `REPAIR`.
    pub state: String,
    /// True if RQD has not reported for too long.
    pub is_silent: bool,
    /// True if its user has lent it to a job.
    pub is_lent: bool,
    /// Time since the last report.
    pub silent_for: Duration,
    /// Operating systems, as a list with commas.
    pub os: String,
    /// Tags, in order.
    pub tags: Vec<String>,
    /// Resources in all.
    pub total: Resources,
    /// Idle resources by the ledger.
    pub idle: Resources,
}

/// A frame that runs on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningFrame {
    /// Name of its show. Like the other names, empty where the row is gone.
    pub show: String,
    /// Name of its job.
    pub job: String,
    /// Name of its layer.
    pub layer: String,
    /// Name of the frame.
    pub frame: String,
    /// Resources that its proc holds.
    pub holds: Resources,
    /// Memory that it was last seen to use, in KiB.
    pub memory_used: i64,
    /// Time since its start.
    pub elapsed: Duration,
    /// True if no report of the host names its proc.
    pub is_unreported: bool,
}

impl Store {
    /// Hosts that may not be booked, by name, `most` at most. A host is silent when RQD has not reported on it for
    /// `stale_after`; with `None` none is.
    pub async fn closed_hosts(
        &self,
        facility: Option<&str>,
        stale_after: Option<Duration>,
        most: i64,
    ) -> Result<Vec<ClosedHost>, StoreError> {
        let seconds = stale_after.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let query = query(&CLOSED_HOSTS)
            .bind(facility.map(str::to_owned))
            .bind(seconds)
            .bind(most);
        let rows = self.fetch(&CLOSED_HOSTS, query).await?;
        // A row that cannot be read is named by the refresh of hosts and by `check`.
        Ok(rows.iter().filter_map(|row| closed(row).ok()).collect())
    }

    /// The names of all allocations.
    pub async fn allocations(&self) -> Result<HashMap<AllocId, String>, StoreError> {
        let rows = self.fetch(&ALLOCATIONS, query(&ALLOCATIONS)).await?;
        let name = |row: &Row| Ok((row.id("pk_alloc")?, row.shown("str_name")?));
        rows.iter().map(name).collect()
    }

    /// Frames that run on a host, the oldest first, `most` at most.
    pub async fn running_on(
        &self,
        host: &HostId,
        most: i64,
    ) -> Result<Vec<RunningFrame>, StoreError> {
        let query = query(&RUNNING_ON)
            .bind(host.as_str().to_owned())
            .bind(most)
            .bind(UNREPORTED_AFTER.as_secs_f64());
        let rows = self.fetch(&RUNNING_ON, query).await?;
        rows.iter().map(running).collect()
    }
}

fn closed(row: &Row) -> Result<ClosedHost, StoreError> {
    Ok(ClosedHost {
        id: row.id("pk_host")?,
        name: row.shown("str_name")?,
        alloc: row.id("pk_alloc")?,
        lock_state: row.shown("str_lock_state")?,
        state: row.shown("str_state")?,
        is_silent: row.get("is_silent")?,
        is_lent: row.get("is_lent")?,
        silent_for: Duration::from_secs(row.get::<i64>("silent_seconds")?.unsigned_abs()),
        os: row.shown("str_os")?,
        tags: row.all_shown("tags")?,
        total: row.total()?,
        idle: row.idle()?,
    })
}

fn running(row: &Row) -> Result<RunningFrame, StoreError> {
    let name = |column| -> Result<String, StoreError> {
        let name: Option<String> = row.get(column)?;
        Ok(name.unwrap_or_default())
    };
    Ok(RunningFrame {
        show: name("show_name")?,
        job: name("job_name")?,
        layer: name("layer_name")?,
        frame: name("frame_name")?,
        holds: row.held()?,
        memory_used: row.get("mem_used")?,
        elapsed: Duration::from_millis(row.get::<i64>("elapsed_ms")?.unsigned_abs()),
        is_unreported: row.get("is_unreported")?,
    })
}
