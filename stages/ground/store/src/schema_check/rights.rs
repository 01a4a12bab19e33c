//! The rights without which a booking, or taking one back, would be refused.
//!
//! Invariant: no table is named here that a text names. What is needed is read from the statements and from
//! the functions of the triggers that are installed in this very database, which run with the rights of
//! the role that fires them. So it is right for every version of the schema, and for a farm's own triggers.

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::{ALL, CHECK_RIGHTS};

/// Tables whose rows are locked and never written, by statements or by triggers. A lock needs the right
/// to update.
const LOCKED: &[&str] = &["layer", "limit_record", "proc"];

/// The beginning of the names of statements that a running service never sends.
const OF_THE_CHECK: &str = "check_";

/// A right that a statement or a trigger needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededRight {
    /// Table or sequence, as it is written in SQL.
    pub relation: String,
    /// A sequence, and no table.
    pub is_sequence: bool,
    /// The right, as in `GRANT`.
    pub privilege: String,
    /// The role of the connection has it.
    pub held: bool,
}

impl Store {
    /// The rights that are needed, by table and then by sequence.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_rights(&self) -> Result<Vec<NeededRight>, StoreError> {
        let name = CHECK_RIGHTS.name;
        let features = self.features().await?;
        let sent = ALL.iter().filter(|statement| {
            !statement.name.starts_with(OF_THE_CHECK) && (statement.fits)(&features)
        });
        let texts: Vec<&str> = sent.map(|statement| statement.sql).collect();
        let query = sqlx::query(CHECK_RIGHTS.sql).bind(texts).bind(LOCKED);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_RIGHTS, query, &mut conn).await?;
        rows.iter()
            .map(|row| {
                Ok(NeededRight {
                    relation: get(row, name, "relation")?,
                    is_sequence: get(row, name, "is_sequence")?,
                    privilege: get(row, name, "privilege")?,
                    held: get(row, name, "held")?,
                })
            })
            .collect()
    }
}
