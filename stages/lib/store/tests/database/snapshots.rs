//! The oldest snapshot: which session, prepared transaction or slot keeps dead rows from being removed.

use cue_store::{SnapshotHolder, Store};

use crate::yard::Yard;

async fn oldest(store: &Store) -> SnapshotHolder {
    store.oldest_snapshot().await.unwrap().unwrap()
}

#[tokio::test]
async fn an_open_snapshot_is_found_with_its_session_and_the_transactions_since() {
    let yard = Yard::new().await;
    let mut reader = yard.db.pool.begin().await.unwrap();
    let open = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    sqlx::query(open).execute(&mut *reader).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *reader)
        .await
        .unwrap();
    let before = oldest(&yard.store).await;
    assert_eq!(
        (&*before.kind, before.name.clone()),
        ("session", pid.to_string())
    );
    assert!(before.age.is_some());
    assert!(
        before.detail.contains("idle in transaction"),
        "{}",
        before.detail
    );
    let many = "DO $$ BEGIN
            FOR n IN 1..50 LOOP
                BEGIN UPDATE show SET str_name = str_name; EXCEPTION WHEN OTHERS THEN RAISE; END;
            END LOOP;
        END $$";
    yard.db.run(many).await;
    let since = oldest(&yard.store).await;
    assert_eq!(
        (since.name.as_str(), &since.oldest),
        (pid.to_string().as_str(), &before.oldest)
    );
    assert!(since.behind >= before.behind + 50, "{before:?} {since:?}");
    reader.rollback().await.unwrap();
    let gone = yard.store.oldest_snapshot().await.unwrap();
    assert!(gone.is_none_or(|holder| holder.name != pid.to_string()));
}

#[tokio::test]
async fn a_transaction_with_writes_counts_without_a_snapshot() {
    let yard = Yard::new().await;
    let mut writer = yard.db.pool.begin().await.unwrap();
    let write = "UPDATE show SET str_name = str_name";
    sqlx::query(write).execute(&mut *writer).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *writer)
        .await
        .unwrap();
    assert_eq!(oldest(&yard.store).await.name, pid.to_string());
}
