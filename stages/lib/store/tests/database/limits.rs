//! Locks and time that limits cost a booking.

use std::time::{Duration, Instant};

use cue_domain::{Booking, LayerId};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::{Fixture, Launched};
use cue_simfarm::waiting::until;
use cue_store::statements::LIMIT_USE;
use sqlx::AssertSqlSafe;

use crate::yard::{Place, Yard, frames, open, refs, store, want};

/// Rows of `layer_limit` on a farm that has run for some years.
const BOUND: i32 = 200_000;

/// Layers of which frames run, two procs each.
const RUNNING: i32 = 1_000;

async fn yard(version: SchemaVersion) -> Yard {
    let db = TestDb::at(version).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    let store = store(&db, 8).await;
    Yard { db, farm, store }
}

/// Binds a limit to the layers of jobs that are long over, and to some of which frames run.
async fn age(yard: &Yard, limit: &str, host: &Place) {
    let mut tx = yard.db.pool.begin().await.unwrap();
    // Jobs and frames of these layers do not matter here.
    let statements = [
        "SET LOCAL session_replication_role = replica",
        "INSERT INTO layer_limit (pk_layer_limit, pk_layer, pk_limit_record)
         SELECT 'bound-' || n, 'layer-' || n, $1 FROM generate_series(1, $3) n WHERE $2 <> '' AND $4 > 0",
        "INSERT INTO proc (pk_proc, pk_frame, pk_host, pk_layer, int_cores_reserved, int_mem_reserved)
         SELECT 'proc-' || n, 'frame-' || n, $2, 'layer-' || (1 + n % $4), 100, 1
         FROM generate_series(1, $4 * 2) n WHERE $1 <> '' AND $3 > 0",
    ];
    sqlx::query(statements[0]).execute(&mut *tx).await.unwrap();
    for statement in &statements[1..] {
        let insert = sqlx::query(*statement).bind(limit).bind(&host.id);
        let insert = insert.bind(BOUND).bind(RUNNING);
        insert.execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Time in which a booking of one frame locks and counts limits and counters, and the usage it finds.
async fn counters(yard: &Yard, job: &Launched, host: &Place) -> (Duration, i64) {
    // The booking before is rolled back when the pool has its connection again.
    let (mut held, locked) = loop {
        let locked = yard.store.lock_layers(&want(job, 1)).await.unwrap();
        match locked.batch {
            Some(batch) => break batch,
            None => tokio::task::yield_now().await,
        }
    };
    let rows: Vec<Booking> = yard.rows(job, &locked, host);
    let seen = held.look(&refs(&rows)).await.unwrap();
    let began = Instant::now();
    let ledger = held.counters(&refs(&rows), seen.hosts).await.unwrap();
    let took = began.elapsed();
    (took, ledger.limits.values().next().unwrap().usage())
}

async fn median(yard: &Yard, job: &Launched, host: &Place) -> (Duration, i64) {
    let mut all = Vec::new();
    for _ in 0..9 {
        all.push(counters(yard, job, host).await);
    }
    all.sort_unstable();
    all[4]
}

/// Blocks that the count of a limit touches, and milliseconds that it takes in the server.
async fn explained(yard: &Yard, limit: &str) -> (i64, f64) {
    let sql = LIMIT_USE.sql;
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {sql}");
    let mut tx = yard.db.pool.begin().await.unwrap();
    sqlx::query("SET LOCAL jit = off")
        .execute(&mut *tx)
        .await
        .unwrap();
    let explain = sqlx::query_scalar(AssertSqlSafe(explain)).bind(vec![limit.to_owned()]);
    let explain = explain.bind(Vec::<String>::new()).bind(false);
    let explain = explain.persistent(false);
    let lines: Vec<String> = explain.fetch_all(&mut *tx).await.unwrap();
    // The first line about buffers is that of the whole plan.
    let line = |start: &str| {
        lines
            .iter()
            .find_map(|line| line.trim().strip_prefix(start))
    };
    let buffers = line("Buffers: shared").unwrap().split_whitespace();
    let blocks = buffers.filter_map(|word| word.split_once('=')?.1.parse::<i64>().ok());
    let milliseconds = line("Execution Time: ").unwrap().trim_end_matches(" ms");
    (blocks.sum(), milliseconds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn layers_of_old_jobs_under_a_limit_cost_a_booking_next_to_nothing() {
    for version in [SchemaVersion::V47, SchemaVersion::V51] {
        let yard = yard(version).await;
        let host = yard.host("node").await;
        let limit = yard.farm.limit("licence", 10_000).await.unwrap();
        let limits = vec![limit.clone()];
        let job = yard.farm.frames("a", 3, |layer| layer.limits = limits);
        let job = job.await.unwrap();
        let (few, used) = median(&yard, &job, &host).await;
        assert_eq!(used, 0);
        age(&yard, &limit, &host).await;
        for vacuumed in [false, true] {
            if vacuumed {
                yard.db.run("VACUUM ANALYZE").await;
            }
            let (many, used) = median(&yard, &job, &host).await;
            assert_eq!(used, i64::from(RUNNING) * 2);
            let (blocks, milliseconds) = explained(&yard, &limit).await;
            println!(
                "{version}, vacuumed {vacuumed}: limits and counters {few:?} with 1 row of layer_limit, {many:?} with \
                 {BOUND}; the count {milliseconds} ms, {blocks} blocks"
            );
            // Three blocks of an index and one of the table for each layer that runs, twice, and the procs. All
            // of layer_limit and what it leads to would be ten times as many.
            assert!(
                blocks < 15_000,
                "{version}, vacuumed {vacuumed}: {blocks} blocks"
            );
        }
    }
}

const LOCK_LIMIT: &str =
    "SELECT pk_limit_record FROM limit_record WHERE pk_limit_record = $1 FOR UPDATE";

/// Sessions that wait for a lock.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_booking_that_waits_for_a_limit_keeps_no_counter_from_others() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let limit = yard.farm.limit("licence", 5).await.unwrap();
    let limits = vec![limit.clone()];
    let job = yard.farm.frames("a", 2, |layer| layer.limits = limits);
    let job = job.await.unwrap();
    let (mut held, locked) = open(&yard.store, &want(&job, 2)).await;
    let rows = yard.rows(&job, &locked, &host);
    let booked = refs(&rows);
    let seen = held.look(&booked).await.unwrap();
    assert_eq!(held.start(&booked).await.unwrap().frames.len(), 2);
    let foreign = yard.holding(LOCK_LIMIT, &limit).await;
    let counters = held.counters(&booked, seen.hosts);
    let others = async {
        until("the booking to wait", async || {
            yard.db.count(WAITING).await == 1
        })
        .await;
        let free = "SELECT count(*) FROM (SELECT 1 FROM subscription FOR UPDATE SKIP LOCKED) free";
        assert_eq!(yard.db.count(free).await, 1);
        foreign.rollback().await.unwrap();
    };
    let (ledger, ()) = tokio::join!(counters, others);
    let limits = ledger.unwrap().limits;
    assert_eq!(
        limits.values().next().unwrap().usage(),
        0,
        "its own frames are not counted"
    );
    held.charge(rows.iter()).await.unwrap();
    held.commit(&booked).await.unwrap();
    let (mut held, locked) = open(&yard.store, &want(&yard.job("b", 1).await, 1)).await;
    assert!(
        held.counters(&refs(&yard.rows(&job, &locked, &host)), Default::default())
            .await
            .unwrap()
            .limits
            .is_empty()
    );
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn layers_whose_limit_is_full_are_named_and_the_others_get_what_is_left() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let (full, wide) = (yard.farm.limit("full", 2), yard.farm.limit("wide", 3));
    let (full, wide) = (full.await.unwrap(), wide.await.unwrap());
    let job = async |name: &str, limits: Vec<String>| {
        let job = yard.farm.frames(name, 5, |layer| layer.limits = limits);
        job.await.unwrap()
    };
    let runs = job("runs", vec![full.clone(), wide.clone()]).await;
    assert_eq!(yard.book(&runs, 2, &host).await.len(), 2);
    let (both, one) = (
        job("both", vec![full, wide.clone()]),
        job("one", vec![wide]),
    );
    let (both, one, free) = (both.await, one.await, yard.job("free", 4).await);
    let wanted = [want(&both, 9), want(&one, 9), want(&free, 9)].concat();
    let locked = yard.store.lock_layers(&wanted).await.unwrap();
    let named: Vec<&str> = locked.at_limit.iter().map(LayerId::as_str).collect();
    assert_eq!(named, [&both.layers[0].id]);
    let (held, rows) = locked.batch.unwrap();
    let ids = [&one.layers[0].frames[..1], &free.layers[0].frames[..]].concat();
    assert_eq!(frames(&rows), ids);
    held.release().await.unwrap();
    // The transaction is over if no layer has room, and the layer is named all the same.
    let locked = yard.store.lock_layers(&want(&both, 9)).await.unwrap();
    assert!(locked.batch.is_none() && locked.held == 0);
    assert_eq!(locked.at_limit.len(), 1);
}
