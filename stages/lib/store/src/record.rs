//! A recording of a farm: its hosts, caps and work, as they are now.
//!
//! Invariant: it only reads, in one snapshot.

use crate::error::StoreError;
use crate::pool::Store;
use crate::statements::{RECORD_FARM, query};

impl Store {
    /// Hosts, caps and work of a facility, or of all of them: for each its kind, and a JSON object with plain names.
    pub async fn record(
        &self,
        facility: Option<&str>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let query = query(&RECORD_FARM).bind(facility.map(str::to_owned));
        let rows = self.fetch(&RECORD_FARM, query).await?;
        let facts = rows
            .iter()
            .map(|row| Ok((row.get("kind")?, row.get("fact")?)));
        facts.collect()
    }
}
