//! Fitness of a database for the scheduler: the questions of `cue-scheduler check`.
//!
//! Invariant: the questions only read, take no lock that anybody waits for, and return facts. The advice belongs
//! to the command.

mod limits;
mod neighbours;
mod rights;
mod statement_triggers;

use std::collections::BTreeMap;

use cue_flow::now_us;
use sqlx::{Executor, SqlSafeStr};

use crate::error::StoreError;
use crate::pool::Store;
use crate::statements::{
    ALL, CHECK_INDEXES, CHECK_SERVER, CHECK_SETTINGS, CHECK_SHOWS, CHECK_TRIGGERS, query,
};
use crate::waiting_index::{TABLE, any_orders_waiting_frames};

pub use limits::OddLimit;
pub use neighbours::{SchemaFacts, SharedAllocation, StrangeRows};
pub use rights::NeededRight;
pub use statement_triggers::StatementTrigger;

/// The triggers without which the numbers of waiting frames would never change.
const TRIGGERS: &[(&str, &str)] = &[("frame", "update_frame_status_counts")];

/// The server, the database, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Address of the server, as `host:port`.
    pub place: String,
    /// Its version, as it writes it.
    pub version: String,
    /// Its version as a number: 150018 is 15.18.
    pub version_number: i32,
    /// The database.
    pub database: String,
    /// Our role.
    pub role: String,
    /// Our role as it is written in SQL.
    pub role_quoted: String,
    /// The server is a standby, which cannot be written to.
    pub in_recovery: bool,
    /// Milliseconds by which its clock is ahead of this machine's, negative if it is behind. What the
    /// time of the question can explain is left out.
    pub clock_ahead_ms: i64,
    /// Connections.
    pub connections: Connections,
}

/// Connections that are allowed, and that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// `max_connections`.
    pub max: i64,
    /// Of these, kept for others than us.
    pub kept: i64,
    /// Open now, ours included.
    pub open: i64,
    /// The limit of our role, if it has one.
    pub role_limit: Option<i64>,
    /// The limit of the database, if it has one.
    pub database_limit: Option<i64>,
}

/// A statement that does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Its name.
    pub statement: &'static str,
    /// The server's message.
    pub message: String,
}

/// An active show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowFacts {
    /// Its name.
    pub name: String,
    /// This scheduler books the show.
    pub managed: bool,
    /// `b_booking_enabled`. Neither Cuebot nor a scheduler heeds it.
    pub booking: bool,
    /// Allocations for which the show has a subscription that admits a core.
    pub subscriptions: i64,
}

/// Lead of a clock that showed `theirs` between two moments of ours.
const fn ahead(theirs: i64, before: i64, after: i64) -> i64 {
    if theirs > after {
        theirs - after
    } else if theirs < before {
        theirs - before
    } else {
        0
    }
}

impl Store {
    /// The server, the database, and who we are there.
    pub async fn check_server(&self) -> Result<ServerFacts, StoreError> {
        let query = query(&CHECK_SERVER);
        let mut conn = self.connection().await?;
        let before = now_us() / 1_000;
        let rows = self.meters.rows(&CHECK_SERVER, query, &mut conn).await?;
        let after = now_us() / 1_000;
        let row = rows.first().ok_or(StoreError::Failed {
            statement: CHECK_SERVER.name,
            source: sqlx::Error::RowNotFound,
        })?;
        Ok(ServerFacts {
            place: self.meters.place(),
            version: row.get("version")?,
            version_number: row.get("version_number")?,
            database: row.get("database_name")?,
            role: row.get("role_name")?,
            role_quoted: row.get("role_quoted")?,
            in_recovery: row.get("in_recovery")?,
            clock_ahead_ms: ahead(row.get("now_ms")?, before, after),
            connections: Connections {
                max: row.get("max_connections")?,
                kept: row.get("kept_connections")?,
                open: row.get("open_connections")?,
                role_limit: row.get("role_limit")?,
                database_limit: row.get("database_limit")?,
            },
        })
    }

    /// Settings of the server as they are in our sessions, times in milliseconds. Those that the
    /// server does not know are missing.
    pub async fn check_settings(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let query = query(&CHECK_SETTINGS).bind(names);
        let rows = self.fetch(&CHECK_SETTINGS, query).await?;
        rows.iter()
            .map(|row| Ok((row.get("name")?, row.get("setting")?)))
            .collect()
    }

    /// Has the server prepare every statement that fits the features of its schema. Returns how many there
    /// are and which it refuses.
    pub async fn check_statements(&self) -> Result<(usize, Vec<Unfit>), StoreError> {
        let features = self.features().await?;
        let mut conn = self.connection().await?;
        let fitting = || ALL.iter().filter(|statement| (statement.fits)(&features));
        let mut unfit = Vec::new();
        for statement in fitting() {
            match conn.prepare(statement.sql.into_sql_str()).await {
                Ok(_) => {}
                Err(sqlx::Error::Database(refusal)) => unfit.push(Unfit {
                    statement: statement.name,
                    message: refusal.message().to_owned(),
                }),
                Err(source) => {
                    return Err(StoreError::Failed {
                        statement: statement.name,
                        source,
                    });
                }
            }
        }
        Ok((fitting().count(), unfit))
    }

    /// Returns true if the database has OpenCue's index on the waiting frames of a layer, or one like it.
    pub async fn check_waiting_index(&self) -> Result<bool, StoreError> {
        let query = query(&CHECK_INDEXES).bind(vec![TABLE]);
        let rows = self.fetch(&CHECK_INDEXES, query).await?;
        any_orders_waiting_frames(&rows)
    }

    /// The triggers, as `table.trigger`, that are needed and missing or switched off.
    pub async fn check_triggers(&self) -> Result<Vec<String>, StoreError> {
        let (tables, triggers): (Vec<&str>, Vec<&str>) = TRIGGERS.iter().copied().unzip();
        let query = query(&CHECK_TRIGGERS).bind(tables).bind(triggers);
        let rows = self.fetch(&CHECK_TRIGGERS, query).await?;
        rows.iter()
            .map(|row| {
                let table: String = row.get("table_name")?;
                let trigger: String = row.get("trigger_name")?;
                Ok(format!("{table}.{trigger}"))
            })
            .collect()
    }

    /// The active shows, by name.
    pub async fn check_shows(&self) -> Result<Vec<ShowFacts>, StoreError> {
        let query = query(&CHECK_SHOWS);
        let rows = self.fetch(&CHECK_SHOWS, query).await?;
        rows.iter()
            .map(|row| {
                Ok(ShowFacts {
                    name: row.shown("str_name")?,
                    managed: row.get("b_scheduler_managed")?,
                    booking: row.get("b_booking_enabled")?,
                    subscriptions: row.get("subscriptions")?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::ahead;

    #[test]
    fn a_clock_is_ahead_or_behind_only_beyond_what_the_question_took() {
        let of = |theirs| ahead(theirs, 1_000, 1_200);
        assert_eq!([of(1_000), of(1_100), of(1_200)], [0, 0, 0]);
        assert_eq!((of(5_200), of(500)), (4_000, -500));
    }
}
