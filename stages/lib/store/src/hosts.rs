//! The hosts that may be booked, and what has changed of them since the last look.
//!
//! A look sees a host whose own row or report has changed, by a [`Horizon`]. It does not see one that was deleted, went
//! silent, is lent to a job, or whose tags, allocation or facility changed: a complete reading does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cue_domain::host::{Held, ThreadMode, bookable};
use cue_domain::{Host, HostId, Tag};

use crate::error::StoreError;
use crate::horizon::Horizon;
use crate::pool::Store;
use crate::rows::{Row, first, names};
use crate::statements::{HOST_SNAPSHOT, HOST_TAGS, query};

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

/// The place of a look at hosts, from which the next one goes on. The default has seen nothing yet.
#[derive(Clone, Debug, Default)]
pub struct HostCursor(Option<Horizon>);

/// Hosts as a reading found them.
#[derive(Clone, Debug, Default)]
pub struct HostRows {
    /// These are all hosts that may be booked, and not only what changed.
    pub complete: bool,
    /// The hosts that may be booked.
    pub hosts: Vec<Host>,
    /// Hosts that changed and may not be booked.
    pub closed: Vec<HostId>,
    /// Hosts that cannot be booked for what their rows hold.
    pub left_out: Vec<LeftOut>,
}

impl Store {
    /// The tags of every host that has any.
    pub async fn host_tags(&self) -> Result<HostTags, StoreError> {
        let rows = self.fetch(&HOST_TAGS, query(&HOST_TAGS)).await?;
        let mut reader = self.meters.reader(&HOST_TAGS);
        rows.iter()
            .map(|row| {
                let texts = reader.texts(row, "tags")?;
                let mut tags: Vec<Tag> = texts.iter().map(|tag| Tag::from(tag.as_str())).collect();
                tags.sort_unstable();
                tags.dedup();
                Ok((row.id("pk_host")?, tags.into()))
            })
            .collect()
    }

    /// Every host that may be booked, with its tags.
    pub async fn host_snapshot(
        &self,
        facility: Option<&str>,
        stale_after: Option<Duration>,
    ) -> Result<HostRows, StoreError> {
        let all = HostCursor::default();
        let (mut rows, _) = self.open_hosts(facility, stale_after, &all).await?;
        let tags = self.host_tags().await?;
        for host in &mut rows.hosts {
            if let Some(tags) = tags.get(&host.id) {
                host.tags = Arc::clone(tags);
            }
        }
        Ok(rows)
    }

    /// Hosts without tags, of one facility if `facility` names one, and the cursor for the next look.
    ///
    /// Returns the hosts that changed since the look that returned `cursor`, and all that may be booked if `cursor` is
    /// of no use. A host that RQD has not reported on for `stale_after` may not be booked; `None` admits it.
    pub async fn open_hosts(
        &self,
        facility: Option<&str>,
        stale_after: Option<Duration>,
        cursor: &HostCursor,
    ) -> Result<(HostRows, HostCursor), StoreError> {
        let rows = self.host_rows(facility, stale_after, cursor).await?;
        let horizon = Horizon::of(first(&rows, &HOST_SNAPSHOT)?)?;
        let HostCursor(then) = cursor;
        if then.as_ref().is_some_and(|then| !horizon.continues(then)) {
            let all = HostCursor::default();
            return Box::pin(self.open_hosts(facility, stale_after, &all)).await;
        }
        let mut found = HostRows {
            complete: then.is_none(),
            ..HostRows::default()
        };
        for row in &rows {
            found.add(row);
        }
        Ok((found, HostCursor(Some(horizon))))
    }

    async fn host_rows(
        &self,
        facility: Option<&str>,
        stale_after: Option<Duration>,
        cursor: &HostCursor,
    ) -> Result<Vec<Row>, StoreError> {
        let seconds = stale_after.map(|age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let since = cursor.0.as_ref().map(|then| then.oldest.to_string());
        let query = query(&HOST_SNAPSHOT)
            .bind(facility.map(str::to_owned))
            .bind(seconds)
            .bind(since);
        let mut conn = self.connection().await?;
        self.meters.rows(&HOST_SNAPSHOT, query, &mut conn).await
    }
}

impl HostRows {
    /// Adds a host, if the row has one.
    fn add(&mut self, row: &Row) {
        let is_open = match row.get::<Option<bool>>("is_open") {
            Ok(None) => return,
            Ok(Some(is_open)) => is_open,
            Err(_) => false,
        };
        let host = is_open.then(|| host(row));
        match host {
            Some(Ok(host)) => return self.hosts.push(host),
            Some(Err(error)) => self.left_out.push(left_out(row, &error)),
            None => {}
        }
        self.closed.extend(row.id("pk_host").ok());
    }
}

/// The rows are there by now, so an error is about what this one holds.
fn left_out(row: &Row, error: &StoreError) -> LeftOut {
    let text = |column| row.get::<String>(column);
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

fn host(row: &Row) -> Result<Host, StoreError> {
    let mode: i32 = row.get("int_thread_mode")?;
    let host_name: String = row.get("str_name")?;
    let thread_mode = ThreadMode::from_db(mode).ok_or_else(|| StoreError::BadRow {
        table: "host",
        column: "int_thread_mode",
        id: host_name.clone(),
        value: mode.to_string(),
    })?;
    let total = row.total()?;
    let ledger = row.idle()?;
    let report = row.memory_report()?;
    Ok(Host {
        id: row.id("pk_host")?,
        name: host_name.into(),
        facility: row.id("pk_facility")?,
        alloc: row.id("pk_alloc")?,
        tags: Arc::default(),
        os: names(&row.get::<String>("str_os")?),
        thread_mode,
        total,
        ledger,
        idle: bookable(&ledger, &total, report, &Held::default()),
        reported_us: row.get("reported_us")?,
    })
}
