//! A transaction that has a number, so that its statements are found together in a trace.
//!
//! Invariant: every round trip of a transaction carries its number, the first and the last included.
//! Dropping a transaction rolls back, as it does without a number.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tracing::Instrument;

use crate::meters::Meters;

/// Gives out the numbers. They are unique in this process.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A transaction.
#[derive(Debug)]
pub(crate) struct Tx {
    inner: Transaction<'static, Postgres>,
    number: u64,
    meters: Meters,
}

impl Tx {
    /// Takes a connection and begins.
    pub(crate) async fn begin(pool: &PgPool, meters: &Meters) -> Result<Self, sqlx::Error> {
        let number = meters.numbers().next();
        let span = meters.span("begin", Some(number));
        let answer = pool.begin().instrument(span.clone()).await;
        Meters::describe(&span, &answer);
        Ok(Self {
            inner: answer?,
            number,
            meters: meters.clone(),
        })
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        let span = self.meters.span("commit", Some(self.number));
        let answer = self.inner.commit().instrument(span.clone()).await;
        Meters::describe(&span, &answer);
        answer
    }

    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        let span = self.meters.span("rollback", Some(self.number));
        let answer = self.inner.rollback().instrument(span.clone()).await;
        Meters::describe(&span, &answer);
        answer
    }
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

/// What a statement can be sent over.
pub(crate) trait Over {
    /// The connection, and the number of the transaction that is open on it, if one is.
    fn parts(&mut self) -> (&mut PgConnection, Option<u64>);
}

impl Over for Tx {
    fn parts(&mut self) -> (&mut PgConnection, Option<u64>) {
        let number = self.number;
        (self, Some(number))
    }
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
