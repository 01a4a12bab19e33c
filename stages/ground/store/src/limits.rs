//! Reading limits: what they allow, and what runs under them.
//!
//! Invariant: nothing is locked here. Read over a transaction that holds `lock_limits`, the numbers are exact;
//! read over any other connection they are what to try.

use std::collections::HashMap;

use cue_domain::limits::{HostUse, LimitRows, Settled, short_name};
use cue_domain::why::LimitFacts;
use cue_domain::{HostId, Limit, LimitId, LimitKind};
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, id};
use crate::statements::{LIMIT_REPORTS, LIMIT_USE};
use crate::tx::Over;

/// Which limits are counted.
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
    fresh: bool,
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
            fresh: self.fresh,
            reported,
            holders,
            limit: Limit::new(self.rows),
        }
    }
}

impl Store {
    /// The limits with these ids, as they are now. Procs in `own` are not counted.
    ///
    /// The statement is not kept prepared: a plan that was made while few frames ran would be kept for a full
    /// farm, and read all procs once for each layer.
    pub(crate) async fn read_limits(
        &self,
        over: &mut impl Over,
        limits: Vec<String>,
        own: Vec<String>,
        count: Count,
    ) -> Result<HashMap<LimitId, FoundLimit>, StoreError> {
        let query = sqlx::query(LIMIT_USE.sql)
            .bind(limits.clone())
            .bind(own)
            .bind(count == Count::All)
            .persistent(false);
        let rows = self.meters.rows(&LIMIT_USE, query, over).await?;
        let mut settled: HashMap<LimitId, Settled> = HashMap::new();
        let typed = |row| get::<bool>(row, LIMIT_USE.name, "typed");
        if rows.first().map(typed).transpose()?.unwrap_or(false) {
            let query = sqlx::query(LIMIT_REPORTS.sql).bind(limits);
            for row in &self.meters.rows(&LIMIT_REPORTS, query, over).await? {
                settled.insert(
                    id(row, LIMIT_REPORTS.name, "pk_limit_record")?,
                    report(row)?,
                );
            }
        }
        let mut found: HashMap<LimitId, FoundLimit> = HashMap::new();
        for row in &rows {
            let limit: LimitId = id(row, LIMIT_USE.name, "pk_limit_record")?;
            let settled = settled.remove(&limit);
            record(found.entry(limit).or_default(), row, settled)?;
        }
        Ok(found)
    }
}

fn report(row: &PgRow) -> Result<Settled, StoreError> {
    let name = LIMIT_REPORTS.name;
    Ok(Settled {
        frames: get(row, name, "settled_frames")?,
        hosts: get(row, name, "settled_hosts")?,
        holders: get(row, name, "holders")?,
    })
}

/// Adds one row of `limit_use` to its limit.
fn record(found: &mut FoundLimit, row: &PgRow, settled: Option<Settled>) -> Result<(), StoreError> {
    let name = LIMIT_USE.name;
    found.name = get(row, name, "str_name")?;
    found.enforcement = get(row, name, "enforcement")?;
    found.fresh = get(row, name, "fresh")?;
    let limit = &mut found.rows;
    let by_hosts: bool = get(row, name, "by_hosts")?;
    let pending: i64 = get(row, name, "pending")?;
    limit.kind = if by_hosts {
        LimitKind::Hosts
    } else {
        LimitKind::Frames
    };
    limit.gates = get(row, name, "gates")?;
    limit.max = get(row, name, "max_value")?;
    limit.soft = get(row, name, "soft_value")?;
    if let Some(settled) = settled {
        limit.settled = settled;
    }
    match get::<Option<String>>(row, name, "pk_host")? {
        Some(host) => limit.hosts.push(HostUse {
            host: HostId::from(host),
            name: get::<Option<String>>(row, name, "host_name")?.unwrap_or_default(),
            pending,
        }),
        None => limit.pending = pending,
    }
    Ok(())
}
