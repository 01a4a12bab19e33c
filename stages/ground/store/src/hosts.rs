//! The hosts that may be booked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cue_domain::host::{Held, ThreadMode, bookable};
use cue_domain::{Host, HostId, Tag};
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, id, idle, memory_report, total};
use crate::statements::{HOST_SNAPSHOT, HOST_TAGS};

/// The tags of every host, sorted and without duplicates.
pub type HostTags = HashMap<HostId, Arc<[Tag]>>;

/// A host whose row cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeftOut {
    /// Its name, or its id, or nothing that can be read.
    pub host: String,
    /// The fault of its row.
    pub reason: String,
}

/// The hosts that may be booked, and those that cannot be for what their rows hold.
#[derive(Clone, Debug, Default)]
pub struct OpenHosts {
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The others.
    pub left_out: Vec<LeftOut>,
}

impl Store {
    /// The tags of every host that has any.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn host_tags(&self) -> Result<HostTags, StoreError> {
        let name = HOST_TAGS.name;
        let mut conn = self.connection().await?;
        let rows = self
            .meters
            .rows(&HOST_TAGS, sqlx::query(HOST_TAGS.sql), &mut conn)
            .await?;
        drop(conn);
        rows.iter()
            .map(|row| {
                let mut tags: Vec<Tag> = get::<Vec<String>>(row, name, "tags")?
                    .iter()
                    .map(|tag| Tag::from(tag.as_str()))
                    .collect();
                tags.sort_unstable();
                tags.dedup();
                Ok((id(row, name, "pk_host")?, tags.into()))
            })
            .collect()
    }

    /// Every host that may be booked, with its tags: [`Store::open_hosts`] and [`Store::host_tags`].
    ///
    /// # Errors
    /// A statement failed.
    pub async fn host_snapshot(
        &self,
        facility: Option<&str>,
        stale_after: Option<Duration>,
    ) -> Result<OpenHosts, StoreError> {
        let mut open = self.open_hosts(facility, stale_after).await?;
        let tags = self.host_tags().await?;
        for host in &mut open.hosts {
            if let Some(tags) = tags.get(&host.id) {
                host.tags = Arc::clone(tags);
            }
        }
        Ok(open)
    }

    /// Every host that may be booked, without tags, of one facility if `facility` names one.
    ///
    /// A host that RQD has not reported on for `stale_after` is left out; `None` keeps them all.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn open_hosts(
        &self,
        facility: Option<&str>,
        stale_after: Option<Duration>,
    ) -> Result<OpenHosts, StoreError> {
        let seconds = stale_after.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let query = sqlx::query(HOST_SNAPSHOT.sql)
            .bind(facility.map(str::to_owned))
            .bind(seconds);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&HOST_SNAPSHOT, query, &mut conn).await?;
        drop(conn);
        let mut open = OpenHosts {
            hosts: Vec::with_capacity(rows.len()),
            left_out: Vec::new(),
        };
        for row in &rows {
            match host(row) {
                Ok(host) => open.hosts.push(host),
                Err(error) => open.left_out.push(left_out(row, &error)),
            }
        }
        Ok(open)
    }
}

/// The rows are there by now, so an error is about what this one holds.
fn left_out(row: &PgRow, error: &StoreError) -> LeftOut {
    let text = |column| get::<String>(row, HOST_SNAPSHOT.name, column);
    let cause = std::error::Error::source(error).map(ToString::to_string);
    LeftOut {
        host: text("str_name")
            .or_else(|_| text("pk_host"))
            .unwrap_or_else(|_| "?".to_owned()),
        reason: match cause {
            Some(cause) => format!("its row cannot be read: {cause}"),
            None => error.to_string(),
        },
    }
}

fn host(row: &PgRow) -> Result<Host, StoreError> {
    let name = HOST_SNAPSHOT.name;
    let mode: i32 = get(row, name, "int_thread_mode")?;
    let host_name: String = get(row, name, "str_name")?;
    let thread_mode = ThreadMode::from_db(mode).ok_or_else(|| StoreError::BadRow {
        table: "host",
        column: "int_thread_mode",
        id: host_name.clone(),
        value: mode.to_string(),
    })?;
    let os: String = get(row, name, "str_os")?;
    let total = total(row, name)?;
    let ledger = idle(row, name)?;
    let report = memory_report(row, name)?;
    Ok(Host {
        id: id(row, name, "pk_host")?,
        name: host_name.into(),
        facility: id(row, name, "pk_facility")?,
        alloc: id(row, name, "pk_alloc")?,
        tags: Arc::default(),
        os: os
            .split(',')
            .map(str::trim)
            .filter(|os| !os.is_empty())
            .map(Arc::from)
            .collect(),
        thread_mode,
        total,
        ledger,
        idle: bookable(&ledger, &total, report, &Held::default()),
        reported_us: get(row, name, "reported_us")?,
    })
}
