//! A transaction that has a number, so that its statements are found together in a trace.
//!
//! Invariant: every round trip of a transaction carries its number, the first and the last included.
//! Dropping a transaction rolls back, as it does without a number.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use sqlx::{PgConnection, PgPool, Postgres, SqlSafeStr, Transaction};
use tracing::Instrument;

use crate::acquire::acquire;
use crate::error::StoreError;
use crate::meters::{Meters, Over};

/// A transaction.
#[derive(Debug)]
pub(crate) struct Tx {
    inner: Transaction<'static, Postgres>,
    /// The server does not answer on this connection any more.
    lost: bool,
    number: u64,
    meters: Meters,
}

impl Tx {
    /// Takes a connection and begins with this statement.
    pub(crate) async fn begin(
        pool: &PgPool,
        meters: &Meters,
        statement: &'static str,
    ) -> Result<Self, sqlx::Error> {
        let number = meters.next_transaction();
        let span = meters.span("begin", Some(number));
        let limit = meters
            .time_limit()
            .beside(pool.options().get_acquire_timeout());
        let begin = async {
            let conn = acquire(pool, meters.waiting()).await?;
            Transaction::begin(conn, Some(statement.into_sql_str())).await
        };
        let answer = limit.round_trip(begin.instrument(span.clone())).await;
        let answer = answer.and_then(|tx| meters.check_writable().map(|()| tx));
        Meters::describe(&span, &answer);
        Ok(Self {
            inner: answer?,
            lost: false,
            number,
            meters: meters.clone(),
        })
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let Self {
            inner,
            number,
            meters,
            ..
        } = self;
        end(&meters, ("commit", number), inner.commit()).await
    }

    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        let Self {
            inner,
            lost,
            number,
            meters,
        } = self;
        if lost {
            // Nobody would answer. The server rolls back when the connection is closed.
            return Ok(());
        }
        end(&meters, ("rollback", number), inner.rollback()).await
    }
}

/// Ends a transaction by this round trip.
async fn end(
    meters: &Meters,
    (name, number): (&'static str, u64),
    round_trip: impl Future<Output = Result<(), sqlx::Error>>,
) -> Result<(), StoreError> {
    let span = meters.span(name, Some(number));
    let asked = Instant::now();
    let round_trip = round_trip.instrument(span.clone());
    let answer = meters.time_limit().round_trip(round_trip).await;
    meters.record(name, asked, answer.is_ok());
    Meters::describe(&span, &answer);
    answer.map_err(|source| StoreError::Failed {
        statement: name,
        source,
    })
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

impl Over for Tx {
    fn parts(&mut self) -> (&mut PgConnection, Option<u64>) {
        let number = self.number;
        (self, Some(number))
    }

    fn set_lost(&mut self) {
        self.lost = true;
    }
}
