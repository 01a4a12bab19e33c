//! Looks at demand: a mirror kept by them equals the database, whatever others do meanwhile.

mod kept;
mod leaving;
mod model;

use std::collections::HashMap;
use std::time::Duration;

use cue_domain::demand::{DemandRows, Subscription, WaitingJob, WaitingLayer};
use cue_domain::{JobId, LayerId};
use cue_store::{DemandCursor, Store};

/// Rows of demand as a reader of looks keeps them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    pub jobs: HashMap<JobId, WaitingJob>,
    pub layers: HashMap<LayerId, WaitingLayer>,
    pub subscriptions: Vec<Subscription>,
}

impl Mirror {
    pub fn apply(&mut self, rows: DemandRows) {
        if rows.complete {
            *self = Self::default();
        }
        for job in &rows.gone_jobs {
            assert!(self.jobs.remove(job).is_some(), "{job:?} was not known");
            self.layers.retain(|_, layer| layer.job != *job);
        }
        let jobs = rows.jobs.into_iter().map(|job| (job.id.clone(), job));
        self.jobs.extend(jobs);
        for layer in rows.layers {
            assert!(self.jobs.contains_key(&layer.job), "{layer:?} has no job");
            let id = layer.layer.id.clone();
            if layer.layer.waiting > 0 {
                self.layers.insert(id, layer);
            } else {
                self.layers.remove(&id);
            }
        }
        self.subscriptions = rows.subscriptions;
        self.subscriptions.sort_by(|a, b| a.alloc.cmp(&b.alloc));
    }
}

/// A mirror with the cursor of its last look.
#[derive(Default)]
pub struct Reader {
    pub mirror: Mirror,
    pub cursor: DemandCursor,
}

impl Reader {
    /// Reads everything, and then looks that nothing has changed.
    pub async fn new(store: &Store) -> Self {
        let mut reader = Self::default();
        assert!(reader.look(store).await.complete);
        let rows = reader.look(store).await;
        assert!(!rows.complete && rows.gone_jobs.is_empty());
        reader
    }

    /// Looks once, and returns what came.
    pub async fn look(&mut self, store: &Store) -> DemandRows {
        let (rows, cursor) = store.demand(None, &self.cursor, false).await.unwrap();
        self.cursor = cursor;
        self.mirror.apply(rows.clone());
        rows
    }

    /// Looks until nothing is read again. Transactions that are open in the databases of other tests count, too.
    pub async fn settle(&mut self, store: &Store) {
        while !self.look(store).await.jobs.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Looks once, and compares the mirror with a complete pass.
    pub async fn compare(&mut self, store: &Store, when: &str) {
        let rows = self.look(store).await;
        assert!(!rows.complete, "{when}");
        let (all, _) = store.demand(None, &self.cursor, true).await.unwrap();
        let mut complete = Mirror::default();
        complete.apply(all);
        assert_eq!(self.mirror, complete, "{when}");
    }

    /// Names of the jobs, in alphabetical order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.mirror.jobs.values().map(|job| &*job.name).collect();
        names.sort_unstable();
        names
    }
}
