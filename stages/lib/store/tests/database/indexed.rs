//! The statement that locks frames is the one that the indexes of the schema serve.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::Fixture;
use cue_store::{Store, StoreSettings};
use prometheus::Registry;

use crate::yard::{frames, want};

/// Locks the frames of a job in a new store, and returns them with the statement that was sent for them.
async fn locked(db: &TestDb, farm: &Fixture, job: &str) -> (Vec<String>, String) {
    let registry = Registry::new();
    let settings = StoreSettings {
        pool: 1,
        ..StoreSettings::new(&db.url)
    };
    let store = Store::connect(&settings, &registry).await.unwrap();
    let job = farm.frames(job, 5, |_| ()).await.unwrap();
    let (batch, rows) = store
        .lock_layers(&want(&job, 3))
        .await
        .unwrap()
        .batch
        .unwrap();
    let ids = frames(&rows).into_iter().map(str::to_owned).collect();
    drop(batch);
    let statements = registry.gather();
    let statements = statements
        .iter()
        .find(|family| family.name() == "scheduler_db_statements_total")
        .unwrap();
    let labels = statements
        .get_metric()
        .iter()
        .flat_map(|one| one.get_label());
    let mut names = labels.map(|label| label.value());
    let sent = names.find(|name| name.starts_with("lock_frames")).unwrap();
    (ids, sent.to_owned())
}

#[tokio::test]
async fn frames_are_locked_by_the_index_where_there_is_one() {
    let db = TestDb::at(SchemaVersion::V47).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    let (ids, sent) = locked(&db, &farm, "a").await;
    assert_eq!((ids.len(), &*sent), (3, "lock_frames"));
    // The name does not count: this one orders other rows.
    db.run(
        "CREATE INDEX i_frame_layer_dispatch_waiting ON frame (pk_layer, int_dispatch_order, int_layer_order)
         WHERE str_state = 'RUNNING'",
    )
    .await;
    assert_eq!(locked(&db, &farm, "b").await.1, "lock_frames");
    db.run(
        "CREATE INDEX of_our_own ON frame (pk_layer, int_dispatch_order, int_layer_order, str_name)
         WHERE str_state = 'WAITING'",
    )
    .await;
    let (ids, sent) = locked(&db, &farm, "c").await;
    assert_eq!((ids.len(), &*sent), (3, "lock_frames_indexed"));
}

#[tokio::test]
async fn frames_are_locked_by_the_index_of_opencue() {
    let db = TestDb::at(SchemaVersion::V51).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    let (ids, sent) = locked(&db, &farm, "a").await;
    assert_eq!((ids.len(), &*sent), (3, "lock_frames_indexed"));
}
