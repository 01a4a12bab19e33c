//! The turn queue by example: when turns are due, and what ends a backoff.

use super::due_at::TICK;
use super::*;

pub(super) fn cluster(name: &str) -> Arc<Cluster> {
    Arc::new(Cluster {
        key: ClusterKey {
            facility: "f".into(),
            show: name.into(),
        },
        facility_name: "cloud".into(),
        show_name: name.into(),
    })
}

/// Frames of a job that a turn booked.
pub(super) fn booked(job: &str, frames: u64) -> BookedLayer {
    BookedLayer {
        job: job.into(),
        frames,
        ..BookedLayer::default()
    }
}

/// Demand of this version, without a tier.
pub(super) fn demand(cluster: &Arc<Cluster>, version: u64) -> ClusterDemand {
    ClusterDemand {
        cluster: Arc::clone(cluster),
        version,
        tier: None,
        is_paused: false,
    }
}

pub(super) fn queue() -> TurnQueue {
    TurnQueue::new(TurnBackoffs {
        empty: Duration::from_secs(3),
        saturated: Duration::from_millis(250),
    })
}

/// Takes in a reading of these clusters, all of one version.
fn read(queue: &TurnQueue, names: &[&str], version: u64) -> (usize, usize) {
    let demand = names.iter().map(|name| demand(&cluster(name), version));
    queue.demand_changed(demand.collect(), Instant::now())
}

fn take(queue: &TurnQueue) -> Arc<Cluster> {
    queue.take_due(Instant::now()).unwrap().cluster
}

/// A turn that ends at once, after `does`.
fn turn(queue: &TurnQueue, does: impl FnOnce(&TurnTicket)) {
    does(&queue.open(&take(queue), |_, _| {}));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_has_one_turn_at_a_time() {
    let queue = queue();
    read(&queue, &["a"], 1);
    let ticket = queue.open(&take(&queue), |_, _| {});
    assert!(queue.next_due().is_none());
    ticket.found(1, 1);
    ticket.booked(booked("job", 1));
    drop(ticket);
    tokio::time::advance(TICK).await;
    assert_eq!(take(&queue).show_name.as_ref(), "a");
}

#[tokio::test(start_paused = true)]
async fn the_backoff_after_a_turn_depends_on_its_outcome() {
    let queue = queue();
    read(&queue, &["a"], 1);
    let start = Instant::now();
    drop(queue.open(&take(&queue), |_, _| {}));
    assert_eq!(queue.next_due(), Some(start + Duration::from_secs(3)));
    tokio::time::advance(Duration::from_secs(3)).await;
    let ticket = queue.open(&take(&queue), |_, _| {});
    ticket.found(1, 1);
    drop(ticket);
    assert_eq!(
        queue.next_due(),
        Some(Instant::now() + Duration::from_millis(250))
    );
}

#[tokio::test(start_paused = true)]
async fn a_vanished_cluster_finishes_its_turn_and_leaves() {
    let queue = queue();
    read(&queue, &["a", "b"], 1);
    let ticket = queue.open(&take(&queue), |_, _| {});
    assert_eq!(read(&queue, &[], 2), (0, 1));
    assert_eq!(queue.status().len(), 1);
    drop(ticket);
    assert!(queue.status().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_finished_turn_wakes_the_feed() {
    let queue = queue();
    read(&queue, &["a"], 1);
    drop(queue.open(&take(&queue), |_, _| {}));
    let changed = tokio::time::timeout(Duration::from_secs(1), queue.changed());
    assert!(changed.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_tie_goes_to_the_cluster_that_dispatched_most_in_its_last_turn() {
    let queue = queue();
    read(&queue, &["a", "b", "c"], 1);
    // In its first turn `c` dispatched most, but only the last turn counts.
    for jobs in [["1"].as_slice(), &["1", "2"], &["1", "2", "3"]] {
        let ticket = queue.open(&take(&queue), |_, _| {});
        jobs.iter().for_each(|job| ticket.booked(booked(job, 1)));
    }
    tokio::time::advance(TICK).await;
    let mut order = Vec::new();
    let mut tickets = Vec::new();
    while let Some(due) = queue.take_due(Instant::now()) {
        order.push(due.cluster.show_name.to_string());
        tickets.push((queue.open(&due.cluster, |_, _| {}), due));
    }
    assert_eq!(order[0], "c");
    for (ticket, due) in tickets {
        match due.cluster.show_name.as_ref() {
            "b" => ticket.booked(booked("1", 2)),
            _ => ticket.booked(booked("1", 1)),
        }
    }
    tokio::time::advance(TICK).await;
    assert_eq!(take(&queue).show_name.as_ref(), "b");
}

const SATURATED: Duration = Duration::from_millis(250);

#[tokio::test(start_paused = true)]
async fn a_cluster_that_found_no_host_is_due_at_once_when_supply_changes() {
    let queue = queue();
    read(&queue, &["a"], 1);
    turn(&queue, |ticket| ticket.found_no_host());
    let due = Instant::now() + SATURATED;
    assert_eq!(queue.next_due(), Some(due));
    read(&queue, &["a"], 1);
    assert_eq!(queue.next_due(), Some(due), "the demand did not change");
    tokio::time::advance(TICK).await;
    queue.supply_changed(Instant::now());
    assert_eq!(queue.next_due(), Some(Instant::now()));
    turn(&queue, |ticket| ticket.found_no_host());
    assert!(queue.take_due(Instant::now()).is_none(), "it was tried");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_backs_off_is_due_at_once_when_its_demand_changes() {
    let queue = queue();
    read(&queue, &["a", "b"], 1);
    turn(&queue, |_| {});
    turn(&queue, |ticket| ticket.found(1, 1));
    tokio::time::advance(TICK).await;
    assert!(queue.take_due(Instant::now()).is_none());
    read(&queue, &["a", "b"], 2);
    let due = [take(&queue), take(&queue)];
    assert_ne!(due[0].key, due[1].key);
}

#[tokio::test(start_paused = true)]
async fn supply_that_changes_while_a_turn_looks_for_a_host_is_not_missed() {
    let queue = queue();
    read(&queue, &["a"], 1);
    turn(&queue, |ticket| {
        queue.supply_changed(Instant::now());
        ticket.found_no_host();
    });
    tokio::time::advance(TICK).await;
    turn(&queue, |ticket| ticket.found_no_host());
    tokio::time::advance(TICK).await;
    assert!(queue.take_due(Instant::now()).is_none(), "nothing is new");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_books_goes_on_at_once() {
    let queue = queue();
    read(&queue, &["a"], 1);
    for _ in 0..3 {
        turn(&queue, |ticket| {
            ticket.found(1, 1);
            ticket.booked(booked("job", 1));
        });
        tokio::time::advance(TICK).await;
    }
    assert!(queue.take_due(Instant::now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn no_change_ends_the_backoff_of_a_turn_that_failed() {
    let queue = queue();
    read(&queue, &["a"], 1);
    turn(&queue, |ticket| ticket.fail());
    let due = Instant::now() + Duration::from_secs(1);
    tokio::time::advance(TICK).await;
    read(&queue, &["a"], 2);
    queue.supply_changed(Instant::now());
    assert_eq!(queue.next_due(), Some(due));
}

#[tokio::test(start_paused = true)]
async fn of_clusters_due_in_one_tick_the_lowest_tier_goes_first() {
    let queue = queue();
    let tiers = [("a", Some(0.9)), ("b", None), ("c", Some(0.1))];
    let demand = tiers.map(|(name, tier)| ClusterDemand {
        tier,
        ..demand(&cluster(name), 1)
    });
    queue.demand_changed(demand.to_vec(), Instant::now());
    let order = [take(&queue), take(&queue), take(&queue)];
    assert_eq!(
        order.map(|cluster| cluster.show_name.to_string()),
        ["c", "a", "b"]
    );
}

#[tokio::test(start_paused = true)]
async fn consecutive_turns_and_readings_without_jobs_count_and_failed_ones_do_not() {
    let queue = queue();
    read(&queue, &["a"], 1);
    let running = queue.open(&take(&queue), |_, _| {});
    assert_eq!(queue.idle(), (0, false), "a running turn may find some");
    running.fail();
    drop(running);
    assert_eq!(queue.idle(), (0, true), "a failure is no idleness");
    queue.reading_failed();
    assert_eq!(queue.idle(), (0, true));
    read(&queue, &[], 1);
    read(&queue, &[], 1);
    assert_eq!(queue.idle(), (2, true));
    read(&queue, &["a"], 1);
    turn(&queue, |_| {});
    assert_eq!(queue.idle(), (3, true));
    tokio::time::advance(Duration::from_secs(3)).await;
    turn(&queue, |ticket| ticket.found_no_host());
    assert_eq!(queue.idle(), (0, true), "jobs wait for a host");
}

#[tokio::test(start_paused = true)]
async fn the_stats_count_clusters_with_work_and_those_that_back_off() {
    let queue = queue();
    assert!(!queue.is_loaded());
    read(&queue, &["a", "b"], 1);
    assert!(queue.is_loaded());
    turn(&queue, |_| {});
    let stats = queue.stats(Instant::now());
    assert_eq!((stats.active, stats.backing_off), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_paused_cluster_gets_no_turn_and_does_not_count_as_idle() {
    let queue = queue();
    let demand = |name: &str, is_paused| ClusterDemand {
        is_paused,
        ..demand(&cluster(name), 1)
    };
    queue.demand_changed(vec![demand("a", true), demand("b", false)], Instant::now());
    assert_eq!(take(&queue).show_name.as_ref(), "b");
    assert!(queue.next_due().is_none());
    let idle = queue.idle().0;
    queue.demand_changed(vec![demand("a", true)], Instant::now());
    assert_eq!(queue.idle().0, idle);
    queue.demand_changed(vec![demand("a", false)], Instant::now());
    assert_eq!(take(&queue).show_name.as_ref(), "a", "it goes on at once");
}
