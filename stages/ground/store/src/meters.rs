//! What the database is asked, counted and timed by statement.

use std::time::Instant;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, query::Query};
use tracing::Instrument;

use crate::error::StoreError;
use crate::statements::Statement;

/// The arguments of a statement.
pub(crate) type Bound = Query<'static, Postgres, sqlx::postgres::PgArguments>;

/// Counts and times statements.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    statements: IntCounterVec,
    seconds: HistogramVec,
}

impl Meters {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
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
            .buckets(prometheus::exponential_buckets(0.0001, 2.5, 14)?),
            &["statement"],
        )?;
        registry.register(Box::new(statements.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            statements,
            seconds,
        })
    }

    /// Runs a statement and collects its rows, in a span of its own.
    pub(crate) async fn rows(
        &self,
        statement: &Statement,
        query: Bound,
        conn: &mut PgConnection,
    ) -> Result<Vec<PgRow>, StoreError> {
        let span = tracing::info_span!(
            "sql",
            otel.name = statement.name,
            otel.kind = "client",
            db.system.name = "postgresql",
            db.query.summary = statement.name,
            db.response.returned_rows = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
        );
        let asked = Instant::now();
        let answer = query.fetch_all(conn).instrument(span.clone()).await;
        self.note(statement.name, asked, answer.is_ok());
        match answer {
            Ok(rows) => {
                span.record("db.response.returned_rows", rows.len());
                Ok(rows)
            }
            Err(source) => {
                let error = StoreError::Failed {
                    statement: statement.name,
                    source,
                };
                span.record("otel.status_code", "ERROR");
                span.record("error.type", tracing::field::debug(error.trouble()));
                Err(error)
            }
        }
    }

    /// Notes one round trip that is not a statement of ours: `begin`, `commit`.
    pub(crate) fn note(&self, name: &'static str, asked: Instant, ok: bool) {
        self.statements
            .with_label_values(&[name, if ok { "ok" } else { "error" }])
            .inc();
        self.seconds
            .with_label_values(&[name])
            .observe(asked.elapsed().as_secs_f64());
    }
}
