//! Rows that a booking needs and another session holds.

use std::sync::Arc;
use std::time::Duration;

use crate::text::time;

/// A row that another session holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRow {
    /// Its table.
    pub table: Arc<str>,
    /// The session, as far as it is known: its name and process id.
    pub holder: Option<Arc<str>>,
    /// Age of the session's transaction, as far as it is known.
    pub since: Option<Duration>,
}

impl HeldRow {
    /// Predicate of the sentence.
    pub(super) fn predicate(&self) -> String {
        let holder = self.holder.as_deref().unwrap_or("another session");
        let since = self.since.map_or_else(String::new, |since| {
            format!(", in a transaction that began {} ago", time(since))
        });
        format!(
            "waits for a lock: {holder} holds a row of {} that it needs{since}",
            self.table
        )
    }
}
