//! The rights on tables without which a booking, or taking one back, would be refused.
//!
//! Invariant: the list holds what the statements need and what the triggers of the schema need, for
//! they run with the rights of whoever fires them. Locking a row needs the right to update it.

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::CHECK_RIGHTS;

/// Tables, and what must be allowed there.
const NEEDED: &[(&str, &[&str])] = &[
    ("facility", &["SELECT"]),
    ("alloc", &["SELECT"]),
    ("show", &["SELECT"]),
    ("subscription", &["SELECT", "UPDATE"]),
    ("folder", &["SELECT"]),
    ("folder_resource", &["SELECT", "UPDATE"]),
    ("point", &["SELECT", "UPDATE"]),
    ("job", &["SELECT"]),
    ("job_env", &["SELECT"]),
    ("job_stat", &["SELECT", "UPDATE"]),
    ("job_resource", &["SELECT", "UPDATE"]),
    ("layer", &["SELECT", "UPDATE"]),
    ("layer_env", &["SELECT"]),
    ("layer_stat", &["SELECT", "UPDATE"]),
    ("layer_resource", &["SELECT", "UPDATE"]),
    ("layer_limit", &["SELECT"]),
    ("limit_record", &["SELECT", "UPDATE"]),
    ("frame", &["SELECT", "UPDATE"]),
    // The trigger that keeps the history of runs.
    ("frame_history", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("config", &["SELECT"]),
    ("host", &["SELECT", "UPDATE"]),
    ("host_stat", &["SELECT", "UPDATE"]),
    ("host_tag", &["SELECT"]),
    ("proc", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
];

/// Rights that are missing on one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingRights {
    /// The table.
    pub table: String,
    /// The rights, as in `GRANT`.
    pub rights: Vec<String>,
}

impl Store {
    /// The rights that we need and do not have, and on how many tables we need any.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_rights(&self) -> Result<(usize, Vec<MissingRights>), StoreError> {
        let name = CHECK_RIGHTS.name;
        let pairs = NEEDED
            .iter()
            .flat_map(|&(table, rights)| rights.iter().map(move |&right| (table, right)));
        let (tables, rights): (Vec<&str>, Vec<&str>) = pairs.unzip();
        let query = sqlx::query(CHECK_RIGHTS.sql).bind(tables).bind(rights);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_RIGHTS, query, &mut conn).await?;
        let missing = rows
            .iter()
            .map(|row| {
                Ok(MissingRights {
                    table: get(row, name, "table_name")?,
                    rights: get(row, name, "missing")?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok((NEEDED.len(), missing))
    }
}
