//! Keeping the five accounting tables where Cuebot leaves the releases of managed shows to us.
//!
//! A counter is never added to or subtracted from here: it is set to the sum of its procs, under
//! its own lock and in a snapshot taken after that. So it does not matter how often a row is
//! counted, by whom, or which messages were lost, and caps are neither read outside of the lock nor
//! changed by it (contract, 5.2 and 13.4 items 38 to 41).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use cue_domain::{AllocId, DeptId, FolderId, JobId, LayerId, ShowId};
use sqlx::postgres::PgRow;

use crate::error::{StoreError, Trouble};
use crate::pool::Store;
use crate::rows::{get, id};
use crate::statements::{LOCK_COUNTERS, RECOUNT, RESTORE_CAPS, STALE_COUNTERS};

/// The accounting tables, in the order in which their rows are locked.
pub const ACCOUNTING_TABLES: [&str; 5] = [
    "subscription",
    "layer_resource",
    "job_resource",
    "folder_resource",
    "point",
];

/// How often a count that met a deadlock is tried again: somebody moved a job meanwhile.
const TRIES: u32 = 5;

/// Which counters are to be counted anew.
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
    /// How many counters these are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subscriptions.len()
            + self.layers.len()
            + self.jobs.len()
            + self.folders.len()
            + self.points.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes up to `most` of them out.
    #[must_use]
    pub fn take(&mut self, most: usize) -> Self {
        let mut room = most;
        Self {
            subscriptions: split(&mut self.subscriptions, &mut room),
            layers: split(&mut self.layers, &mut room),
            jobs: split(&mut self.jobs, &mut room),
            folders: split(&mut self.folders, &mut room),
            points: split(&mut self.points, &mut room),
        }
    }

    fn note(&mut self, row: &PgRow) -> Result<(), StoreError> {
        let name = STALE_COUNTERS.name;
        let kind: String = get(row, name, "kind")?;
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
        Ok(())
    }
}

fn split<K: Ord>(from: &mut BTreeSet<K>, room: &mut usize) -> BTreeSet<K> {
    let mut taken = BTreeSet::new();
    while *room > 0
        && let Some(key) = from.pop_first()
    {
        taken.insert(key);
        *room -= 1;
    }
    taken
}

/// How many counters were not what their procs add up to, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrected(pub BTreeMap<&'static str, u64>);

impl Corrected {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

/// Caps that had to make way for a counter, and are put back before the commit.
#[derive(Default)]
struct Raised {
    subscriptions: (Vec<String>, Vec<i64>),
    jobs: (Vec<String>, Vec<i64>, Vec<i64>),
}

impl Store {
    /// Which counters of active managed shows are not what their procs add up to; at most `most`,
    /// and none of any other show.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn stale_counters(&self, most: usize) -> Result<CounterKeys, StoreError> {
        let query = sqlx::query(STALE_COUNTERS.sql).bind(i64::try_from(most).unwrap_or(i64::MAX));
        let mut conn = self.connection().await?;
        let mut keys = CounterKeys::default();
        for row in &self.meters.rows(&STALE_COUNTERS, query, &mut conn).await? {
            keys.note(row)?;
        }
        Ok(keys)
    }

    /// Sets counters to the sum of their procs, all in one transaction.
    ///
    /// # Errors
    /// A statement failed, a deadlock also after several tries; nothing was changed.
    pub async fn recount(&self, keys: &CounterKeys) -> Result<Corrected, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_recount(keys).await {
                Err(error) if error.trouble() == Trouble::Conflict && tries < TRIES => {
                    tracing::debug!(error = %error, tries, "a recount met a conflict and is tried again");
                }
                answer => return answer,
            }
        }
    }

    async fn try_recount(&self, keys: &CounterKeys) -> Result<Corrected, StoreError> {
        let (shows, allocs) = pairs(&keys.subscriptions, ShowId::as_str, AllocId::as_str);
        let (depts, dept_shows) = pairs(&keys.points, DeptId::as_str, ShowId::as_str);
        let layers = list(&keys.layers, LayerId::as_str);
        let jobs = list(&keys.jobs, JobId::as_str);
        let folders = list(&keys.folders, FolderId::as_str);
        let mut tx = self.begin().await?;
        let lock = sqlx::query(LOCK_COUNTERS.sql)
            .bind(shows.clone())
            .bind(allocs.clone())
            .bind(layers.clone())
            .bind(jobs.clone())
            .bind(folders.clone())
            .bind(depts.clone())
            .bind(dept_shows.clone());
        self.meters.rows(&LOCK_COUNTERS, lock, &mut tx).await?;
        let count = sqlx::query(RECOUNT.sql)
            .bind(shows)
            .bind(allocs)
            .bind(layers)
            .bind(jobs)
            .bind(folders)
            .bind(depts)
            .bind(dept_shows);
        let (corrected, raised) = read_recount(&self.meters.rows(&RECOUNT, count, &mut tx).await?)?;
        if let Some(raised) = raised {
            let restore = sqlx::query(RESTORE_CAPS.sql)
                .bind(raised.subscriptions.0)
                .bind(raised.subscriptions.1)
                .bind(raised.jobs.0)
                .bind(raised.jobs.1)
                .bind(raised.jobs.2);
            self.meters.rows(&RESTORE_CAPS, restore, &mut tx).await?;
        }
        let asked = Instant::now();
        let answer = tx.commit().await;
        self.meters.note("commit", asked, answer.is_ok());
        answer
            .map(|()| corrected)
            .map_err(|source| StoreError::Failed {
                statement: "commit",
                source,
            })
    }
}

fn read_recount(rows: &[PgRow]) -> Result<(Corrected, Option<Raised>), StoreError> {
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
    fn keys_are_taken_in_portions_until_none_is_left() {
        let mut keys = CounterKeys::default();
        keys.subscriptions.insert(("show".into(), "alloc".into()));
        keys.layers.extend(["a", "b", "c"].map(LayerId::from));
        keys.points.insert(("dept".into(), "show".into()));
        let mut sizes = Vec::new();
        while !keys.is_empty() {
            sizes.push(keys.take(2).len());
        }
        assert_eq!(sizes, [2, 2, 1]);
    }
}
