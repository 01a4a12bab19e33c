//! The statement triggers that an operator may have installed in place of OpenCue's row triggers.

use crate::error::StoreError;
use crate::pool::Store;
use crate::statements::{CHECK_STATEMENT_TRIGGERS, query};

/// A statement trigger on `frame` that was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that are independent of each other"
)]
pub struct StatementTrigger {
    /// Its name, which is also that of the row trigger.
    pub name: String,
    /// OpenCue's function that the row trigger calls.
    pub replaced: String,
    /// The trigger of this name is the statement trigger, and switched on.
    pub stands: bool,
    /// The trigger that marks transactions is there and switched on; without it the statement trigger does nothing.
    pub marked: bool,
    /// A trigger calls OpenCue's function.
    pub row_trigger: bool,
    /// OpenCue's function has changed since the installation.
    pub outdated: bool,
}

impl Store {
    /// The statement triggers that were installed, by name.
    pub async fn check_statement_triggers(&self) -> Result<Vec<StatementTrigger>, StoreError> {
        let query = query(&CHECK_STATEMENT_TRIGGERS);
        let rows = self.fetch(&CHECK_STATEMENT_TRIGGERS, query).await?;
        rows.iter()
            .map(|row| {
                Ok(StatementTrigger {
                    name: row.get("trigger_name")?,
                    replaced: row.get("replaced")?,
                    stands: row.get("stands")?,
                    marked: row.get("marked")?,
                    row_trigger: row.get("row_trigger")?,
                    outdated: row.get("outdated")?,
                })
            })
            .collect()
    }
}
