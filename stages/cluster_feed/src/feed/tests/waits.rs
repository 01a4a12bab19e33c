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

/// A farm with so many clusters of a manual tag more, and no scan after the first.
async fn tagged(tags: usize, change: impl FnOnce(&mut FeedSettings)) -> Farm {
    let farm = Farm::start(Duration::from_secs(3600), change).await;
    let more = sqlx::query(
        "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
         SELECT 'tag' || n, pk_host, 'tag' || n, 'MANUAL' FROM host, generate_series(1, $1) n",
    );
    let more = more.bind(i32::try_from(tags).unwrap());
    more.execute(&farm.db.pool).await.unwrap();
    farm.handle.reload_now();
    farm.clusters(tags + 2).await;
    farm
}

/// Has every cluster be due, as when nobody knows where there is work, until that has happened: the
/// first scan, which finds none, may come at any time.
async fn all_are_due(book: &TurnBook, mut happened: impl FnMut() -> bool) {
    until("turns to begin", async || {
        book.wake(Activity::Unknown, Instant::now());
        happened()
    })
    .await;
}

#[tokio::test]
async fn a_reload_on_demand_is_heard_while_turns_are_due_without_end() {
    let mut farm = tagged(20, |settings| settings.saturated_rest = Duration::ZERO).await;
    all_are_due(&farm.book, || farm.turns.try_recv().is_ok()).await;
    farm.run("DELETE FROM host_tag WHERE str_tag LIKE 'tag%'")
        .await;
    farm.handle.reload_now();
    until("the reload", async || {
        while farm.turns.try_recv().is_ok() {}
        // Those that have a turn stay until it ends.
        farm.book.status().len() <= 4
    })
    .await;
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
    let Farm {
        flow,
        mut turns,
        book,
        store,
        registry,
        db,
        ..
    } = tagged(200, |_| {}).await;
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
