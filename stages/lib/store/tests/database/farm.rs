//! Facts about hosts for people: closed hosts, names of allocations, and what runs on a host.

use std::time::Duration;

use crate::yard::Yard;

#[tokio::test]
async fn closed_hosts_come_with_every_state_that_closes_them() {
    let yard = Yard::new().await;
    for (name, lock, state) in [
        ("open", "OPEN", "UP"),
        ("locked", "LOCKED", "UP"),
        ("down", "LOCKED", "DOWN"),
        ("silent", "OPEN", "UP"),
    ] {
        let host = yard.farm.host(name, |host| {
            (host.lock_state, host.state) = (lock.to_owned(), state.to_owned());
        });
        host.await.unwrap();
    }
    let silent = "UPDATE host_stat SET ts_ping = current_timestamp - interval '1 hour' \
                  FROM host WHERE host.pk_host = host_stat.pk_host AND host.str_name = 'silent'";
    sqlx::query(silent).execute(&yard.db.pool).await.unwrap();
    let stale_after = Some(Duration::from_secs(600));
    let closed = |stale_after, most| yard.store.closed_hosts(Some("yard"), stale_after, most);
    let found = closed(stale_after, 10).await.unwrap();
    let facts = found.iter().map(|host| {
        let states = (
            host.lock_state.as_str(),
            host.state.as_str(),
            host.is_silent,
        );
        (host.name.as_str(), states)
    });
    let wanted = [
        ("down", ("LOCKED", "DOWN", false)),
        ("locked", ("LOCKED", "UP", false)),
        ("silent", ("OPEN", "UP", true)),
    ];
    assert_eq!(facts.collect::<Vec<_>>(), wanted);
    let silent = found.last().unwrap();
    assert!(silent.silent_for >= Duration::from_secs(3_600));
    assert_eq!(silent.tags, ["general", "silent"]);
    assert_eq!(closed(None, 10).await.unwrap().len(), 2, "none is silent");
    assert_eq!(closed(stale_after, 1).await.unwrap().len(), 1);
    let elsewhere = yard.store.closed_hosts(Some("other"), None, 10);
    assert!(elsewhere.await.unwrap().is_empty());
    let allocations = yard.store.allocations().await.unwrap();
    let name = allocations.get(&yard.farm.allocation.id.as_str().into());
    assert_eq!(name.map(String::as_str), Some("yard.general"));
}

#[tokio::test]
async fn what_runs_on_a_host_is_named() {
    let yard = Yard::new().await;
    let host = yard.host("h").await;
    let job = yard.job("shot", 3).await;
    yard.book(&job, 2, &host).await;
    let id = host.id.as_str().into();
    let running = yard.store.running_on(&id, 10).await.unwrap();
    assert_eq!(running.len(), 2);
    let first = running.first().unwrap();
    assert_eq!(
        (first.job.as_str(), first.holds),
        ("shot", crate::yard::ONE)
    );
    assert!(!first.layer.is_empty() && !first.frame.is_empty() && !first.show.is_empty());
    assert_eq!(yard.store.running_on(&id, 1).await.unwrap().len(), 1);
    let other = "no such host".into();
    assert!(yard.store.running_on(&other, 10).await.unwrap().is_empty());
}
