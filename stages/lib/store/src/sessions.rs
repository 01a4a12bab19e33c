//! Sessions: their settings, and the end of those that are of no use any more.
//!
//! The settings are made by a statement after connecting and not by startup parameters, which poolers refuse.
//! A session that turned out stale (read-only after a failover) is closed,
//! and with it all that are older: they have the same fault, and each would cost somebody a failure.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Postgres};

use crate::error::{ErrorClass, class};
use crate::generation::{Generation, writable};
use crate::settings::{LONGEST_IDLE, StoreSettings};
use crate::statements::{OPEN_SESSION, SESSION_MARK};
use crate::waiting_index::has_waiting_index;

/// Longest wait for a connection that is returned to the pool.
const RETURN_LIMIT: Duration = Duration::from_secs(2);

/// Time to wait for the lock on a table whose indexes are looked at.
const INDEX_PATIENCE: Duration = Duration::from_millis(50);

/// Settings of a session, by name.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    names: Vec<String>,
    values: Vec<String>,
}

impl SessionSettings {
    pub(crate) fn of(settings: &StoreSettings) -> Self {
        Self::new([
            // Our statements are short and many: compiling them costs more than it saves.
            ("jit", "off".to_owned()),
            ("statement_timeout", millis(settings.statement_timeout)),
            ("lock_timeout", millis(settings.lock_timeout)),
            ("TimeZone", "UTC".to_owned()),
            // A machine that dies without a word leaves locks behind that all others wait for: the
            // server notices within seconds, not hours.
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "25000".to_owned()),
            // And so is one that stands still, as a machine does that is suspended.
            ("idle_in_transaction_session_timeout", millis(LONGEST_IDLE)),
            // Overrides role and database: a statement must see what was committed while it waited for a lock.
            ("default_transaction_isolation", "read committed".to_owned()),
        ])
    }

    pub(crate) fn new<const N: usize>(settings: [(&str, String); N]) -> Self {
        let (names, values) = settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .unzip();
        Self { names, values }
    }

    /// These settings, and others that count where both have one.
    pub(crate) fn with<const N: usize>(&self, others: [(&str, String); N]) -> Self {
        let others = Self::new(others);
        Self {
            names: [&self.names[..], &others.names].concat(),
            values: [&self.values[..], &others.values].concat(),
        }
    }

    /// Makes the settings. Returns true if the server takes no writes.
    pub(crate) async fn apply(&self, conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let query = sqlx::query_scalar(OPEN_SESSION.sql)
            .bind(&self.names)
            .bind(&self.values);
        query.fetch_one(conn).await
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

/// Options of every connection.
pub(crate) fn options(options: PgConnectOptions, application_name: &str) -> PgConnectOptions {
    // Statements are counted, timed and traced by name; their texts need not be logged.
    let options = options.disable_statement_logging();
    // A startup parameter that poolers refuse, and that changes nothing since PostgreSQL 12.
    options
        .application_name(application_name)
        .extra_float_digits(None)
}

/// Has a pool prepare its sessions, and close those that are stale or do not answer.
pub(crate) fn prepare(
    pool: PoolOptions<Postgres>,
    settings: SessionSettings,
    generation: &Generation,
) -> PoolOptions<Postgres> {
    let settings = Arc::new(settings);
    let (opened, before, after) = (generation.clone(), generation.clone(), generation.clone());
    pool.after_connect(move |conn, _meta| {
        let (settings, generation) = (Arc::clone(&settings), opened.clone());
        Box::pin(async move {
            if generation.should_look_for_index() {
                let found = look_for_index(conn, &settings).await;
                generation.set_waiting_index(found.as_ref().ok().copied().flatten());
                found?;
            }
            let read_only = settings.apply(conn).await?;
            generation.set_read_only(read_only);
            Ok(())
        })
    })
    .before_acquire(move |_conn, meta| {
        let fresh = !before.is_stale(meta.age);
        Box::pin(async move { Ok(fresh) })
    })
    .after_release(move |conn, meta| {
        let fresh = !after.is_stale(meta.age);
        Box::pin(async move {
            match tokio::time::timeout(RETURN_LIMIT, conn.ping()).await {
                Ok(alive) => alive.map(|()| fresh),
                Err(late) => Err(sqlx::Error::Io(late.into())),
            }
        })
    })
}

/// Looks for an index that [`LOCK_FRAMES_INDEXED`](crate::statements::LOCK_FRAMES_INDEXED) can use. The server
/// locks the table for its answer: if another session has it alone, there is no answer, and no session waits to be
/// opened.
async fn look_for_index(
    conn: &mut PgConnection,
    settings: &SessionSettings,
) -> Result<Option<bool>, sqlx::Error> {
    let impatient = settings.with([("lock_timeout", millis(INDEX_PATIENCE))]);
    impatient.apply(conn).await?;
    match has_waiting_index(conn).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if class(&error) == ErrorClass::Held => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fails if the server takes no writes.
pub(crate) async fn refuse_read_only(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let read_only = SessionSettings::new([]).apply(conn).await?;
    writable(read_only)
}

/// Opens a session as the pool would, and finds out whether sessions are shared.
pub(crate) async fn first(
    options: &PgConnectOptions,
    settings: &SessionSettings,
) -> Result<(), sqlx::Error> {
    let shared = match are_shared(options, settings).await {
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| STRANGE.contains(&&*code)) =>
        {
            true
        }
        answer => answer?,
    };
    match shared {
        false => Ok(()),
        true => Err(sqlx::Error::Configuration(
            "a pooler shares sessions: let it pool by session, or connect to PostgreSQL directly"
                .into(),
        )),
    }
}

/// A session does not know a statement that it has prepared, or knows one that it has not.
const STRANGE: [&str; 2] = ["26000", "42P05"];

/// Returns true if a session loses what it has set, or another one has it: a pooler in transaction mode gives
/// each transaction whichever session of the server is free.
async fn are_shared(
    options: &PgConnectOptions,
    settings: &SessionSettings,
) -> Result<bool, sqlx::Error> {
    let mut first = options.connect().await?;
    settings.apply(&mut first).await?;
    let mark = uuid::Uuid::new_v4().to_string();
    let set = SessionSettings::new([("cue_scheduler.session", mark.clone())]);
    set.apply(&mut first).await?;
    let mut second = options.connect().await?;
    let (own, other) = (read_mark(&mut first).await?, read_mark(&mut second).await?);
    second.close().await?;
    first.close().await?;
    Ok(own.as_ref() != Some(&mark) || other.as_ref() == Some(&mark))
}

async fn read_mark(session: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let mark = sqlx::query_scalar(SESSION_MARK.sql);
    mark.fetch_one(session).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_settings_count() {
        let settings =
            SessionSettings::new([("jit", "off".to_owned())]).with([("jit", "on".to_owned())]);
        assert_eq!(settings.names, ["jit", "jit"]);
        assert_eq!(settings.values, ["off", "on"]);
    }
}
