//! The connections, how each is prepared, and the breaker in front of them.
//!
//! Invariant: a connection is taken only past the breaker, and what comes of taking it is told to
//! the breaker.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Registry;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Postgres};
use tracing::Instrument;

use crate::booking::BookingRules;
use crate::breaker::{Breaker, BreakerSettings, Outage, Pass};
use crate::error::StoreError;
use crate::meters::{Meters, Place};
use crate::tx::Tx;

/// How to reach the database and what to do there.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// Connections at most.
    pub pool: u32,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
    /// How long one statement may run; zero is for ever.
    pub statement_timeout: Duration,
    /// How long a statement may wait for one lock; zero is for ever.
    pub lock_timeout: Duration,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// How bookings are written.
    pub booking: BookingRules,
    /// When the database is left alone because it does not answer.
    pub breaker: BreakerSettings,
}

/// How long a transaction may be idle, after which the server ends its session. A batch is idle while it
/// queues between stages, and is given up long before.
pub const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// How long a probe waits for the database, and a cleaning for one connection.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// The database. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) meters: Meters,
    pub(crate) rules: Arc<BookingRules>,
    breaker: Breaker,
}

impl Store {
    /// Connects, and proves it with one round trip.
    ///
    /// # Errors
    /// The URL cannot be read, or the server cannot be reached.
    pub async fn connect(
        settings: &StoreSettings,
        registry: &Registry,
    ) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(&settings.url).map_err(StoreError::BadUrl)?;
        let (host, port) = (options.get_host().to_owned(), options.get_port());
        let database = options.get_database().unwrap_or_default().to_owned();
        let place = format!("{host}:{port}/{database}");
        let options = prepared(options, settings);
        // Statements are counted, timed and traced by name; their texts need not be logged.
        let options = options.disable_statement_logging();
        // The pool would try again until its time is over and then say only that; a connection of
        // our own says why it cannot be had.
        let first = tokio::time::timeout(
            settings.acquire_timeout,
            PgConnection::connect_with(&options),
        );
        let first = first.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let close = first.map_err(|source| StoreError::Connect { place, source })?;
        drop(close.close().await);
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool)
            .acquire_timeout(settings.acquire_timeout)
            // A connection that went bad is noticed by the statement that uses it; asking first
            // would cost every batch a round trip.
            .test_before_acquire(false)
            .connect_lazy_with(options);
        let no_metrics = |source: prometheus::Error| StoreError::Failed {
            statement: "metrics",
            source: sqlx::Error::Configuration(source.into()),
        };
        let breaker = Breaker::new(settings.breaker, registry).map_err(no_metrics)?;
        let meters = Meters::new(
            registry,
            breaker.clone(),
            Place {
                host,
                port,
                database,
            },
        )
        .map_err(no_metrics)?;
        Ok(Self {
            pool,
            meters,
            breaker,
            rules: Arc::new(settings.booking.clone()),
        })
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    /// It does not, or the breaker is open.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut conn = self.connection().await?;
        let answer = sqlx::query("SELECT 1").execute(&mut *conn).await;
        self.heard("ping", answer.map(drop))
    }

    /// Whether the database may be asked now; finds it out when nobody knows. It is cheap while the
    /// database answers.
    ///
    /// # Errors
    /// It is away.
    pub async fn available(&self) -> Result<(), Outage> {
        match self.breaker.pass()? {
            Pass::Free => Ok(()),
            Pass::Probe(probe) => {
                let found = self.probe().await;
                let answers = found.is_ok();
                probe.tell(found.as_ref().copied());
                match self.breaker.outage() {
                    Some(outage) if !answers => Err(outage),
                    _ => Ok(()),
                }
            }
        }
    }

    /// The outage, if the breaker is open. Nothing is asked.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        self.breaker.outage()
    }

    /// Closes the connections, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.admitted().await?;
        let asked = Instant::now();
        let span = self.meters.span("acquire", None);
        let answer = self.pool.acquire().instrument(span.clone()).await;
        Meters::describe(&span, &answer);
        if answer.is_err() {
            self.meters.note("acquire", asked, false);
        }
        self.heard("acquire", answer)
    }

    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        self.admitted().await?;
        let asked = Instant::now();
        let answer = Tx::begin(&self.pool, &self.meters).await;
        self.meters.note("begin", asked, answer.is_ok());
        self.heard("begin", answer)
    }

    pub(crate) async fn admitted(&self) -> Result<(), StoreError> {
        self.available().await.map_err(|outage| StoreError::Outage {
            retry_in: outage.retry_in,
        })
    }

    /// Tells the breaker of failures. That a connection could be taken out of the pool is no sign
    /// of life: it may have died there.
    fn heard<T>(
        &self,
        statement: &'static str,
        answer: Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        answer.map_err(|source| {
            let error = StoreError::Failed { statement, source };
            self.breaker.note(Err(&error));
            error
        })
    }

    /// Asks the database over a connection of its own, and then weeds out the connections in the
    /// pool that died with the old server: each would cost somebody a failure.
    async fn probe(&self) -> Result<(), StoreError> {
        let options = self.pool.connect_options();
        let asking = async {
            let mut conn = options.connect().await?;
            conn.ping().await?;
            conn.close().await
        };
        let answer = match tokio::time::timeout(PROBE_LIMIT, asking).await {
            Ok(answer) => answer,
            Err(late) => Err(sqlx::Error::Io(late.into())),
        };
        answer.map_err(|source| StoreError::Failed {
            statement: "probe",
            source,
        })?;
        let idle = std::iter::from_fn(|| self.pool.try_acquire());
        let looks = idle.map(|mut conn| async move {
            let alive = tokio::time::timeout(PROBE_LIMIT, conn.ping()).await;
            if !matches!(alive, Ok(Ok(()))) {
                drop(conn.detach());
            }
        });
        futures::future::join_all(looks).await;
        Ok(())
    }
}

/// What each session of the scheduler has set, whatever the server has.
fn prepared(options: PgConnectOptions, settings: &StoreSettings) -> PgConnectOptions {
    options
        .application_name(&settings.application_name)
        .options([
            // Our statements are short and many: compiling them costs more than it saves.
            ("jit", "off".to_owned()),
            (
                "statement_timeout",
                settings.statement_timeout.as_millis().to_string(),
            ),
            (
                "lock_timeout",
                settings.lock_timeout.as_millis().to_string(),
            ),
            ("TimeZone", "UTC".to_owned()),
            // A machine that dies without a word leaves locks behind that all others wait for: the
            // server is to notice within seconds, not hours.
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", "25000".to_owned()),
            // And so is one that stands still, as a machine does that is suspended.
            (
                "idle_in_transaction_session_timeout",
                LONGEST_IDLE.as_millis().to_string(),
            ),
        ])
}

#[cfg(test)]
mod tests {
    use cue_simfarm::postgres::TestDb;

    use super::*;

    #[tokio::test]
    async fn the_server_notices_a_scheduler_that_dies_or_stands_still() {
        let db = TestDb::fresh().await;
        let settings = StoreSettings {
            url: db.url.clone(),
            pool: 1,
            acquire_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(20),
            lock_timeout: Duration::from_secs(5),
            application_name: "test".to_owned(),
            booking: BookingRules::default(),
            breaker: BreakerSettings::default(),
        };
        let store = Store::connect(&settings, &Registry::new()).await.unwrap();
        let mut conn = store.connection().await.unwrap();
        for (show, wanted) in [
            ("SHOW tcp_keepalives_idle", "10"),
            ("SHOW tcp_keepalives_interval", "5"),
            ("SHOW tcp_keepalives_count", "3"),
            ("SHOW tcp_user_timeout", "25000"),
            ("SHOW idle_in_transaction_session_timeout", "1min"),
        ] {
            let shown: String = sqlx::query_scalar(show)
                .fetch_one(&mut *conn)
                .await
                .unwrap();
            assert_eq!(shown, wanted, "{show}");
        }
    }
}
