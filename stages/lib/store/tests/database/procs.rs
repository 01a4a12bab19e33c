//! Procs by layer and by host.

use std::time::Duration;

use cue_domain::reservation::Runs;
use cue_domain::{Centicores, HostId, LayerId};
use cue_store::UnreportedProcs;

use crate::yard::{ONE, Yard};

#[tokio::test]
async fn procs_are_counted_by_layer_and_host() {
    let yard = Yard::new().await;
    let (near, far) = (yard.host("near").await, yard.host("far").await);
    let (job, idle) = (yard.job("j", 5).await, yard.job("idle", 1).await);
    yard.book(&job, 2, &near).await;
    yard.book(&job, 3, &far).await;
    let ids: Vec<LayerId> = [&job, &job, &idle]
        .map(|job| job.layers[0].id.as_str().into())
        .into();
    let hosts = yard.store.layer_hosts(&ids).await.unwrap();
    assert_eq!(hosts.len(), 1);
    let mut counts: Vec<(&str, u32)> = hosts[&ids[0]]
        .iter()
        .map(|(host, procs)| (host.as_str(), *procs))
        .collect();
    counts.sort_unstable();
    let mut expected = [(near.id.as_str(), 2), (far.id.as_str(), 3)];
    expected.sort_unstable();
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn procs_of_a_host_say_what_they_hold_and_for_how_long() {
    let yard = Yard::new().await;
    let (near, far) = (yard.host("near").await, yard.host("far").await);
    let job = yard.job("j", 3).await;
    yard.book(&job, 1, &near).await;
    yard.book(&job, 1, &far).await;
    let procs = async |host: &str| {
        let found = yard.store.host_procs(&[HostId::from(host)]).await.unwrap();
        found[&HostId::from(host)].clone()
    };
    let proc = async |host: &str| {
        let mut found = procs(host).await.procs;
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    let set = async |sql| {
        yard.db.run(sql).await;
    };
    set("UPDATE proc SET ts_dispatched = now() - interval '100 seconds'").await;
    let found = proc(&near.id).await;
    assert_eq!(found.holds, ONE);
    assert_eq!(found.layer.as_str(), job.layers[0].id);
    let elapsed = found.elapsed.as_secs();
    assert!((100..110).contains(&elapsed), "{elapsed}");
    assert_eq!(found.runs, None);
    set(
        "UPDATE layer_usage SET int_clock_time_success = 90, int_clock_time_high = 40, int_frame_success_count = 4",
    )
    .await;
    // Each run was up to a second longer than the host reported.
    let runs = |mean, longest| {
        let [mean, longest] = [mean, longest].map(Duration::from_millis);
        Some(Runs { mean, longest })
    };
    assert_eq!(proc(&far.id).await.runs, runs(23_000, 41_000));
    set("UPDATE layer_usage SET int_clock_time_success = 0, int_clock_time_high = 0").await;
    assert_eq!(proc(&far.id).await.runs, runs(500, 1_000));
    for never in ["infinity", "-infinity", "9999-01-01"] {
        let sql = "UPDATE proc SET ts_dispatched = $1::text::timestamptz";
        let done = sqlx::query(sql).bind(never).execute(&yard.db.pool).await;
        done.unwrap();
        assert_eq!(proc(&near.id).await.elapsed, Duration::ZERO, "{never}");
    }
    assert!(yard.store.host_procs(&[]).await.unwrap().is_empty());
    let (idle, gone) = (yard.host("idle").await, HostId::from("gone"));
    let used = procs(&near.id).await;
    let found = yard
        .store
        .host_procs(&[gone.clone(), idle.id.as_str().into()])
        .await
        .unwrap();
    assert!(!found.contains_key(&gone));
    let unused = &found[&HostId::from(&*idle.id)];
    assert!(unused.procs.is_empty());
    assert_eq!(unused.idle.cores, used.idle.plus(&ONE).cores);
}

#[tokio::test]
async fn procs_that_no_report_names_for_a_while_are_counted_by_host_unless_the_host_is_silent() {
    let yard = Yard::new().await;
    let (near, far) = (yard.host("near").await, yard.host("far").await);
    let job = yard.job("j", 5).await;
    yard.book(&job, 1, &near).await;
    yard.book(&job, 2, &far).await;
    let found = async || yard.store.unreported_procs(1).await.unwrap();
    let older = async |table: &'static str, by: u32, host: &str| {
        let sql = format!(
            "UPDATE {table} SET ts_ping = current_timestamp - interval '{by} seconds' \
             WHERE pk_host = (SELECT pk_host FROM host WHERE str_name = '{host}')"
        );
        yard.db.run(&sql).await;
    };
    let on_far = async || {
        let running = yard.store.running_on(&far.id.as_str().into(), 9).await;
        let running = running.unwrap().into_iter();
        let running = running.filter(|found| found.is_unreported).count();
        let far = HostId::from(&*far.id);
        let procs = yard.store.host_procs(std::slice::from_ref(&far)).await;
        let procs = procs.unwrap().remove(&far).unwrap().procs.into_iter();
        let procs = procs.filter(|found| found.is_unreported).count();
        assert_eq!(running, procs, "both statements say the same");
        running
    };
    older("proc", 80, "far").await;
    assert_eq!(found().await, UnreportedProcs::default());
    assert_eq!(on_far().await, 0);
    older("proc", 100, "near").await;
    older("proc", 100, "far").await;
    let both = UnreportedProcs {
        first_hosts: vec!["far".to_owned()],
        hosts: 2,
        procs: 3,
        cores: Centicores::cores(3),
    };
    assert_eq!(found().await, both);
    assert_eq!(on_far().await, 2);

    // Procs of a host that sends no reports are not known to be lost. A proc without a frame would be in none.
    older("host_stat", 100, "far").await;
    assert_eq!(found().await.first_hosts, ["near"]);
    assert_eq!(on_far().await, 0);
    yard.db.run("UPDATE proc SET pk_frame = NULL").await;
    assert_eq!(found().await, both);
    assert_eq!(on_far().await, 2);
    older("proc", 80, "far").await;
    older("proc", 80, "near").await;
    assert_eq!(found().await.hosts, 0, "Cuebot may be about to delete it");
}
