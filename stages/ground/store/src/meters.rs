//! What the database is asked, counted and timed by statement.

use std::sync::Arc;
use std::time::Instant;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, query::Query};
use tracing::{Instrument, Span, field};

use crate::breaker::Breaker;
use crate::error::{StoreError, trouble};
use crate::handles::Handles;
use crate::statements::Statement;
use crate::tx::{Numbers, Over};

/// The arguments of a statement.
pub(crate) type Bound = Query<'static, Postgres, sqlx::postgres::PgArguments>;

/// Counts and times statements.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    handles: Arc<Handles>,
    breaker: Breaker,
    place: Arc<Place>,
    numbers: Arc<Numbers>,
}

/// Which database it is, for traces.
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
        place: Place,
    ) -> Result<Self, prometheus::Error> {
        let statements = IntCounterVec::new(
            Opts::new(
                "scheduler_db_statements_total",
                "Statements sent to the database, by name and outcome",
            ),
            &["statement", "outcome"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "scheduler_db_statement_seconds",
                "Time from sending a statement to having its rows",
            )
            .buckets(prometheus::exponential_buckets(0.0001, 2.5, 15)?),
            &["statement"],
        )?;
        registry.register(Box::new(statements.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            handles: Arc::new(Handles::new(statements, seconds)),
            breaker,
            place: Arc::new(place),
            numbers: Arc::default(),
        })
    }

    /// Runs a statement and collects its rows, in a span of its own.
    pub(crate) async fn rows(
        &self,
        statement: &Statement,
        query: Bound,
        over: &mut impl Over,
    ) -> Result<Vec<PgRow>, StoreError> {
        let (conn, transaction) = over.parts();
        let span = self.span(statement.name, transaction);
        let asked = Instant::now();
        let answer = query.fetch_all(conn).instrument(span.clone()).await;
        self.note(statement.name, asked, answer.is_ok());
        Self::describe(&span, &answer);
        match answer {
            Ok(rows) => {
                self.breaker.note(Ok(()));
                let returned = i64::try_from(rows.len()).unwrap_or(i64::MAX);
                span.record("db.response.returned_rows", returned);
                Ok(rows)
            }
            Err(source) => {
                let error = StoreError::Failed {
                    statement: statement.name,
                    source,
                };
                self.breaker.note(Err(&error));
                Err(error)
            }
        }
    }

    /// The span of one round trip.
    pub(crate) fn span(&self, name: &'static str, transaction: Option<u64>) -> Span {
        tracing::info_span!(
            "sql",
            otel.name = name,
            otel.kind = "client",
            db.system.name = "postgresql",
            db.namespace = &*self.place.database,
            db.query.summary = name,
            server.address = &*self.place.host,
            // OpenTelemetry has only numbers with a sign; others would become texts.
            server.port = i64::from(self.place.port),
            transaction = transaction.map(u64::cast_signed),
            db.response.returned_rows = field::Empty,
            db.response.status_code = field::Empty,
            error.type = field::Empty,
            otel.status_description = field::Empty,
        )
    }

    /// Notes in the span of a round trip why it failed, if it did.
    pub(crate) fn describe<T>(span: &Span, answer: &Result<T, sqlx::Error>) {
        let Err(error) = answer else { return };
        let code = error.as_database_error().and_then(|error| error.code());
        if let Some(code) = &code {
            span.record("db.response.status_code", &**code);
        }
        let kind = code.as_deref().unwrap_or_else(|| trouble(error).name());
        span.record("error.type", kind);
        span.record("otel.status_description", field::display(error));
    }

    /// Which server it is, as `host:port`.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.place.host, self.place.port)
    }

    pub(crate) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Notes one round trip that is not a statement of ours: `begin`, `commit`.
    pub(crate) fn note(&self, name: &'static str, asked: Instant, ok: bool) {
        self.handles.note(name, asked.elapsed().as_secs_f64(), ok);
    }
}
