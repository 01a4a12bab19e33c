//! Features of the database's schema: the tables and columns that newer versions of OpenCue add.
//!
//! Invariant: nothing about the schema is configured. It is read from the catalog, and read again
//! every few seconds, so that a migration under the running service is noticed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::READ_FEATURES;
use crate::tx::Over;

/// Age at which the features are read again.
const MAX_AGE: Duration = Duration::from_secs(5);

/// Features of the schema (contract, 14.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Limits have types, enforcement and reported usage: `limit_record.str_type`, `limit_host` and
    /// `limit_usage` exist (V49).
    pub limit_types: bool,
    /// `layer.int_stuck_detection_llu` exists (V48).
    pub stuck_detection: bool,
    /// `frame_history_queue` exists (V50).
    pub history_queue: bool,
}

/// The features as last read, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeatureCache(Arc<Mutex<Option<(Instant, Features)>>>);

impl FeatureCache {
    fn fresh(&self) -> Option<Features> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cached
            .filter(|(read, _)| read.elapsed() < MAX_AGE)
            .map(|(_, features)| features)
    }

    fn keep(&self, features: Features) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), features));
    }
}

impl Store {
    /// The features of the schema, not older than a few seconds.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn features(&self) -> Result<Features, StoreError> {
        match self.features.fresh() {
            Some(features) => Ok(features),
            None => {
                let mut conn = self.connection().await?;
                self.read_features(&mut conn).await
            }
        }
    }

    /// The same over a connection that the caller has already, so that no second one is needed.
    pub(crate) async fn features_over(&self, over: &mut impl Over) -> Result<Features, StoreError> {
        match self.features.fresh() {
            Some(features) => Ok(features),
            None => self.read_features(over).await,
        }
    }

    async fn read_features(&self, over: &mut impl Over) -> Result<Features, StoreError> {
        let name = READ_FEATURES.name;
        let query = sqlx::query(READ_FEATURES.sql);
        let rows = self.meters.rows(&READ_FEATURES, query, over).await?;
        let row = rows.first().ok_or(StoreError::Failed {
            statement: name,
            source: sqlx::Error::RowNotFound,
        })?;
        let features = Features {
            limit_types: get(row, name, "limit_types")?,
            stuck_detection: get(row, name, "stuck_detection")?,
            history_queue: get(row, name, "history_queue")?,
        };
        self.features.keep(features);
        Ok(features)
    }
}
