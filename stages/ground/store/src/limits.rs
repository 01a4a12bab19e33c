//! Reading limits: what they allow, and what runs under them.
//!
//! Invariant: nothing is locked here. Read over a transaction that holds `lock_limits`, the numbers are exact;
//! read over any other connection they are what to try.

use std::collections::HashMap;

use cue_domain::limits::{HostUse, LimitRows, Settled};
use cue_domain::{HostId, Limit, LimitId, LimitKind};
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, id};
use crate::statements::{LIMIT_REPORTS, LIMIT_USE};
use crate::tx::Over;

/// A limit and the columns of its row that say why it gates, or does not.
#[derive(Clone, Debug)]
pub(crate) struct FoundLimit {
    pub(crate) limit: Limit,
}

impl Store {
    /// The limits with these ids, as they are now. Procs in `own` are not counted.
    pub(crate) async fn read_limits(
        &self,
        over: &mut impl Over,
        limits: Vec<String>,
        own: Vec<String>,
    ) -> Result<HashMap<LimitId, FoundLimit>, StoreError> {
        // Not kept as a prepared statement: a plan that was made while few frames ran would be kept for a
        // full farm, and reads all procs once for each layer.
        let query = sqlx::query(LIMIT_USE.sql)
            .bind(limits.clone())
            .bind(own)
            .bind(false)
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
        let mut read: HashMap<LimitId, LimitRows> = HashMap::new();
        for row in &rows {
            let limit: LimitId = id(row, LIMIT_USE.name, "pk_limit_record")?;
            let settled = settled.remove(&limit);
            note(read.entry(limit).or_default(), row, settled)?;
        }
        let found = read.into_iter().map(|(id, rows)| {
            let limit = Limit::new(rows);
            (id, FoundLimit { limit })
        });
        Ok(found.collect())
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

/// Adds one row of `limit_use` to what is known of its limit.
fn note(limit: &mut LimitRows, row: &PgRow, settled: Option<Settled>) -> Result<(), StoreError> {
    let name = LIMIT_USE.name;
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
