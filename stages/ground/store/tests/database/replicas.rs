//! Who is connected, as the server tells it.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::waiting::until;
use cue_store::{ReplicaRow, session_name};

use crate::yard::{store, store_named};

fn row(name: &str, connections: i64, this: bool) -> ReplicaRow {
    let name = name.to_owned();
    ReplicaRow {
        name,
        connections,
        this,
    }
}

#[tokio::test]
async fn replicas_of_one_name_see_each_other_and_nobody_else() {
    let (db, elsewhere) = (TestDb::fresh().await, TestDb::fresh().await);
    let named = |replica| session_name("farm", replica);
    let one = store_named(&db, 1, &named("host-1")).await;
    let two = store_named(&db, 1, &named("host-2")).await;
    let other_farm = store_named(&db, 1, &session_name("farm2", "host-3")).await;
    let other_database = store_named(&elsewhere, 1, &named("host-4")).await;
    let without = store(&db, 1).await;
    for connected in [&two, &other_farm, &other_database, &without] {
        connected.ping().await.unwrap();
    }
    let wanted = [row("host-1", 1, true), row("host-2", 1, false)];
    // The sessions with which the stores proved themselves may still be about to end.
    until("the two to be seen", async || {
        one.replicas().await.unwrap() == wanted
    })
    .await;
    let wanted = [row("host-1", 1, false), row("host-2", 1, true)];
    assert_eq!(two.replicas().await.unwrap(), wanted);
    assert_eq!(
        without.replicas().await.unwrap(),
        [],
        "it has no name to go by"
    );
    two.close().await;
    let wanted = [row("host-1", 1, true)];
    until("the second to be gone", async || {
        one.replicas().await.unwrap() == wanted
    })
    .await;
}
