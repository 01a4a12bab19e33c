//! Every statement fits the schema: names of tables and columns, types, parameters.

use cue_simfarm::postgres::TestDb;
use cue_store::statements::ALL;
use sqlx::{Executor, SqlSafeStr};

#[tokio::test]
async fn every_statement_can_be_prepared_against_the_schema() {
    let db = TestDb::fresh().await;
    let mut conn = db.pool.acquire().await.unwrap();
    let mut refused = Vec::new();
    for statement in ALL {
        if let Err(error) = conn.prepare(statement.sql.into_sql_str()).await {
            refused.push(format!("{}: {error}", statement.name));
        }
    }
    assert!(!ALL.is_empty());
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
