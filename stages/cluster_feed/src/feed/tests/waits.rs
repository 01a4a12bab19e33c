//! What ends a wait of the feed: a reload while turns are due without end, a stop at a full queue.

use super::*;
use crate::activity::Activity;

/// The sum of a counter over its labels.
fn counter(registry: &Registry, name: &str) -> u64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metrics = family.iter().flat_map(|family| family.get_metric());
    metrics
        .map(|metric| metric.get_counter().get_value() as u64)
        .sum()
}

/// Has every cluster be due until that has happened: the first scan, which finds no work, may come at
/// any time.
async fn all_are_due(book: &TurnBook, mut happened: impl FnMut() -> bool) {
    let looking = async {
        while !happened() {
            book.wake(Activity::Unknown, Instant::now());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, looking).await.unwrap();
}

#[tokio::test]
async fn a_reload_on_demand_is_heard_while_turns_are_due_without_end() {
    let mut farm = Farm::start(Duration::from_secs(3600), |settings| {
        settings.saturated_rest = Duration::ZERO;
    })
    .await;
    farm.run(
        "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
              SELECT 'tag' || n, pk_host, 'tag' || n, 'MANUAL' FROM host, generate_series(1, 20) n",
    )
    .await;
    farm.handle.reload_now();
    farm.clusters(22).await;
    // Nobody knows where there is work, so all of them are due, again and again.
    all_are_due(&farm.book, || farm.turns.try_recv().is_ok()).await;
    farm.run("DELETE FROM host_tag WHERE str_tag LIKE 'tag%'")
        .await;
    farm.handle.reload_now();
    let looking = async {
        // Those that have a turn stay until it ends.
        while farm.book.status().len() > 4 {
            tokio::select! {
                turn = farm.turns.recv() => drop(turn.unwrap()),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, looking)
        .await
        .expect("a reload within ten seconds");
    farm.turns.close();
    let Farm {
        flow, store, db, ..
    } = farm;
    flow.drain(Duration::from_secs(5)).await;
    store.close().await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_a_full_queue_and_only_turns_handed_on_count() {
    let farm = Farm::start(Duration::from_secs(3600), |_| {}).await;
    farm.run(
        "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
              SELECT 'tag' || n, pk_host, 'tag' || n, 'MANUAL' FROM host, generate_series(1, 200) n",
    )
    .await;
    farm.handle.reload_now();
    farm.clusters(202).await;
    let Farm {
        flow,
        mut turns,
        book,
        store,
        registry,
        db,
        ..
    } = farm;
    let begun = || counter(&registry, "scheduler_cluster_polls_total");
    // What the test has not taken, what the stage holds, what is queued.
    let full = 64 + 1 + 1;
    all_are_due(&book, || begun() >= full).await;
    let taking = async {
        let mut taken = 0;
        while turns.recv().await.is_some() {
            taken += 1;
        }
        taken
    };
    let (report, taken) = tokio::join!(flow.drain(Duration::from_secs(5)), taking);
    assert!(
        report.laggards.is_empty() && report.fatal.is_none(),
        "{report:?}"
    );
    assert_eq!(begun(), taken, "each turn that counts was handed on");
    assert!(taken < 202, "the stop was not waited for");
    store.close().await;
    db.close().await.unwrap();
}
