//! The connections, and how each is prepared.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Registry;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool, Postgres};

use crate::booking::BookingRules;
use crate::error::StoreError;
use crate::meters::Meters;

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
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// How bookings are written.
    pub booking: BookingRules,
}

/// The database. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: PgPool,
    pub(crate) meters: Meters,
    pub(crate) rules: Arc<BookingRules>,
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
        let place = format!(
            "{}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default()
        );
        let options = options
            .application_name(&settings.application_name)
            .options([
                // Our statements are short and many: compiling them costs more than it saves.
                ("jit", "off".to_owned()),
                (
                    "statement_timeout",
                    settings.statement_timeout.as_millis().to_string(),
                ),
                ("TimeZone", "UTC".to_owned()),
            ]);
        // Statements are counted, timed and traced by name; their texts need not be logged.
        let options = options.disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(settings.pool)
            .acquire_timeout(settings.acquire_timeout)
            // A connection that went bad is noticed by the statement that uses it; asking first
            // would cost every batch a round trip.
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Connect { place, source })?;
        let meters = Meters::new(registry).map_err(|source| StoreError::Failed {
            statement: "metrics",
            source: sqlx::Error::Configuration(source.into()),
        })?;
        Ok(Self {
            pool,
            meters,
            rules: Arc::new(settings.booking.clone()),
        })
    }

    /// Whether the database answers now.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1")
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|source| StoreError::Failed {
                statement: "ping",
                source,
            })
    }

    /// Closes the connections, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let asked = Instant::now();
        let answer = self.pool.acquire().await;
        if answer.is_err() {
            self.meters.note("acquire", asked, false);
        }
        answer.map_err(|source| StoreError::Failed {
            statement: "acquire",
            source,
        })
    }

    pub(crate) async fn begin(&self) -> Result<sqlx::Transaction<'static, Postgres>, StoreError> {
        let asked = Instant::now();
        let answer = self.pool.begin().await;
        self.meters.note("begin", asked, answer.is_ok());
        answer.map_err(|source| StoreError::Failed {
            statement: "begin",
            source,
        })
    }
}
