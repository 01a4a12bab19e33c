//! The ledger: what is locked for admission, and what the caps say.

use std::collections::BTreeSet;
use std::sync::Arc;

use cue_domain::Centicores;
use cue_domain::ids::{HostId, LimitId};
use cue_simfarm::foreign;

use crate::yard::{Place, Yard, locked_ledger, open, refs, want};

const LOCK_HOST: &str = "SELECT pk_host FROM host WHERE pk_host = $1 FOR UPDATE";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn held_locked_down_and_moved_hosts_are_not_in_the_ledger() {
    let yard = Yard::new().await;
    let mut hosts: Vec<Place> = Vec::new();
    for name in ["fine", "held", "locked", "down", "moved"] {
        hosts.push(yard.host(name).await);
    }
    let id = |n: usize| HostId::from(hosts[n].id.as_str());
    let _foreign = yard.holding(LOCK_HOST, &hosts[1].id).await;
    let pool = &yard.db.pool;
    foreign::lock_host(pool, &id(2), true).await.unwrap();
    foreign::host_down(pool, &id(3)).await.unwrap();
    let other = yard.farm.allocation("other", 100, 100).await.unwrap();
    sqlx::query("UPDATE host SET pk_alloc = $2 WHERE pk_host = $1")
        .bind(&hosts[4].id)
        .bind(&other.id)
        .execute(pool)
        .await
        .unwrap();

    let job = yard.job("a", 5).await;
    let (mut held, locked) = open(&yard.store, &want(&job, 5)).await;
    let mut rows = yard.rows(&job, &locked, &hosts[0]);
    for (row, host) in rows.iter_mut().zip(&hosts) {
        Arc::make_mut(&mut row.host).id = HostId::from(host.id.as_str());
    }
    let ledger = locked_ledger(&mut held, &refs(&rows)).await;
    let found: BTreeSet<&HostId> = ledger.hosts.keys().collect();
    assert_eq!(found, BTreeSet::from([&id(0)]));
    assert_eq!(ledger.hosts[&id(0)].cores, Centicores(3_200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_ledger_has_every_cap_and_what_counts_against_it() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let (two, five) = (
        yard.farm.limit("two", 2).await.unwrap(),
        yard.farm.limit("five", 5).await.unwrap(),
    );
    let limits = vec![two.clone(), five.clone()];
    let limited = yard.farm.frames("a", 4, |layer| layer.limits = limits);
    let job = limited.await.unwrap();
    yard.book(&job, 1, &host).await;

    let (mut held, locked) = open(&yard.store, &want(&job, 1)).await;
    let rows = yard.rows(&job, &locked, &host);
    let ledger = locked_ledger(&mut held, &refs(&rows)).await;
    let row = &rows[0];
    let subscription = ledger.subscriptions[&(row.layer.show.clone(), row.host.alloc.clone())];
    let (burst, cores) = (subscription.burst, subscription.cores);
    assert_eq!((burst, cores), (Centicores(20_000), Centicores(100)));
    let of_job = ledger.jobs[&row.layer.job];
    assert_eq!(
        (of_job.max_cores, of_job.cores),
        (Centicores(20_000), Centicores(100))
    );
    let folder = ledger.folders[&row.layer.folder];
    assert_eq!(
        (folder.max_cores, folder.cores),
        (Centicores(-1), Centicores(100))
    );
    for (limit, max) in [(two, 2), (five, 5)] {
        let limit = &ledger.limits[&LimitId::from(limit)];
        assert_eq!((limit.cap(), limit.usage()), (Some(max), 1));
    }
    assert_eq!(ledger.layer_limits[&row.layer.id].len(), 2);
}

/// Succeeds if another session can lock the subscriptions right now.
const FREE_SUBSCRIPTIONS: &str =
    "SELECT count(*) FROM (SELECT 1 FROM subscription FOR UPDATE SKIP LOCKED) free";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_look_reads_the_caps_and_leaves_their_counters_to_others() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    let (mut held, locked) = open(&yard.store, &want(&job, 2)).await;
    let rows = yard.rows(&job, &locked, &host);
    let seen = held.look(&refs(&rows)).await.unwrap();
    assert_eq!(yard.db.count(FREE_SUBSCRIPTIONS).await, 1);
    assert_eq!(seen.hosts.len(), 1);

    let booked = held.start(&refs(&rows)).await.unwrap();
    assert_eq!(booked.frames.len(), 2);
    assert_eq!(yard.db.count(FREE_SUBSCRIPTIONS).await, 1);

    let locked = held
        .counters(&refs(&rows), seen.hosts.clone())
        .await
        .unwrap();
    assert_eq!(yard.db.count(FREE_SUBSCRIPTIONS).await, 0);
    let caps = |ledger: &cue_domain::admission::Ledger| {
        (
            ledger.hosts.clone(),
            ledger.subscriptions.clone(),
            ledger.jobs.clone(),
            ledger.folders.clone(),
        )
    };
    assert_eq!(caps(&locked), caps(&seen), "nothing is charged yet");
    held.charge(rows.iter()).await.unwrap();
    held.commit(&refs(&rows)).await.unwrap();
    yard.assert_sound().await;
}
