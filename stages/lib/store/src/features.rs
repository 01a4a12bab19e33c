//! Features of the database's schema: the tables that newer versions of OpenCue add.
//!
//! Invariant: nothing about the schema is configured. A statement that fits all schemas is preferred; one
//! that does not says which feature it needs, and a booking finds out in its own transaction.

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::first;
use crate::statements::{CHECK_FEATURES, Features, query};

impl Store {
    /// The features of the schema, read from the catalog.
    pub async fn features(&self) -> Result<Features, StoreError> {
        let rows = self.fetch(&CHECK_FEATURES, query(&CHECK_FEATURES)).await?;
        Ok(Features {
            limit_types: first(&rows, &CHECK_FEATURES)?.get("limit_types")?,
        })
    }
}
