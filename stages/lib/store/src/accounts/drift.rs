//! Differences between counters and their procs, and their correction.

use std::collections::BTreeMap;

use super::keys::{ACCOUNTING_TABLES, CounterKeys};
use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::Row;
use crate::statements::{Bound, COMPARE_ACCOUNTS, query};

/// Differences between counters and the sums of their procs, in one snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// The counters that differ.
    pub keys: CounterKeys,
    /// Number of them by table.
    pub tables: BTreeMap<&'static str, u64>,
    /// Sum of what counters are too high by, in centicores.
    pub too_high: f64,
    /// Sum of what counters are too low by, in centicores.
    pub too_low: f64,
}

impl Drift {
    /// Reads the rows of `compare_accounts`.
    pub(crate) fn read(rows: &[Row]) -> Result<Self, StoreError> {
        let mut drift = Self::default();
        for row in rows {
            let Some(centicores) = row.get::<Option<f64>>("cores")? else {
                continue;
            };
            let table = drift.keys.read(row)?;
            *drift.tables.entry(table).or_default() += 1;
            drift.too_high += centicores.max(0.0);
            drift.too_low -= centicores.min(0.0);
        }
        Ok(drift)
    }
}

/// Number of counters that were set, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrected(pub BTreeMap<&'static str, u64>);

impl Corrected {
    /// Sum over the tables.
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        for (table, count) in &other.0 {
            *self.0.entry(table).or_default() += count;
        }
    }
}

/// Caps that had to make way for a counter, and are put back before the commit.
#[derive(Default)]
pub(crate) struct Raised {
    subscriptions: (Vec<String>, Vec<i64>),
    jobs: (Vec<String>, Vec<i64>, Vec<i64>),
}

impl Raised {
    /// Binds the caps for `restore_caps`.
    pub(crate) fn bind(self, query: Bound) -> Bound {
        query
            .bind(self.subscriptions.0)
            .bind(self.subscriptions.1)
            .bind(self.jobs.0)
            .bind(self.jobs.1)
            .bind(self.jobs.2)
    }
}

impl Store {
    /// Differences of the counters of active managed shows, at most `most`. Takes no lock and
    /// announces nothing.
    pub async fn drift(&self, most: usize) -> Result<Drift, StoreError> {
        let query = query(&COMPARE_ACCOUNTS)
            .bind(None::<i64>)
            .bind(None::<String>)
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = self.fetch(&COMPARE_ACCOUNTS, query).await?;
        Drift::read(&rows)
    }
}

/// Reads what `recount` corrected, and the caps that it raised for that.
pub(crate) fn read_recount(rows: &[Row]) -> Result<(Corrected, Option<Raised>), StoreError> {
    let mut corrected = Corrected::default();
    let mut raised: Option<Raised> = None;
    for row in rows {
        let kind: String = row.get("kind")?;
        if let Some(table) = ACCOUNTING_TABLES.iter().find(|table| **table == kind) {
            *corrected.0.entry(table).or_default() += 1;
        }
        if !row.get::<bool>("raised")? {
            continue;
        }
        let caps = raised.get_or_insert_default();
        let key: String = row.get("id")?;
        if kind == "subscription" {
            caps.subscriptions.0.push(key);
            caps.subscriptions.1.push(row.get("max_cores")?);
        } else {
            caps.jobs.0.push(key);
            caps.jobs.1.push(row.get("max_cores")?);
            caps.jobs.2.push(row.get("max_gpus")?);
        }
    }
    Ok((corrected, raised))
}
