//! Connected programs, as the server lists them.

use std::time::Duration;

use cue_simfarm::postgres::TestDb;
use cue_simfarm::waiting::until;
use cue_store::{MAESTRO_KEY, ReplicaRow, Timings, session_name};

use crate::yard::{store, store_named};

const TIMINGS: Timings = Timings {
    launch_deadline: Duration::from_secs(10),
    connect_timeout: Duration::from_secs(5),
    request_timeout: Duration::from_secs(10),
};

fn row(name: &str, connections: i64, this: bool) -> ReplicaRow {
    let name = name.to_owned();
    ReplicaRow {
        name,
        connections,
        this,
        timings: Some(TIMINGS),
    }
}

#[tokio::test]
async fn replicas_of_one_name_see_each_other_and_nobody_else() {
    let (db, elsewhere) = (TestDb::fresh().await, TestDb::fresh().await);
    let named = |replica| session_name("farm", replica, Some(&TIMINGS));
    let one = store_named(&db, 1, &named("host-1")).await;
    let two = store_named(&db, 1, &named("host-2")).await;
    let other_farm = store_named(&db, 1, &session_name("farm2", "host-3", Some(&TIMINGS))).await;
    let other_database = store_named(&elsewhere, 1, &named("host-4")).await;
    let without = store(&db, 1).await;
    for connected in [&two, &other_farm, &other_database, &without] {
        connected.ping().await.unwrap();
    }
    let wanted = [row("host-1", 1, true), row("host-2", 1, false)];
    // The sessions with which the stores proved themselves may still be about to end.
    until("the two to be seen", async || {
        one.connected().await.unwrap().replicas == wanted
    })
    .await;
    let wanted = [row("host-1", 1, false), row("host-2", 1, true)];
    assert_eq!(two.connected().await.unwrap().replicas, wanted);
    assert_eq!(
        without.connected().await.unwrap().replicas,
        [],
        "it has no name to go by"
    );
    two.close().await;
    let wanted = [row("host-1", 1, true)];
    until("the second to be gone", async || {
        one.connected().await.unwrap().replicas == wanted
    })
    .await;
}

#[tokio::test]
async fn the_leader_of_maestro_is_the_session_that_holds_its_lock_in_this_database() {
    let (db, elsewhere) = (TestDb::fresh().await, TestDb::fresh().await);
    let (one, other) = (store(&db, 1).await, store(&elsewhere, 1).await);
    let mut cuebot = db.pool.acquire().await.unwrap();
    let lock = |key: i64| {
        sqlx::query_scalar("SELECT pg_backend_pid() FROM pg_advisory_lock($1)").bind(key)
    };
    // The neighbour of the key, and the pair of numbers that looks alike in all but its kind.
    let _pid: i32 = lock(MAESTRO_KEY + 1).fetch_one(&mut *cuebot).await.unwrap();
    let pair = sqlx::query("SELECT pg_advisory_lock(5206117, 1849914725)");
    pair.execute(&mut *cuebot).await.unwrap();
    assert_eq!(one.connected().await.unwrap().maestro, None);

    let pid: i32 = lock(MAESTRO_KEY).fetch_one(&mut *cuebot).await.unwrap();
    let leader = one.connected().await.unwrap().maestro.unwrap();
    assert_eq!(leader.pid, pid);
    assert!(
        leader.address.is_none_or(|address| address.is_loopback()),
        "{leader}"
    );
    assert_eq!(other.connected().await.unwrap().maestro, None);
    // A second Cuebot that waits for the lock does not lead.
    let waiting = async {
        let mut second = db.pool.acquire().await.unwrap();
        lock(MAESTRO_KEY).fetch_one(&mut *second).await.unwrap()
    };
    let looks = async {
        until("the second to wait", async || {
            let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1849914725";
            db.value::<i64>(waits).await > 0
        })
        .await;
        assert_eq!(one.connected().await.unwrap().maestro.unwrap().pid, pid);
        let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(MAESTRO_KEY);
        unlock.execute(&mut *cuebot).await.unwrap();
    };
    let (second, ()) = tokio::join!(waiting, looks);
    assert_ne!(second, pid);
}
