//! Every kind of limit lets run exactly what Cuebot would let run, with one replica and with three.
//!
//! All cases stand beside each other in one farm: each has a limit, three hosts and jobs of its own.

use cue_domain::Centicores;
use cue_domain::ids::{AllocId, ShowId};
use cue_simfarm::foreign;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::PATIENCE;
use sqlx::PgPool;

use crate::oracle::{CORES, Case, HOSTS, Holder, Kind, PRIOR, Prior, Report, WAITING, all};
use crate::world::{Scheduler, World, endless};

/// Jobs of a case, so that several transactions want its limit at once.
const JOBS: usize = 3;

/// Small transactions, several of which each replica books at a time.
const CROWDED: [(&str, &str); 6] = [
    ("CUE_DRY_RUN", "true"),
    ("CUE_BATCH_LAYERS", "2"),
    ("CUE_BATCH_FRAMES", "6"),
    ("CUE_LAYER_LOCK_WORKERS", "2"),
    ("CUE_DISPATCH_WORKERS", "4"),
    ("CUE_DATABASE_POOL", "30"),
];

const CONFIGURE: &str = "UPDATE limit_record
    SET str_type = $2, str_enforcement = $3, int_max_value = $4, int_soft_value = $5,
        ts_reported = current_timestamp - make_interval(secs => $6), int_report_ttl = $7
    WHERE pk_limit_record = $1";

/// Writes what a case says of its limit.
async fn configure(pool: &PgPool, case: &Case, number: usize, limit: &str) {
    let (age, ttl) = match case.report {
        Report::Never => (None, 900),
        Report::Fresh => (Some(1.0), 900),
        Report::Stale => (Some(30.0), 20),
        Report::NoTtl => (Some(30.0), 0),
    };
    let set = sqlx::query(CONFIGURE)
        .bind(limit)
        .bind(if case.kind == Kind::Host {
            "HOST"
        } else {
            "FRAME"
        })
        .bind(case.enforcement)
        .bind(case.max)
        .bind(case.soft)
        .bind(age)
        .bind(ttl);
    set.execute(pool).await.unwrap();
    let (usage, hosts) = case.settled();
    let settle = "INSERT INTO limit_usage (pk_limit_record, int_settled_usage, int_settled_hosts) VALUES ($1, $2, $3)
                  ON CONFLICT (pk_limit_record) DO UPDATE SET int_settled_usage = $2, int_settled_hosts = $3";
    let settle = sqlx::query(settle).bind(limit).bind(usage).bind(hosts);
    settle.execute(pool).await.unwrap();
    let mut holders: Vec<String> = case
        .reported_hosts()
        .into_iter()
        .map(|n| short(number, n))
        .collect();
    if case.holder == Holder::Artist {
        holders.push(format!("ws{number}"));
    }
    let hold =
        "INSERT INTO limit_host (pk_limit_host, pk_limit_record, str_host_name, str_reported_name)
                SELECT md5($1 || name), $1, name, name FROM unnest($2::text[]) name";
    sqlx::query(hold)
        .bind(limit)
        .bind(&holders)
        .execute(pool)
        .await
        .unwrap();
    if case.prior == Prior::Settled {
        let age = "UPDATE proc SET ts_dispatched = current_timestamp - interval '1 hour'
                   WHERE pk_layer IN (SELECT pk_layer FROM layer_limit WHERE pk_limit_record = $1)";
        sqlx::query(age).bind(limit).execute(pool).await.unwrap();
    }
}

fn short(case: usize, host: usize) -> String {
    format!("case{case}n{host}")
}

/// Adds one-core frames of a case's limit.
async fn job(farm: &Fixture, name: &str, tag: String, frames: usize, limit: &str) {
    let job = farm.frames(name, frames as i64, |layer| {
        layer.tags = tag;
        layer.limits = vec![limit.to_owned()];
    });
    job.await.unwrap();
}

/// A farm with all hosts, wide limits, and the frames that run before.
async fn prepare(cases: &[Case]) -> (World, Fixture, Vec<String>) {
    let db = TestDb::at(SchemaVersion::V51).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    let (show, alloc) = (
        ShowId::from(&*farm.show.id),
        AllocId::from(&*farm.allocation.id),
    );
    let cores = Centicores::cores(100_000);
    foreign::set_subscription_burst(&db.pool, &show, &alloc, cores)
        .await
        .unwrap();
    let mut limits = Vec::new();
    let mut before = 0;
    for (number, case) in cases.iter().enumerate() {
        for n in 0..HOSTS {
            // As some farms write them; reports have them short and in lower case.
            let name = format!("Case{number}N{n}.farm.example");
            let host = farm.host(&name, |host| {
                host.cores = CORES as i64 * 100;
                host.tags = vec![
                    (format!("case{number}"), "MANUAL"),
                    (short(number, n), "MANUAL"),
                ];
            });
            host.await.unwrap();
        }
        let limit = farm
            .limit(&format!("licence{number}"), 1_000)
            .await
            .unwrap();
        if case.prior != Prior::Nothing {
            job(
                &farm,
                &format!("prior{number}"),
                short(number, 0),
                PRIOR,
                &limit,
            )
            .await;
            before += PRIOR;
        }
        limits.push(limit);
    }
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &CROWDED).await;
    settles("the frames before", async || {
        world.frames("RUNNING").await == before as i64
    })
    .await;
    scheduler.drain().await;
    (world, farm, limits)
}

async fn settles(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Running frames of each case that waited when it began.
async fn running(pool: &PgPool, cases: usize) -> Vec<usize> {
    let count = "SELECT count(*) FILTER (WHERE f.str_state = 'RUNNING')
                 FROM generate_series(0, $1 - 1) n
                 LEFT JOIN job j ON j.str_name LIKE 'main' || n || '-%'
                 LEFT JOIN frame f ON f.pk_job = j.pk_job
                 GROUP BY n ORDER BY n";
    let counts: Vec<i64> = sqlx::query_scalar(count)
        .bind(cases as i32)
        .fetch_all(pool)
        .await
        .unwrap();
    counts.into_iter().map(|count| count as usize).collect()
}

/// Waits until each case has as many frames running as it must, and never sees more.
async fn until_they_run(pool: &PgPool, cases: &[Case], expected: &[usize]) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let now = running(pool, cases.len()).await;
        let passed = now
            .iter()
            .zip(expected)
            .position(|(now, expected)| now > expected);
        assert_eq!(
            passed.map(|n| (&cases[n], now[n], expected[n])),
            None,
            "too many"
        );
        if now == expected {
            break;
        }
        if tokio::time::Instant::now() > deadline {
            let wrong: Vec<_> = (0..cases.len())
                .filter(|n| now[*n] != expected[*n])
                .map(|n| (n, &cases[n], now[n], expected[n]))
                .collect();
            panic!(
                "{} cases: (number, case, running, expected) {wrong:#?}",
                wrong.len()
            );
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Binds each limit to a number of layers of jobs that are long over: beyond some number, usage is found another
/// way.
async fn age(pool: &PgPool, limits: &[String], layers: i32) {
    let bind = "INSERT INTO layer_limit (pk_layer_limit, pk_layer, pk_limit_record)
                SELECT md5(l || n), md5(l || n), l FROM unnest($1::text[]) l, generate_series(1, $2) n";
    let bind = sqlx::query(bind).bind(limits).bind(layers);
    bind.execute(pool).await.unwrap();
}

async fn lets_run_what_cuebot_would(replicas: usize, old_layers: i32) {
    let cases = all();
    let (world, farm, limits) = prepare(&cases).await;
    age(&world.db.pool, &limits, old_layers).await;
    for (number, case) in cases.iter().enumerate() {
        configure(&world.db.pool, case, number, &limits[number]).await;
        for n in 0..JOBS {
            let name = format!("main{number}-{n}");
            job(
                &farm,
                &name,
                format!("case{number}"),
                WAITING / JOBS,
                &limits[number],
            )
            .await;
        }
    }
    let mut schedulers = Vec::new();
    for _ in 0..replicas {
        schedulers.push(Scheduler::start(&world, &CROWDED).await);
    }
    let expected: Vec<usize> = cases.iter().map(Case::expected).collect();
    until_they_run(&world.db.pool, &cases, &expected).await;
    for scheduler in &schedulers {
        scheduler.rounds(5).await;
    }
    assert_eq!(
        running(&world.db.pool, cases.len()).await,
        expected,
        "and no more later"
    );
    for scheduler in schedulers {
        assert_eq!(
            scheduler.sum_of("scheduler_booking_refused_total", "database"),
            0.0
        );
        scheduler.drain().await;
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn every_kind_of_limit_lets_run_what_cuebot_would() {
    lets_run_what_cuebot_would(1, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn every_kind_of_limit_lets_run_what_cuebot_would_with_three_replicas() {
    lets_run_what_cuebot_would(3, 1_001).await;
}
