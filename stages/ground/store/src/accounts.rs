//! Counters of the five accounting tables: their keys, and how they differ from their procs.
//!
//! Healing never adds to a counter and never subtracts from it: it sets the counter to the sum of
//! its procs, under the lock of its row and in a snapshot taken after that. So it does not matter
//! how often a row is healed, by how many replicas, or which messages were lost. Caps are neither
//! read outside of the lock nor changed by it (contract, 5.2 and 13.4 items 38 to 41).

mod messages;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use cue_domain::{AllocId, DeptId, FolderId, JobId, LayerId, ShowId};
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::meters::Bound;
use crate::pool::Store;
use crate::rows::{get, id};
use crate::statements::{COMPARE_ACCOUNTS, RECOUNT};

pub use messages::{Heard, HeardLook, Look};
pub use session::{AccountsSession, Compared, Healed};

/// The accounting tables, in the order in which their rows are locked.
pub const ACCOUNTING_TABLES: [&str; 5] = [
    "subscription",
    "layer_resource",
    "job_resource",
    "folder_resource",
    "point",
];

/// Keys of counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterKeys {
    /// Rows of `subscription`.
    pub subscriptions: BTreeSet<(ShowId, AllocId)>,
    /// Rows of `layer_resource`.
    pub layers: BTreeSet<LayerId>,
    /// Rows of `job_resource`.
    pub jobs: BTreeSet<JobId>,
    /// Rows of `folder_resource`.
    pub folders: BTreeSet<FolderId>,
    /// Rows of `point`.
    pub points: BTreeSet<(DeptId, ShowId)>,
}

impl CounterKeys {
    /// Number of counters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subscriptions.len()
            + self.layers.len()
            + self.jobs.len()
            + self.folders.len()
            + self.points.len()
    }

    /// Returns true if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes up to `most` of them out, all of one table.
    #[must_use]
    pub(crate) fn take(&mut self, most: usize) -> Self {
        let mut taken = Self::default();
        if !self.subscriptions.is_empty() {
            taken.subscriptions = split(&mut self.subscriptions, most);
        } else if !self.layers.is_empty() {
            taken.layers = split(&mut self.layers, most);
        } else if !self.jobs.is_empty() {
            taken.jobs = split(&mut self.jobs, most);
        } else if !self.folders.is_empty() {
            taken.folders = split(&mut self.folders, most);
        } else {
            taken.points = split(&mut self.points, most);
        }
        taken
    }

    /// Halves of keys of one table.
    pub(crate) fn halves(mut self) -> [Self; 2] {
        let first = self.take(self.len().div_ceil(2));
        [first, self]
    }

    /// Adds the keys of `other`.
    pub fn extend(&mut self, other: Self) {
        self.subscriptions.extend(other.subscriptions);
        self.layers.extend(other.layers);
        self.jobs.extend(other.jobs);
        self.folders.extend(other.folders);
        self.points.extend(other.points);
    }

    /// Binds the keys in the order of `lock_counters` and `recount`.
    pub(crate) fn bind(&self, query: Bound) -> Bound {
        let (shows, allocs) = pairs(&self.subscriptions, ShowId::as_str, AllocId::as_str);
        let (depts, dept_shows) = pairs(&self.points, DeptId::as_str, ShowId::as_str);
        query
            .bind(shows)
            .bind(allocs)
            .bind(list(&self.layers, LayerId::as_str))
            .bind(list(&self.jobs, JobId::as_str))
            .bind(list(&self.folders, FolderId::as_str))
            .bind(depts)
            .bind(dept_shows)
    }

    /// Adds the key of a row of `compare_accounts`, and returns its table.
    fn read(&mut self, row: &PgRow) -> Result<&'static str, StoreError> {
        let name = COMPARE_ACCOUNTS.name;
        let kind: String = get(row, name, "kind")?;
        let table = ACCOUNTING_TABLES.iter().find(|table| **table == kind);
        match kind.as_str() {
            "subscription" => {
                let key = (id(row, name, "id")?, id(row, name, "other_id")?);
                self.subscriptions.insert(key);
            }
            "layer_resource" => {
                self.layers.insert(id(row, name, "id")?);
            }
            "job_resource" => {
                self.jobs.insert(id(row, name, "id")?);
            }
            "folder_resource" => {
                self.folders.insert(id(row, name, "id")?);
            }
            _ => {
                let key = (id(row, name, "id")?, id(row, name, "other_id")?);
                self.points.insert(key);
            }
        }
        Ok(table.copied().unwrap_or("point"))
    }
}

fn split<K: Ord>(from: &mut BTreeSet<K>, most: usize) -> BTreeSet<K> {
    let mut taken = BTreeSet::new();
    while taken.len() < most
        && let Some(key) = from.pop_first()
    {
        taken.insert(key);
    }
    taken
}

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
    pub(crate) fn read(rows: &[PgRow]) -> Result<Self, StoreError> {
        let name = COMPARE_ACCOUNTS.name;
        let mut drift = Self::default();
        for row in rows {
            let Some(centicores) = get::<Option<f64>>(row, name, "cores")? else {
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
    #[must_use]
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
    ///
    /// # Errors
    /// The statement failed.
    pub async fn drift(&self, most: usize) -> Result<Drift, StoreError> {
        let query = sqlx::query(COMPARE_ACCOUNTS.sql)
            .bind(None::<i64>)
            .bind(None::<String>)
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let mut conn = self.connection().await?;
        let rows = self
            .meters
            .rows(&COMPARE_ACCOUNTS, query, &mut conn)
            .await?;
        Drift::read(&rows)
    }
}

/// Reads what `recount` corrected, and the caps that it raised for that.
pub(crate) fn read_recount(rows: &[PgRow]) -> Result<(Corrected, Option<Raised>), StoreError> {
    let name = RECOUNT.name;
    let mut corrected = Corrected::default();
    let mut raised: Option<Raised> = None;
    for row in rows {
        let kind: String = get(row, name, "kind")?;
        if let Some(table) = ACCOUNTING_TABLES.iter().find(|table| **table == kind) {
            *corrected.0.entry(table).or_default() += 1;
        }
        if !get::<bool>(row, name, "raised")? {
            continue;
        }
        let caps = raised.get_or_insert_default();
        let key: String = get(row, name, "id")?;
        if kind == "subscription" {
            caps.subscriptions.0.push(key);
            caps.subscriptions.1.push(get(row, name, "max_cores")?);
        } else {
            caps.jobs.0.push(key);
            caps.jobs.1.push(get(row, name, "max_cores")?);
            caps.jobs.2.push(get(row, name, "max_gpus")?);
        }
    }
    Ok((corrected, raised))
}

fn list<K>(keys: &BTreeSet<K>, text: fn(&K) -> &str) -> Vec<String> {
    keys.iter().map(|key| text(key).to_owned()).collect()
}

fn pairs<A, B>(
    keys: &BTreeSet<(A, B)>,
    first: fn(&A) -> &str,
    second: fn(&B) -> &str,
) -> (Vec<String>, Vec<String>) {
    keys.iter()
        .map(|(a, b)| (first(a).to_owned(), second(b).to_owned()))
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_in_portions_of_one_table_until_none_is_left() {
        let mut keys = CounterKeys::default();
        keys.subscriptions.insert(("show".into(), "alloc".into()));
        keys.layers.extend(["a", "b", "c"].map(LayerId::from));
        keys.points.insert(("dept".into(), "show".into()));
        let mut sizes = Vec::new();
        while !keys.is_empty() {
            sizes.push(keys.take(2).len());
        }
        assert_eq!(sizes, [1, 2, 1, 1]);
    }

    #[test]
    fn halves_end_at_single_keys_and_lose_none() {
        let mut keys = CounterKeys::default();
        keys.jobs.extend(["a", "b", "c"].map(JobId::from));
        let [first, second] = keys.halves();
        assert_eq!((first.len(), second.len()), (2, 1));
        let [one, other] = first.halves();
        assert_eq!((one.len(), other.len()), (1, 1));
    }
}
