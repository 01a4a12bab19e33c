//! Round trips to the database, counted, timed and traced by statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::{HistogramVec, IntCounterVec, IntGauge, Registry};
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};
use tracing::{Instrument, Span, field};

use crate::breaker::Breaker;
use crate::error::{ErrorClass, StoreError, class};
use crate::generation::Generation;
use crate::rows::Row;
use crate::statements::{Bound, Statement};
use crate::time_limit::TimeLimit;
use crate::unreadable::{Reader, Unreadable, UnreadableLog};

/// Time from which a statement is logged as slow.
const SLOW: Duration = Duration::from_secs(1);

/// A connection that a statement can be sent over.
pub(crate) trait Over {
    /// The connection, and the number of the transaction that is open on it, if one is.
    fn parts(&mut self) -> (&mut PgConnection, Option<u64>);

    /// Records that the server does not answer on the connection any more.
    fn set_lost(&mut self) {}
}

impl Over for PoolConnection<Postgres> {
    fn parts(&mut self) -> (&mut PgConnection, Option<u64>) {
        (self, None)
    }
}

impl Over for PgConnection {
    fn parts(&mut self) -> (&mut PgConnection, Option<u64>) {
        (self, None)
    }
}

cue_flow::metrics! {
    /// Metrics of round trips. A series begins when its statement is first sent.
    struct RoundTrips {
        statements: IntCounterVec = "scheduler_db_statements_total",
            "Statements sent to the database, by name and outcome",
            &["statement", "outcome"];
        seconds: HistogramVec = "db_client_operation_duration_seconds",
            "Time of a round trip to the database, by name: from sending a statement to having its rows",
            (&["db_query_summary"], prometheus::exponential_buckets(0.0001, 2.5, 15)?);
        waiting: IntGauge = "db_client_connection_pending_requests",
            "Callers that wait for a connection of the pool";
    }
}

/// Counts and times statements.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    round_trips: RoundTrips,
    breaker: Breaker,
    time_limit: TimeLimit,
    generation: Generation,
    place: Arc<Place>,
    /// Number of the last transaction of this process.
    transactions: Arc<AtomicU64>,
    unreadable: UnreadableLog,
}

/// Address of the database, for traces.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
}

impl Meters {
    pub(crate) fn new(
        registry: &Registry,
        breaker: Breaker,
        (time_limit, generation): (TimeLimit, Generation),
        place: Place,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            round_trips: RoundTrips::new(registry)?,
            breaker,
            time_limit,
            generation,
            place: Arc::new(place),
            transactions: Arc::default(),
            unreadable: UnreadableLog::default(),
        })
    }

    /// Runs a statement and collects its rows, in a span of its own.
    ///
    /// Statements are not kept prepared. The server would replace the plan for the values and tables of the moment
    /// by a generic one after five executions, and keep that while tables grow, shrink and are vacuumed. The
    /// setting `plan_cache_mode` is no way out, because it has the triggers of `frame` planned for every row, too.
    pub(crate) async fn rows(
        &self,
        statement: &Statement,
        query: Bound,
        over: &mut impl Over,
    ) -> Result<Vec<Row>, StoreError> {
        let (conn, transaction) = over.parts();
        let span = self.span(statement.name, transaction);
        let asked = Instant::now();
        let query = query.persistent(false);
        let rows = query.fetch_all(conn).instrument(span.clone());
        let answer = self.time_limit.round_trip(rows).await;
        self.record(statement.name, asked, answer.is_ok());
        let took = asked.elapsed();
        if took >= SLOW {
            tracing::warn!(
                statement = statement.name,
                seconds = took.as_secs_f64(),
                "slow statement"
            );
        }
        Self::describe(&span, &answer);
        match answer {
            Ok(rows) => {
                self.breaker.record(Ok(()));
                let returned = i64::try_from(rows.len()).unwrap_or(i64::MAX);
                span.record("db.response.returned_rows", returned);
                let rows = rows.into_iter();
                Ok(rows.map(|row| Row::new(row, statement.name)).collect())
            }
            Err(source) => {
                let error = StoreError::Failed {
                    statement: statement.name,
                    source,
                };
                match error.class() {
                    ErrorClass::Connection if error.is_answered() => {
                        self.generation.replace_sessions();
                    }
                    ErrorClass::Connection => over.set_lost(),
                    _ => {}
                }
                self.breaker.record(Err(&error));
                Err(error)
            }
        }
    }

    /// A reader of one answer to a statement.
    pub(crate) const fn reader(&self, statement: &Statement) -> Reader<'_> {
        self.unreadable.reader(statement.name)
    }

    pub(crate) fn unreadable(&self) -> Vec<Unreadable> {
        self.unreadable.known()
    }

    /// The span of one round trip.
    pub(crate) fn span(&self, name: &'static str, transaction: Option<u64>) -> Span {
        tracing::info_span!(
            "sql",
            otel.name = name,
            otel.kind = "client",
            peer.service = "postgresql",
            db.system.name = "postgresql",
            db.namespace = &*self.place.database,
            db.query.summary = name,
            server.address = &*self.place.host,
            // OpenTelemetry has only numbers with a sign; others would become texts.
            server.port = i64::from(self.place.port),
            cue.transaction = transaction.map(u64::cast_signed),
            db.response.returned_rows = field::Empty,
            db.response.status_code = field::Empty,
            error.type = field::Empty,
            otel.status_description = field::Empty,
        )
    }

    /// Records in the span of a round trip why it failed, if it did.
    pub(crate) fn describe<T>(span: &Span, answer: &Result<T, sqlx::Error>) {
        let Err(error) = answer else { return };
        let code = error.as_database_error().and_then(|error| error.code());
        if let Some(code) = &code {
            span.record("db.response.status_code", &**code);
        }
        let kind = code.as_deref().unwrap_or_else(|| class(error).name());
        span.record("error.type", kind);
        span.record("otel.status_description", field::display(error));
    }

    /// Callers that wait for a connection.
    pub(crate) const fn waiting(&self) -> &IntGauge {
        &self.round_trips.waiting
    }

    /// The server, as `host:port`.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.place.host, self.place.port)
    }

    /// The bound on each round trip.
    pub(crate) const fn time_limit(&self) -> TimeLimit {
        self.time_limit
    }

    /// Fails while the server takes no writes.
    pub(crate) fn check_writable(&self) -> Result<(), sqlx::Error> {
        self.generation.check_writable()
    }

    /// Returns true if an index holds the waiting frames of a layer in dispatch order.
    pub(crate) fn has_waiting_index(&self) -> bool {
        self.generation.has_waiting_index()
    }

    /// A number for a transaction, unique in this process.
    pub(crate) fn next_transaction(&self) -> u64 {
        self.transactions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts and times one round trip: a statement, or `begin`, `commit` and the like.
    pub(crate) fn record(&self, name: &'static str, asked: Instant, ok: bool) {
        let outcome = if ok { "ok" } else { "error" };
        let RoundTrips {
            statements,
            seconds,
            ..
        } = &self.round_trips;
        statements.with_label_values(&[name, outcome]).inc();
        let took = asked.elapsed().as_secs_f64();
        seconds.with_label_values(&[name]).observe(took);
    }
}
