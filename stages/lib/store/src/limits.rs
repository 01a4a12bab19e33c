//! Reading limits: what they allow, and what runs under them.
//!
//! Invariant: nothing is locked here. Read over a transaction that holds `lock_limits`, the numbers are exact;
//! read over any other connection they are what to try.

use std::collections::HashMap;

use cue_domain::limits::{HostUse, LimitRows, Settled, short_name};
use cue_domain::why::LimitFacts;
use cue_domain::{HostId, Limit, LimitId, LimitKind};

use crate::error::StoreError;
use crate::meters::Over;
use crate::pool::Store;
use crate::rows::{Row, Text};
use crate::statements::{LIMIT_REPORTS, LIMIT_USE, query};

/// Selection of the limits to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Those that can hold frames back.
    Gating,
    /// All of them, for people to read.
    All,
}

/// The rows of a limit, and what people call it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundLimit {
    pub(crate) rows: LimitRows,
    name: String,
    enforcement: String,
}

impl FoundLimit {
    /// The limit as it is explained.
    pub(crate) fn facts(self) -> LimitFacts {
        let hosts = self.rows.hosts.iter().map(|one| one.name.clone());
        let mut holders: Vec<String> = self.rows.settled.holders.clone();
        holders.extend(hosts.map(|name| short_name(&name).into_owned()));
        holders.sort_unstable();
        holders.dedup();
        let reported = match self.rows.kind {
            LimitKind::Frames => self.rows.settled.frames,
            LimitKind::Hosts => self.rows.settled.hosts,
        };
        LimitFacts {
            name: self.name,
            enforcement: self.enforcement,
            reported,
            holders,
            limit: Limit::new(self.rows),
        }
    }
}

impl Store {
    /// The limits with these ids, as they are now. Procs in `own` are not counted.
    pub(crate) async fn read_limits(
        &self,
        over: &mut impl Over,
        limits: Vec<String>,
        own: Vec<String>,
        count: Count,
    ) -> Result<HashMap<LimitId, FoundLimit>, StoreError> {
        let usage = query(&LIMIT_USE)
            .bind(limits.clone())
            .bind(own)
            .bind(count == Count::All);
        let rows = self.meters.rows(&LIMIT_USE, usage, over).await?;
        let mut settled: HashMap<LimitId, Settled> = HashMap::new();
        let typed = |row: &Row| row.get::<bool>("typed");
        if rows.first().map(typed).transpose()?.unwrap_or(false) {
            let reports = query(&LIMIT_REPORTS).bind(limits);
            for row in &self.meters.rows(&LIMIT_REPORTS, reports, over).await? {
                settled.insert(row.id("pk_limit_record")?, report(row)?);
            }
        }
        let mut found: HashMap<LimitId, FoundLimit> = HashMap::new();
        for row in &rows {
            let limit: LimitId = row.id("pk_limit_record")?;
            let settled = settled.remove(&limit);
            record(found.entry(limit).or_default(), row, settled)?;
        }
        Ok(found)
    }
}

fn report(row: &Row) -> Result<Settled, StoreError> {
    Ok(Settled {
        frames: row.get("settled_frames")?,
        hosts: row.get("settled_hosts")?,
        holders: row.all_shown("holders")?,
    })
}

/// Adds one row of `limit_use` to its limit.
fn record(found: &mut FoundLimit, row: &Row, settled: Option<Settled>) -> Result<(), StoreError> {
    found.name = row.shown("str_name")?;
    found.enforcement = row.shown("enforcement")?;
    let limit = &mut found.rows;
    let by_hosts: bool = row.get("by_hosts")?;
    let pending: i64 = row.get("pending")?;
    limit.kind = if by_hosts {
        LimitKind::Hosts
    } else {
        LimitKind::Frames
    };
    limit.gates = row.get("gates")?;
    limit.max = row.get("max_value")?;
    limit.soft = row.get("soft_value")?;
    if let Some(settled) = settled {
        limit.settled = settled;
    }
    match row.get::<Option<String>>("pk_host")? {
        Some(host) => limit.hosts.push(HostUse {
            host: HostId::from(host),
            name: row
                .get::<Option<Text>>("host_name")?
                .map(Text::shown)
                .unwrap_or_default(),
            pending,
        }),
        None => limit.pending = pending,
    }
    Ok(())
}
