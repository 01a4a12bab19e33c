//! Pauses of booking, which all replicas read from the database.
//!
//! They are rows of `config`, OpenCue's table of switches: the service has no tables of its own, and these rows outlive
//! every replica. Cuebot and the triggers read keys of their own only (OPENCUE.md, Switches). Times are those of the
//! database, so the clocks of replicas do not matter.

use std::time::Duration;

use cue_domain::{Pause, PauseScope};

use crate::error::StoreError;
use crate::pool::Store;
use crate::schema_check::NeededRight;
use crate::statements::{ALL, LEVER_PAUSE, LEVER_RESUME, PAUSES, query};

/// A pause that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseRow {
    /// The pause.
    pub pause: Pause,
    /// Time since it was set.
    pub age: Duration,
    /// Time until its end.
    pub remaining: Duration,
}

impl Store {
    /// The pauses that have not ended. A row whose text is no pause is left out.
    pub async fn pauses(&self) -> Result<Vec<PauseRow>, StoreError> {
        let rows = self.fetch(&PAUSES, query(&PAUSES)).await?;
        let mut pauses = Vec::new();
        for row in &rows {
            let Some(pause) = Pause::from_text(&row.shown("str_value")?) else {
                continue;
            };
            let time = |ms: i64| Duration::from_millis(ms.max(0).unsigned_abs());
            pauses.push(PauseRow {
                pause,
                age: time(row.get("age_ms")?),
                remaining: time(row.get("remaining_ms")?).min(Pause::LONGEST),
            });
        }
        Ok(pauses)
    }

    /// Sets a pause, in place of one of the same scope. Returns false if nothing has the name of its scope.
    pub async fn pause(&self, pause: &Pause, time: Duration) -> Result<bool, StoreError> {
        let (facility, show) = match &pause.scope {
            PauseScope::All => (None, None),
            PauseScope::Facility(name) => (Some(name.to_string()), None),
            PauseScope::Show(name) => (None, Some(name.to_string())),
        };
        let ms = i64::try_from(time.min(Pause::LONGEST).as_millis()).unwrap_or(i64::MAX);
        let query = query(&LEVER_PAUSE)
            .bind(uuid::Uuid::new_v4().to_string())
            .bind(pause.scope.to_string())
            .bind(pause.to_text())
            .bind(ms)
            .bind(facility)
            .bind(show);
        let rows = self.fetch(&LEVER_PAUSE, query).await?;
        Ok(!rows.is_empty())
    }

    /// Ends the pause of a scope. Returns true if there was one.
    pub async fn resume(&self, scope: &PauseScope) -> Result<bool, StoreError> {
        let query = query(&LEVER_RESUME).bind(scope.to_string());
        let rows = self.fetch(&LEVER_RESUME, query).await?;
        let mut ended = false;
        for row in &rows {
            ended |= row.get::<bool>("is_ended")?;
        }
        Ok(ended)
    }

    /// The rights that pausing and resuming need, which no booking does.
    pub async fn check_lever_rights(&self) -> Result<Vec<NeededRight>, StoreError> {
        let sent = ALL
            .iter()
            .filter(|statement| statement.name.starts_with("lever_"));
        // The row of a scope that has a pause is updated.
        self.rights_of(sent, &["config"]).await
    }
}
