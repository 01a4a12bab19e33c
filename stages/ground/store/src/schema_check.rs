//! Whether a database is fit for the scheduler: what `cue-scheduler check` asks.
//!
//! Invariant: it only reads, takes no lock that anybody waits for, and says what is, not what to do
//! about it: that is for the one who shows it.

mod indexes;
mod limits;
mod neighbours;
mod rights;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{Executor, SqlSafeStr};

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::{ALL, CHECK_SERVER, CHECK_SETTINGS, CHECK_SHOWS, CHECK_TRIGGERS};

pub use indexes::{INDEXES, IndexState, OfferedIndex};
pub use limits::OddLimit;
pub use neighbours::{SchemaFacts, SharedAllocation, StrangeRows};
pub use rights::NeededRight;

/// The triggers without which the numbers of waiting frames would never change.
const TRIGGERS: &[(&str, &str)] = &[("frame", "update_frame_status_counts")];

/// The server, the database, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Where it was reached, as `host:port`.
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
    /// Whether it is a standby, which cannot be written to.
    pub in_recovery: bool,
    /// Milliseconds by which its clock is ahead of this machine's, negative if it is behind. What the
    /// time of the question can explain is left out.
    pub clock_ahead_ms: i64,
    /// Connections.
    pub connections: Connections,
}

/// How many connections there may be, and are.
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
    /// What the server says.
    pub message: String,
}

/// An active show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowFacts {
    /// Its name.
    pub name: String,
    /// Whether it is booked by this scheduler.
    pub managed: bool,
    /// `b_booking_enabled`. Neither Cuebot nor a scheduler heeds it.
    pub booking: bool,
    /// How many allocations it has a subscription for that admits a core.
    pub subscriptions: i64,
}

/// This machine's clock, in milliseconds since 1970.
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or(i64::MAX)
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
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_server(&self) -> Result<ServerFacts, StoreError> {
        let name = CHECK_SERVER.name;
        let query = sqlx::query(CHECK_SERVER.sql);
        let mut conn = self.connection().await?;
        let before = now_ms();
        let rows = self.meters.rows(&CHECK_SERVER, query, &mut conn).await?;
        let after = now_ms();
        let row = rows.first().ok_or(StoreError::Failed {
            statement: name,
            source: sqlx::Error::RowNotFound,
        })?;
        Ok(ServerFacts {
            place: self.meters.place(),
            version: get(row, name, "version")?,
            version_number: get(row, name, "version_number")?,
            database: get(row, name, "database_name")?,
            role: get(row, name, "role_name")?,
            role_quoted: get(row, name, "role_quoted")?,
            in_recovery: get(row, name, "in_recovery")?,
            clock_ahead_ms: ahead(get(row, name, "now_ms")?, before, after),
            connections: Connections {
                max: get(row, name, "max_connections")?,
                kept: get(row, name, "kept_connections")?,
                open: get(row, name, "open_connections")?,
                role_limit: get(row, name, "role_limit")?,
                database_limit: get(row, name, "database_limit")?,
            },
        })
    }

    /// Settings of the server as they are in our sessions, times in milliseconds. Those that the
    /// server does not know are missing.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_settings(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let name = CHECK_SETTINGS.name;
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let query = sqlx::query(CHECK_SETTINGS.sql).bind(names);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_SETTINGS, query, &mut conn).await?;
        rows.iter()
            .map(|row| Ok((get(row, name, "name")?, get(row, name, "setting")?)))
            .collect()
    }

    /// Has the server prepare every statement that fits the features of its schema. Returns how many there
    /// are and which it refuses.
    ///
    /// # Errors
    /// The server does not answer any more.
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

    /// The triggers, as `table.trigger`, that are needed and missing or switched off.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_triggers(&self) -> Result<Vec<String>, StoreError> {
        let name = CHECK_TRIGGERS.name;
        let (tables, triggers): (Vec<&str>, Vec<&str>) = TRIGGERS.iter().copied().unzip();
        let query = sqlx::query(CHECK_TRIGGERS.sql).bind(tables).bind(triggers);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_TRIGGERS, query, &mut conn).await?;
        rows.iter()
            .map(|row| {
                let table: String = get(row, name, "table_name")?;
                let trigger: String = get(row, name, "trigger_name")?;
                Ok(format!("{table}.{trigger}"))
            })
            .collect()
    }

    /// The active shows, by name.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_shows(&self) -> Result<Vec<ShowFacts>, StoreError> {
        let name = CHECK_SHOWS.name;
        let query = sqlx::query(CHECK_SHOWS.sql);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_SHOWS, query, &mut conn).await?;
        rows.iter()
            .map(|row| {
                Ok(ShowFacts {
                    name: get(row, name, "str_name")?,
                    managed: get(row, name, "b_scheduler_managed")?,
                    booking: get(row, name, "b_booking_enabled")?,
                    subscriptions: get(row, name, "subscriptions")?,
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
