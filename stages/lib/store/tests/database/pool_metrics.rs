//! Metrics of the pool: connections in use and idle, and callers that wait for one.

use std::time::Duration;

use cue_simfarm::postgres::TestDb;
use cue_simfarm::waiting::until;
use cue_store::{DemandCursor, Store, StoreSettings};
use prometheus::Registry;
use tokio::task::JoinSet;

/// Value of a gauge, of the series with this label value if it has labels.
fn gauge(registry: &Registry, name: &str, label: Option<&str>) -> f64 {
    let families = registry.gather();
    let family = families
        .iter()
        .find(|family| family.name() == name)
        .unwrap();
    let mut series = family.get_metric().iter();
    let found = series.find(|series| {
        let values = series.get_label().iter();
        let mut values = values.map(|pair| pair.value());
        values.next() == label
    });
    found.unwrap().get_gauge().get_value()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_counted_by_state_and_so_is_a_caller_that_waits() {
    let db = TestDb::fresh().await;
    let registry = Registry::new();
    let settings = StoreSettings {
        pool: 1,
        acquire_timeout: Duration::from_secs(60),
        statement_timeout: Duration::from_secs(60),
        ..StoreSettings::new(db.url.clone())
    };
    let store = Store::connect(&settings, &registry).await.unwrap();
    let state = |state| gauge(&registry, "db_client_connection_count", Some(state));
    let waiting = || gauge(&registry, "db_client_connection_pending_requests", None);
    assert_eq!(gauge(&registry, "db_client_connection_max", None), 1.0);
    assert_eq!((state("idle"), state("used"), waiting()), (0.0, 0.0, 0.0));
    store.ping().await.unwrap();
    until("the connection to be idle", async || state("idle") == 1.0).await;

    // A question about the shows waits for this session, and holds the one connection.
    let mut somebody = db.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE show IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *somebody)
        .await
        .unwrap();
    let (mut asking, mut next) = (JoinSet::new(), JoinSet::new());
    let asked = store.clone();
    asking.spawn(async move { asked.demand(None, &DemandCursor::default(), true).await });
    until("the connection to be used", async || state("used") == 1.0).await;
    let asked = store.clone();
    next.spawn(async move { asked.ping().await });
    until("a caller to wait", async || waiting() == 1.0).await;
    next.shutdown().await;
    until("nobody to wait any more", async || waiting() == 0.0).await;
    somebody.rollback().await.unwrap();
    asking.join_next().await.unwrap().unwrap().unwrap();
    until("the connection to be idle again", async || {
        (state("idle"), state("used")) == (1.0, 0.0)
    })
    .await;
    store.close().await;
    db.close().await.unwrap();
}
