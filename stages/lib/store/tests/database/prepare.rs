//! Every statement fits the schemas that have what it needs: names of tables and columns, types, parameters.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_store::Features;
use cue_store::statements::ALL;
use sqlx::{Executor, SqlSafeStr};

use crate::yard::store;

#[tokio::test]
async fn every_statement_can_be_prepared_against_the_schemas_that_it_fits() {
    for version in SchemaVersion::ALL {
        prepares(version).await;
    }
}

async fn prepares(version: SchemaVersion) {
    let db = TestDb::at(version).await;
    let features = store(&db, 1).await.features().await.unwrap();
    let expected = Features {
        limit_types: version >= SchemaVersion::V49,
    };
    assert_eq!(features, expected, "{version}");
    let mut conn = db.pool.acquire().await.unwrap();
    let mut refused = Vec::new();
    for statement in ALL.iter().filter(|one| (one.fits)(&features)) {
        if let Err(error) = conn.prepare(statement.sql.into_sql_str()).await {
            refused.push(format!("{}: {error}", statement.name));
        }
    }
    assert!(!ALL.is_empty());
    assert!(refused.is_empty(), "{version}: {}", refused.join("\n"));
}
