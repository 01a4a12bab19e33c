//! Settings of the pool, and what a session is opened with.

use cue_simfarm::postgres::TestDb;

use super::*;
use crate::demand::DemandCursor;

/// A store with one session.
async fn store(db: &TestDb) -> Store {
    let settings = StoreSettings {
        pool: 1,
        ..StoreSettings::new(&db.url)
    };
    Store::connect(&settings, &Registry::new()).await.unwrap()
}

/// A prepared statement gets a generic plan, which is kept whatever becomes of the tables.
#[tokio::test]
async fn no_statement_about_the_farm_stays_prepared() {
    let db = TestDb::fresh().await;
    let store = store(&db).await;
    for _ in 0..7 {
        store.host_snapshot(None, None).await.unwrap();
        store.lock_layers(&[]).await.unwrap();
        let unseen = DemandCursor::default();
        let (_, seen) = store.demand(None, &unseen, true).await.unwrap();
        store.demand(None, &seen, false).await.unwrap();
        store.carried_tags().await.unwrap();
    }
    let mut conn = store.connection().await.unwrap();
    let kept = "SELECT statement FROM pg_prepared_statements";
    let kept: Vec<String> = sqlx::query_scalar(kept)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let of_farm = |text: &&String| {
        let of_session = ["-- open_session:", "-- check_indexes:"];
        text.starts_with("-- ") && !of_session.iter().any(|name| text.starts_with(name))
    };
    let of_farm: Vec<&String> = kept.iter().filter(of_farm).collect();
    assert!(of_farm.is_empty(), "{of_farm:?}");
    assert!(!kept.is_empty(), "the server lists what is prepared");
}

#[tokio::test]
async fn the_server_notices_a_scheduler_that_dies_or_stands_still() {
    let db = TestDb::fresh().await;
    let store = store(&db).await;
    let mut conn = store.connection().await.unwrap();
    for (show, wanted) in [
        ("SHOW tcp_keepalives_idle", "10"),
        ("SHOW tcp_keepalives_interval", "5"),
        ("SHOW tcp_keepalives_count", "3"),
        ("SHOW tcp_user_timeout", "25000"),
        ("SHOW idle_in_transaction_session_timeout", "1min"),
    ] {
        let shown: String = sqlx::query_scalar(show)
            .fetch_one(&mut *conn)
            .await
            .unwrap();
        assert_eq!(shown, wanted, "{show}");
    }
}
