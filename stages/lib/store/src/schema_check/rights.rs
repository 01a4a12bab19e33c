//! The rights without which a booking, or taking one back, would be refused.
//!
//! Invariant: no table is named here that a text names. What is needed is read from the statements and from
//! the functions of the triggers that are installed in this very database, which run with the rights of
//! the role that fires them. So it is right for every version of the schema, and for a farm's own triggers.

use sqlx::{Executor, SqlSafeStr};

use crate::error::StoreError;
use crate::pool::Store;
use crate::statements::{ALL, CHECK_RIGHTS, Statement, query};

/// Tables whose rows are locked and never written, by statements or by triggers. A lock needs the right
/// to update.
const LOCKED: &[&str] = &["job", "layer", "limit_record", "proc"];

/// Beginnings of the names of statements that no booking needs.
const NOT_OF_BOOKING: [&str; 2] = ["check_", "lever_"];

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
    pub async fn check_rights(&self) -> Result<Vec<NeededRight>, StoreError> {
        let features = self.features().await?;
        let sent = ALL.iter().filter(|statement| {
            let mut others = NOT_OF_BOOKING.iter();
            !others.any(|name| statement.name.starts_with(name)) && (statement.fits)(&features)
        });
        self.rights_of(sent, LOCKED).await
    }

    /// Returns true if the statement of this name fits the schema, and the role has the rights that the statement
    /// and its triggers need. Without a statement of this name, all are asked about.
    pub async fn is_permitted(&self, name: &str) -> Result<bool, StoreError> {
        let rights = match ALL.iter().find(|statement| statement.name == name) {
            Some(statement) => {
                let mut conn = self.connection().await?;
                match conn.prepare(statement.sql.into_sql_str()).await {
                    Ok(_) => {}
                    Err(sqlx::Error::Database(_)) => return Ok(false),
                    Err(source) => {
                        let statement = statement.name;
                        return Err(StoreError::Failed { statement, source });
                    }
                }
                drop(conn);
                self.rights_of(std::iter::once(statement), LOCKED).await?
            }
            None => self.check_rights().await?,
        };
        Ok(rights.iter().all(|right| right.held))
    }

    /// The rights that statements need, with those to lock rows of these tables.
    pub(crate) async fn rights_of(
        &self,
        statements: impl Iterator<Item = &Statement>,
        locked: &[&str],
    ) -> Result<Vec<NeededRight>, StoreError> {
        let texts: Vec<&str> = statements.map(|statement| statement.sql).collect();
        let query = query(&CHECK_RIGHTS).bind(texts).bind(locked);
        let rows = self.fetch(&CHECK_RIGHTS, query).await?;
        rows.iter()
            .map(|row| {
                Ok(NeededRight {
                    relation: row.get("relation")?,
                    is_sequence: row.get("is_sequence")?,
                    privilege: row.get("privilege")?,
                    held: row.get("held")?,
                })
            })
            .collect()
    }
}
