//! OpenCue's side of the database: the version of its schema, and what its own programs make of the same rows.

use crate::error::StoreError;
use crate::pool::Store;
use crate::statements::{CHECK_MEANING, CHECK_SCHEMA, CHECK_SHARED, query};

/// The version of OpenCue's schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaFacts {
    /// The newest migration that Flyway wrote down, as in `51`; none if its table is missing or may not be read.
    pub migration: Option<String>,
    /// The newest migration whose tables, columns and indexes are there.
    pub by_objects: Option<i32>,
    /// Layers can ask for slots of a host.
    pub slots: bool,
}

/// An allocation that shows of this scheduler share with shows of Cuebot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedAllocation {
    /// Its name.
    pub name: String,
    /// Managed shows with a subscription that admits a core, by name.
    pub ours: Vec<String>,
    /// Other shows with such a subscription, by name.
    pub theirs: Vec<String>,
}

/// Rows that Cuebot reads in another way than this scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrangeRows {
    /// Kind, as [the statement](crate::statements::CHECK_MEANING) names it.
    pub kind: String,
    /// Number of them.
    pub count: i64,
    /// Names of the first ones.
    pub names: Vec<String>,
}

impl Store {
    /// The version of OpenCue's schema.
    pub async fn check_schema(&self) -> Result<SchemaFacts, StoreError> {
        let query = query(&CHECK_SCHEMA);
        let rows = self.fetch(&CHECK_SCHEMA, query).await?;
        let Some(row) = rows.first() else {
            return Ok(SchemaFacts::default());
        };
        Ok(SchemaFacts {
            migration: row.get("migration")?,
            by_objects: row.get("by_objects")?,
            slots: row.get("slots")?,
        })
    }

    /// Allocations that shows of this scheduler share with shows of Cuebot, by name.
    pub async fn check_shared(&self) -> Result<Vec<SharedAllocation>, StoreError> {
        let query = query(&CHECK_SHARED);
        let rows = self.fetch(&CHECK_SHARED, query).await?;
        rows.iter()
            .map(|row| {
                Ok(SharedAllocation {
                    name: row.shown("str_name")?,
                    ours: row.all_shown("ours")?,
                    theirs: row.all_shown("theirs")?,
                })
            })
            .collect()
    }

    /// Rows of managed shows that Cuebot reads in another way, with at most `names` names of each kind.
    pub async fn check_meaning(&self, names: i64) -> Result<Vec<StrangeRows>, StoreError> {
        let query = query(&CHECK_MEANING).bind(names);
        let rows = self.fetch(&CHECK_MEANING, query).await?;
        rows.iter()
            .map(|row| {
                Ok(StrangeRows {
                    kind: row.get("what")?,
                    count: row.get("rows")?,
                    names: row.all_shown("names")?,
                })
            })
            .collect()
    }
}
