//! Bookable resources of a host: ledger, total, and the last report, as the snapshot reads them and as
//! a booking finds them under its lock.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::ids::HostId;
use cue_domain::{Centicores, Host, Kib, Resources, admit};
use sqlx::PgPool;

use crate::yard::{ONE, Place, Yard, locked_ledger, open, refs, want};

const MIB: i64 = 1_024;
const GIB: i64 = 1_048_576;

/// A proc that was booked some seconds after the last report of its host, or before.
async fn proc(pool: &PgPool, host: &Place, memory: i64, gpu_memory: i64, after: f64) {
    let insert = "INSERT INTO proc (pk_proc, pk_host, int_cores_reserved, int_mem_reserved,
                                    int_gpu_mem_reserved, ts_booked)
                  SELECT gen_random_uuid()::text, pk_host, 100, $2, $3, ts_ping + make_interval(secs => $4)
                  FROM host_stat WHERE pk_host = $1";
    let insert = sqlx::query(insert).bind(&host.id).bind(memory);
    let insert = insert.bind(gpu_memory).bind(after).execute(pool);
    assert_eq!(insert.await.unwrap().rows_affected(), 1);
}

/// Sets total, ledger and report: memory and GPU memory of each.
async fn set(pool: &PgPool, host: &Place, [total, idle, free]: [(i64, i64); 3]) {
    let update =
        "UPDATE host SET int_mem = $2, int_gpu_mem = $3, int_mem_idle = $4, int_gpu_mem_idle = $5
                  WHERE pk_host = $1";
    let update = sqlx::query(update).bind(&host.id).bind(total.0);
    let update = update.bind(total.1).bind(idle.0).bind(idle.1);
    update.execute(pool).await.unwrap();
    let update = "UPDATE host_stat SET int_mem_free = $2, int_gpu_mem_free = $3 WHERE pk_host = $1";
    let update = sqlx::query(update).bind(&host.id).bind(free.0).bind(free.1);
    update.execute(pool).await.unwrap();
}

async fn snapshot(yard: &Yard) -> HashMap<HostId, Host> {
    let hosts = yard.store.host_snapshot(None, None).await.unwrap().hosts;
    hosts
        .into_iter()
        .map(|host| (host.id.clone(), host))
        .collect()
}

/// A number that looks random, below `bound`.
fn below(seed: &mut u64, bound: i64) -> i64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    i64::try_from(*seed >> 34).unwrap() % bound
}

#[tokio::test]
async fn a_lock_finds_what_procs_hold_and_what_was_booked_since_the_report_beside_what_a_snapshot_finds()
 {
    let yard = Yard::new().await;
    let (mut seed, mut wanted) = (7, HashMap::new());
    let mut hosts = Vec::new();
    for n in 0..40 {
        let host = yard.host(&format!("h{n}")).await;
        let mut amount = || (below(&mut seed, 90) * GIB, below(&mut seed, 40) * GIB);
        let (total, idle, free) = (amount(), amount(), amount());
        set(&yard.db.pool, &host, [total, idle, free]).await;
        // The inserts lower no ledger here: no booking wrote them.
        let (mut since, mut all) = ((0, 0), (0, 0, 0));
        for _ in 0..below(&mut seed, 4) {
            let (memory, gpu) = (below(&mut seed, 9) * GIB, below(&mut seed, 5) * GIB);
            let after = below(&mut seed, 3) - 1;
            proc(&yard.db.pool, &host, memory, gpu, after as f64).await;
            all = (all.0 + 100, all.1 + memory, all.2 + gpu);
            if after > 0 {
                since = (since.0 + memory, since.1 + gpu);
            }
        }
        let cores = if free.0 < 512 * MIB { 0 } else { 3_200 - all.0 };
        let locked = (
            cores,
            idle.0.min(total.0 - all.1).min(free.0 - since.0),
            idle.1.min(total.1 - all.2).min(free.1 - since.1),
        );
        // The snapshot does not ask for procs.
        let seen = (
            if free.0 < 512 * MIB { 0 } else { 3_200 },
            idle.0.min(total.0).min(free.0),
            idle.1.min(total.1).min(free.1),
        );
        wanted.insert(HostId::from(host.id.as_str()), (locked, seen));
        hosts.push(host);
    }
    let job = yard.job("a", 40).await;
    let (mut held, locked) = open(&yard.store, &want(&job, 40)).await;
    let mut rows = yard.rows(&job, &locked, &hosts[0]);
    for (row, host) in rows.iter_mut().zip(&hosts) {
        Arc::make_mut(&mut row.host).id = HostId::from(host.id.as_str());
    }
    let ledger = held.look(&refs(&rows)).await.unwrap();
    let seen = snapshot(&yard).await;
    assert_eq!((seen.len(), ledger.hosts.len()), (40, 40));
    for (host, (locked, snapshot)) in &wanted {
        assert_eq!(ledger.hosts[host], resources(*locked));
        assert_eq!(seen[host].idle, resources(*snapshot));
    }
}

const fn resources((cores, memory, gpu_memory): (i64, i64, i64)) -> Resources {
    Resources {
        cores: Centicores(cores),
        memory: Kib(memory),
        gpus: 0,
        gpu_memory: Kib(gpu_memory),
    }
}

#[tokio::test]
async fn memory_that_a_booking_took_since_the_report_is_not_booked_again_before_the_next() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    set(
        &yard.db.pool,
        &host,
        [(64 * GIB, 0), (64 * GIB, 0), (GIB + 100, 0)],
    )
    .await;
    let id = HostId::from(host.id.as_str());
    let job = yard.job("a", 5).await;
    let report = "UPDATE host_stat SET ts_ping = clock_timestamp()";
    yard.db.run(report).await;

    let (mut held, locked) = open(&yard.store, &want(&job, 1)).await;
    let rows = yard.rows(&job, &locked, &host);
    locked_ledger(&mut held, &refs(&rows)).await;
    let booked = held.book(&refs(&rows)).await.unwrap();
    // The batch brings back to the index the bookable resources, not the ledger.
    let idle = booked.hosts[&id].bookable();
    assert_eq!((idle.memory, idle.cores), (Kib(100), Centicores(3_100)));
    held.commit(&refs(&rows)).await.unwrap();

    let look = async || {
        let (mut held, locked) = open(&yard.store, &want(&job, 1)).await;
        let rows = yard.rows(&job, &locked, &host);
        held.look(&refs(&rows)).await.unwrap().hosts[&id]
    };
    assert_eq!(look().await.memory, Kib(100));
    let seen = &snapshot(&yard).await[&id];
    assert_eq!(seen.idle.memory, Kib(GIB + 100));
    assert_eq!(seen.ledger.memory, Kib(64 * GIB - ONE.memory.0));
    yard.db.run(report).await;
    assert_eq!(look().await.memory, Kib(GIB + 100));
    assert_ne!(snapshot(&yard).await[&id].reported_us, seen.reported_us);
}

#[tokio::test]
async fn a_ledger_that_leaves_more_than_the_procs_do_is_cut_to_what_they_leave() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let id = HostId::from(host.id.as_str());
    let wrong = "UPDATE host SET int_cores = 400, int_cores_idle = 3200, int_gpus_idle = 4";
    yard.db.run(wrong).await;
    assert_eq!(snapshot(&yard).await[&id].idle.cores, Centicores(400));
    let job = yard.job("a", 9).await;
    // Also once the ledger has come down to the total, and below.
    for left in [2, 0, 0] {
        let (mut held, locked) = open(&yard.store, &want(&job, 2)).await;
        let rows = yard.rows(&job, &locked, &host);
        let ledger = locked_ledger(&mut held, &refs(&rows)).await;
        let admitted = admit(&refs(&rows), ledger);
        let admitted = admitted.iter().filter(|answer| answer.is_ok()).count();
        let booked = held.book(&refs(&rows[..admitted])).await.unwrap();
        if let Some(idle) = booked.hosts.get(&id) {
            let idle = idle.bookable();
            assert_eq!((idle.cores, idle.gpus), (Centicores::cores(left), 0));
            held.commit(&refs(&rows[..admitted])).await.unwrap();
        }
    }
    assert_eq!(yard.db.count("SELECT count(*) FROM proc").await, 4);
}

#[tokio::test]
async fn a_host_that_is_lent_to_a_job_is_in_neither() {
    let yard = Yard::new().await;
    let (fine, lent) = (yard.host("fine").await, yard.host("lent").await);
    let job = yard.job("a", 2).await;
    let lend = "INSERT INTO host_local (pk_host_local, pk_job, pk_host, str_type, b_active)
                VALUES ('local', $1, $2, 'JOB_PARTITION', false)";
    let lend = sqlx::query(lend).bind(&job.id).bind(&lent.id);
    lend.execute(&yard.db.pool).await.unwrap();
    let (mut held, locked) = open(&yard.store, &want(&job, 2)).await;
    let mut rows = yard.rows(&job, &locked, &fine);
    Arc::make_mut(&mut rows[1].host).id = HostId::from(lent.id.as_str());
    let fine = HostId::from(fine.id.as_str());
    let ledger = held.look(&refs(&rows)).await.unwrap();
    assert_eq!(ledger.hosts.keys().collect::<Vec<_>>(), [&fine]);
    let seen = snapshot(&yard).await;
    assert_eq!(seen.keys().collect::<Vec<_>>(), [&fine]);
}
