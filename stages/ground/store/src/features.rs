//! Features of the database's schema: the tables that newer versions of OpenCue add.
//!
//! Invariant: nothing about the schema is configured. A statement that fits all schemas is preferred; one
//! that does not says which feature it needs, and a booking finds out in its own transaction.

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::CHECK_FEATURES;

/// Features of the schema (contract, 14.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Limits have types, enforcement and reported usage: `limit_record.str_type`, `limit_host` and
    /// `limit_usage` exist (V49).
    pub limit_types: bool,
}

impl Store {
    /// The features of the schema, read from the catalog.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn features(&self) -> Result<Features, StoreError> {
        let name = CHECK_FEATURES.name;
        let mut conn = self.connection().await?;
        let query = sqlx::query(CHECK_FEATURES.sql);
        let rows = self.meters.rows(&CHECK_FEATURES, query, &mut conn).await?;
        let row = rows.first().ok_or(StoreError::Failed {
            statement: name,
            source: sqlx::Error::RowNotFound,
        })?;
        Ok(Features {
            limit_types: get(row, name, "limit_types")?,
        })
    }
}
