//! The hosts that may be booked: who is left out, and that a bad row costs no other.

use std::time::Duration;

use crate::yard::Yard;
use cue_domain::ids::HostId;
use cue_simfarm::foreign;
use cue_store::LeftOut;

async fn names(yard: &Yard, facility: Option<&str>, stale: Option<Duration>) -> Vec<String> {
    let hosts = yard
        .store
        .host_snapshot(facility, stale)
        .await
        .unwrap()
        .hosts;
    let mut names: Vec<String> = hosts.iter().map(|host| host.name.to_string()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_host_with_a_bad_thread_mode_is_named_and_left_out() {
    let yard = Yard::new().await;
    yard.host("good").await;
    yard.farm
        .host("bad", |host| host.thread_mode = 7)
        .await
        .unwrap();
    assert_eq!(names(&yard, None, None).await, ["good"]);
    let open = yard.store.host_snapshot(None, None).await.unwrap();
    assert_eq!(
        open.left_out,
        [LeftOut {
            host: "bad".to_owned(),
            reason: "host.int_thread_mode of bad is 7, which is not allowed".to_owned(),
        }]
    );
}

#[tokio::test]
async fn locked_down_silent_and_foreign_hosts_are_left_out() {
    let yard = Yard::new().await;
    let pool = &yard.db.pool;
    yard.host("fine").await;
    let (locked, down) = (yard.host("locked").await, yard.host("down").await);
    let silent = yard.host("silent").await;
    foreign::lock_host(pool, &HostId::from(locked.id), true)
        .await
        .unwrap();
    foreign::host_down(pool, &HostId::from(down.id))
        .await
        .unwrap();
    sqlx::query("UPDATE host_stat SET ts_ping = now() - interval '10 minutes' WHERE pk_host = $1")
        .bind(&silent.id)
        .execute(pool)
        .await
        .unwrap();
    let two_minutes = Some(Duration::from_secs(120));
    assert_eq!(names(&yard, Some("yard"), two_minutes).await, ["fine"]);
    assert_eq!(names(&yard, Some("yard"), None).await, ["fine", "silent"]);
    assert!(names(&yard, Some("elsewhere"), None).await.is_empty());
}
