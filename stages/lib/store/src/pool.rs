//! The connections, and the breaker in front of them.
//!
//! Invariants: a connection is taken only past the breaker, which learns the outcome. No round trip
//! waits for longer than a bound of ours, whatever becomes of the server: see [`TimeLimit`].

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Registry;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool, Postgres};
use tracing::Instrument;

use crate::acquire::acquire;
use crate::breaker::{Breaker, Outage, Pass};
use crate::error::StoreError;
use crate::generation::Generation;
use crate::meters::{Meters, Place};
use crate::pool_metrics;
use crate::rows::Row;
use crate::sessions::{self, SessionSettings};
use crate::settings::{BookingRules, StoreSettings};
use crate::statements::{Bound, Statement};
use crate::time_limit::TimeLimit;
use crate::tx::Tx;
use crate::unreadable::Unreadable;

/// Longest wait of a probe for the database, and of a cleaning for one connection.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// The database. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) meters: Meters,
    pub(crate) rules: Arc<BookingRules>,
    /// Settings of each session.
    pub(crate) session: SessionSettings,
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
        let options = sessions::options(options, &settings.application_name);
        let time_limit = TimeLimit::of(settings.statement_timeout);
        let session = SessionSettings::of(settings);
        // The pool would try again until its time is over and then say only that; a connection of
        // our own keeps the cause.
        let first = bound_to(
            settings.acquire_timeout,
            sessions::first(&options, &session),
        );
        first
            .await
            .map_err(|source| StoreError::Connect { place, source })?;
        let generation = Generation::default();
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool)
            .acquire_timeout(settings.acquire_timeout)
            // A connection that went bad is noticed by the statement that uses it; asking first
            // would cost every batch a round trip.
            .test_before_acquire(false);
        let pool = sessions::prepare(pool, session.clone(), &generation).connect_lazy_with(options);
        let no_metrics = |source: prometheus::Error| StoreError::Failed {
            statement: "metrics",
            source: sqlx::Error::Configuration(source.into()),
        };
        let breaker = Breaker::new(settings.breaker, registry).map_err(no_metrics)?;
        let meters = Meters::new(
            registry,
            breaker.clone(),
            (time_limit, generation),
            Place {
                host,
                port,
                database,
            },
        )
        .map_err(no_metrics)?;
        pool_metrics::register(&pool, registry).map_err(no_metrics)?;
        Ok(Self {
            pool,
            meters,
            session,
            breaker,
            rules: Arc::new(settings.booking.clone()),
        })
    }

    /// Succeeds if the database answers now.
    ///
    /// # Errors
    /// It does not, or the breaker is open.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut conn = self.connection().await?;
        let alive = self.meters.time_limit().round_trip(conn.ping()).await;
        self.heard("ping", alive)
    }

    /// Succeeds if the database may be asked now; probes it when nobody knows. It is cheap while the
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
                probe.report(found.as_ref().copied());
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

    /// Values of rows that could not be read so far, by statement.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.meters.unreadable()
    }

    /// Closes the connections, waiting for those in use as long as a statement may take.
    pub async fn close(&self) {
        let closing = async {
            self.pool.close().await;
            Ok(())
        };
        drop(self.meters.time_limit().round_trip(closing).await);
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.admitted().await?;
        let asked = Instant::now();
        let span = self.meters.span("acquire", None);
        let acquired = acquire(&self.pool, self.meters.waiting());
        let answer = acquired.instrument(span.clone()).await;
        let answer = answer.and_then(|conn| self.meters.check_writable().map(|()| conn));
        Meters::describe(&span, &answer);
        if answer.is_err() {
            self.meters.record("acquire", asked, false);
        }
        self.heard("acquire", answer)
    }

    /// Sends a statement over a connection of the pool.
    pub(crate) async fn fetch(
        &self,
        statement: &Statement,
        query: Bound,
    ) -> Result<Vec<Row>, StoreError> {
        let mut conn = self.connection().await?;
        self.meters.rows(statement, query, &mut conn).await
    }

    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        self.begin_with("BEGIN").await
    }

    /// Begins a transaction whose statements read one snapshot and write nothing.
    pub(crate) async fn begin_snapshot(&self) -> Result<Tx, StoreError> {
        self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .await
    }

    async fn begin_with(&self, statement: &'static str) -> Result<Tx, StoreError> {
        self.admitted().await?;
        let asked = Instant::now();
        let answer = Tx::begin(&self.pool, &self.meters, statement).await;
        self.meters.record("begin", asked, answer.is_ok());
        self.heard("begin", answer)
    }

    pub(crate) async fn admitted(&self) -> Result<(), StoreError> {
        self.available().await.map_err(|outage| StoreError::Outage {
            retry_in: outage.retry_in,
        })
    }

    /// Reports failures to the breaker. That a connection could be taken out of the pool is no sign
    /// of life: it may have died there.
    fn heard<T>(
        &self,
        statement: &'static str,
        answer: Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        answer.map_err(|source| {
            let error = StoreError::Failed { statement, source };
            self.breaker.record(Err(&error));
            error
        })
    }

    /// Asks the database over a connection of its own, and then weeds out the connections in the
    /// pool that died with the old server: each would cost somebody a failure.
    async fn probe(&self) -> Result<(), StoreError> {
        let options = self.pool.connect_options();
        let asking = async {
            let mut conn = options.connect().await?;
            sessions::refuse_read_only(&mut conn).await?;
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

async fn bound_to<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_late) => Err(sqlx::Error::PoolTimedOut),
    }
}

#[cfg(test)]
mod tests;
