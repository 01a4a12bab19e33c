//! Hosts as people see them: every state with its cause, one host in detail, and the end of its backoff.

use std::time::Duration;

use cue_scheduler::hosts::{FarmHosts, HostFilter};
use cue_scheduler::status::{HostList, HostState};
use cue_simfarm::rqd::Fault;
use cue_simfarm::waiting::until;

use crate::world::{Scheduler, World, endless, yard};

fn listed(hosts: &FarmHosts, filter: &HostFilter) -> Vec<(String, HostState)> {
    let list = hosts.list(filter).hosts.into_iter();
    list.map(|host| (host.name, host.state)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_fails_launches_is_listed_with_cause_and_end_and_can_be_forgiven() {
    let (db, farm) = yard(1).await;
    farm.frames("shot", 3, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    world.rqd.set_fault("node1", Fault::RefuseForNow);
    let scheduler = Scheduler::start(&world, &[]).await;
    let hosts = scheduler.running.hosts.clone().unwrap();
    // Each failure in a row doubles the backoff, so that only the lever can end a later one soon.
    until("the host to back off for some seconds", async || {
        let list = hosts.list(&HostFilter::default());
        let backoff = list.hosts.first().and_then(|host| host.backoff.clone());
        backoff.is_some_and(|backoff| backoff.reason == "launch" && backoff.remaining_ms > 5_000)
    })
    .await;
    let filter = HostFilter {
        state: Some(HostState::BackingOff),
        ..HostFilter::default()
    };
    let wanted = vec![("node1".to_owned(), HostState::BackingOff)];
    assert_eq!(listed(&hosts, &filter), wanted);
    let detail = hosts.detail("node1").await.unwrap();
    assert_eq!(detail.running, Some(Vec::new()));
    let refusal = detail.refusals.first().unwrap();
    assert!(refusal.contains("shot"), "{refusal}");
    assert!(detail.refusals.len() <= 5, "{:?}", detail.refusals);

    world.rqd.set_fault("node1", Fault::None);
    assert_eq!(hosts.forgive("node1"), Some(("node1".to_owned(), true)));
    let soon = tokio::time::timeout(Duration::from_secs(4), world.rqd.launched(3));
    soon.await.expect("it is tried again at once");
    assert_eq!(hosts.forgive("node1"), Some(("node1".to_owned(), false)));
    assert_eq!(hosts.forgive("node2"), None);
    let detail = hosts.detail("node1").await.unwrap();
    let running = detail.running.unwrap();
    let frames: Vec<&str> = running.iter().map(|run| run.frame.as_str()).collect();
    assert_eq!(frames.len(), 3, "{frames:?}");
    assert!(
        running
            .iter()
            .all(|run| run.job == "shot" && run.centicores == 100)
    );
    world.finish_all(3).await;
    scheduler.drain().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_hosts_are_on_the_map_with_the_state_that_closes_them() {
    let (db, farm) = yard(2).await;
    for (name, lock, state) in [
        ("node3", "LOCKED", "UP"),
        ("node4", "OPEN", "REPAIR"),
        ("node5", "OPEN", "UP"),
    ] {
        let host = farm.host(name, |host| {
            (host.lock_state, host.state) = (lock.to_owned(), state.to_owned());
            host.tags.push(("big".to_owned(), "MANUAL"));
        });
        host.await.unwrap();
    }
    let silent = "UPDATE host_stat SET ts_ping = ts_ping - interval '1 day' FROM host \
                  WHERE host.pk_host = host_stat.pk_host AND host.str_name = 'node5'";
    sqlx::query(silent).execute(&db.pool).await.unwrap();
    farm.frames("shot", 1, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    let hosts = scheduler.running.hosts.clone().unwrap();
    world.launched(1).await;
    let map = |known: Option<String>| {
        let filter = HostFilter {
            known,
            ..HostFilter::default()
        };
        hosts.map(&filter)
    };
    until("every host to be on the map", async || {
        let states = map(None).states;
        states.get(&HostState::Silent) == Some(&1) && states.get(&HostState::InUse) == Some(&1)
    })
    .await;
    let first = map(None);
    let names: Vec<String> = (1..=5).map(|n| format!("node{n}")).collect();
    assert_eq!(first.names.as_ref(), Some(&names));
    assert_eq!(first.cells.len(), 15);
    let letters: String = first.cells.chars().step_by(3).skip(2).collect();
    assert_eq!(letters, "lds");
    assert_eq!(first.allocations, ["yard.general"]);
    assert_eq!(
        map(Some(first.version.clone())).names,
        None,
        "they are known"
    );

    // A page is bounded, and the next one goes on where it ended.
    let mut filter = HostFilter {
        limit: Some(2),
        ..HostFilter::default()
    };
    let mut pages = Vec::new();
    loop {
        let HostList {
            matching,
            hosts,
            next,
            ..
        } = hosts.list(&filter);
        assert_eq!(matching, 5);
        pages.push(hosts.len());
        filter.after = next;
        if filter.after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [2, 2, 1]);
    let tagged = HostFilter {
        tag: Some("big".to_owned()),
        ..HostFilter::default()
    };
    let states = listed(&hosts, &tagged).into_iter().map(|(_, state)| state);
    let wanted = [HostState::Locked, HostState::Down, HostState::Silent];
    assert_eq!(states.collect::<Vec<_>>(), wanted);
    let closed = hosts.detail("node4").await.unwrap();
    assert_eq!(closed.host.closed.as_deref(), Some("REPAIR"));
    world.finish_all(1).await;
    scheduler.drain().await;
    world.close().await;
}
