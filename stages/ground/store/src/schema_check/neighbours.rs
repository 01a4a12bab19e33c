//! OpenCue's side of the database: the version of its schema, and what its own programs make of the same rows.

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::{CHECK_MEANING, CHECK_SCHEMA, CHECK_SHARED};

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
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_schema(&self) -> Result<SchemaFacts, StoreError> {
        let name = CHECK_SCHEMA.name;
        let query = sqlx::query(CHECK_SCHEMA.sql);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_SCHEMA, query, &mut conn).await?;
        let Some(row) = rows.first() else {
            return Ok(SchemaFacts::default());
        };
        Ok(SchemaFacts {
            migration: get(row, name, "migration")?,
            by_objects: get(row, name, "by_objects")?,
            slots: get(row, name, "slots")?,
        })
    }

    /// Allocations that shows of this scheduler share with shows of Cuebot, by name.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_shared(&self) -> Result<Vec<SharedAllocation>, StoreError> {
        let name = CHECK_SHARED.name;
        let query = sqlx::query(CHECK_SHARED.sql);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_SHARED, query, &mut conn).await?;
        rows.iter()
            .map(|row| {
                Ok(SharedAllocation {
                    name: get(row, name, "str_name")?,
                    ours: get(row, name, "ours")?,
                    theirs: get(row, name, "theirs")?,
                })
            })
            .collect()
    }

    /// Rows of managed shows that Cuebot reads in another way, with at most `names` names of each kind.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_meaning(&self, names: i64) -> Result<Vec<StrangeRows>, StoreError> {
        let name = CHECK_MEANING.name;
        let query = sqlx::query(CHECK_MEANING.sql).bind(names);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_MEANING, query, &mut conn).await?;
        rows.iter()
            .map(|row| {
                Ok(StrangeRows {
                    kind: get(row, name, "what")?,
                    count: get(row, name, "rows")?,
                    names: get(row, name, "names")?,
                })
            })
            .collect()
    }
}
