//! Keys of the counters in the five accounting tables.

use std::collections::BTreeSet;

use cue_domain::{AllocId, DeptId, FolderId, JobId, LayerId, ShowId};

use crate::error::StoreError;
use crate::rows::Row;
use crate::statements::Bound;

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
    pub fn len(&self) -> usize {
        self.subscriptions.len()
            + self.layers.len()
            + self.jobs.len()
            + self.folders.len()
            + self.points.len()
    }

    /// Returns true if there are none.
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
    pub(super) fn read(&mut self, row: &Row) -> Result<&'static str, StoreError> {
        let kind: String = row.get("kind")?;
        let table = ACCOUNTING_TABLES.iter().find(|table| **table == kind);
        match kind.as_str() {
            "subscription" => {
                let key = (row.id("id")?, row.id("other_id")?);
                self.subscriptions.insert(key);
            }
            "layer_resource" => {
                self.layers.insert(row.id("id")?);
            }
            "job_resource" => {
                self.jobs.insert(row.id("id")?);
            }
            "folder_resource" => {
                self.folders.insert(row.id("id")?);
            }
            _ => {
                let key = (row.id("id")?, row.id("other_id")?);
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
        let [third, fourth] = first.halves();
        assert_eq!((third.len(), fourth.len()), (1, 1));
    }
}
