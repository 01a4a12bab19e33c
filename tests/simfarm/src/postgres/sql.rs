//! Statements of a test, each of which must succeed.

use std::fmt::Display;

use sqlx::{AssertSqlSafe, Decode, PgPool, Postgres, Type};

use super::TestDb;

/// A value of a column.
pub trait Value: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin {}

impl<T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin> Value for T {}

/// Runs statements.
///
/// # Panics
/// The database refused one.
pub async fn run(pool: &PgPool, statements: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(pool);
    must(statements, done.await);
}

/// The value that a query returns.
///
/// # Panics
/// The query returned no row, or failed.
pub async fn value<T: Value>(pool: &PgPool, query: &str) -> T {
    let found = sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(pool);
    must(query, found.await)
}

/// The values that a query returns.
///
/// # Panics
/// The query failed.
pub async fn values<T: Value>(pool: &PgPool, query: &str) -> Vec<T> {
    let found = sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(pool);
    must(query, found.await)
}

impl TestDb {
    /// Runs statements.
    ///
    /// # Panics
    /// The database refused one.
    pub async fn run(&self, statements: &str) {
        run(&self.pool, statements).await;
    }

    /// Runs a statement about the rows with these ids, and returns how many it changed.
    ///
    /// # Panics
    /// The database refused it.
    pub async fn run_for(&self, statement: &str, ids: &[&str]) -> u64 {
        let query = sqlx::query(AssertSqlSafe(statement.to_owned()));
        let query = ids.iter().fold(query, |query, id| query.bind(*id));
        must(statement, query.execute(&self.pool).await).rows_affected()
    }

    /// The value that a query returns.
    ///
    /// # Panics
    /// The query returned no row, or failed.
    pub async fn value<T: Value>(&self, query: &str) -> T {
        value(&self.pool, query).await
    }

    /// The number that a query returns.
    ///
    /// # Panics
    /// The query returned none, or failed.
    pub async fn count(&self, query: &str) -> i64 {
        self.value(query).await
    }

    /// The values that a query returns.
    ///
    /// # Panics
    /// The query failed.
    pub async fn values<T: Value>(&self, query: &str) -> Vec<T> {
        values(&self.pool, query).await
    }
}

#[expect(clippy::panic, reason = "a test whose statement fails has failed")]
fn must<T>(statement: &str, done: Result<T, impl Display>) -> T {
    done.unwrap_or_else(|error| panic!("{statement}: {error}"))
}
