//! Writers with savepoints, rollbacks and slow commits, and a mirror that is compared while their work is open.
//!
//! Rows that others can see change with a commit only, so no commit happens during a comparison: a look and a complete pass
//! are then of one state, with transactions open before, across and behind it.

use std::sync::Arc;
use std::time::Duration;

use cue_simfarm::dice::Dice;
use cue_simfarm::seed::LayerSpec;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use tokio::sync::RwLock;

use super::Reader;
use crate::writers;
use crate::yard::Yard;

const WRITERS: u64 = 6;
const JOBS: u64 = 12;
const COMPARISONS: u32 = 40;

/// Changes of a writer to the rows of one job.
const OF_A_JOB: [&str; 8] = [
    "UPDATE frame SET str_state = CASE str_state WHEN 'WAITING' THEN 'SUCCEEDED' ELSE 'WAITING' END
     WHERE pk_job = '{job}' AND int_number % {n} = 0",
    "UPDATE frame SET str_state = 'DEAD'
     WHERE pk_layer = (SELECT pk_layer FROM layer WHERE pk_job = '{job}' ORDER BY md5(pk_layer || {n}) LIMIT 1)",
    "UPDATE frame SET str_state = 'WAITING' WHERE pk_job = '{job}'",
    "UPDATE job SET b_paused = ({n} = 1) WHERE pk_job = '{job}'",
    "UPDATE job SET str_state = CASE {n} WHEN 1 THEN 'FINISHED' ELSE 'PENDING' END WHERE pk_job = '{job}'",
    "UPDATE job_resource SET int_max_cores = 100 * ({n} - 1), int_priority = {n} WHERE pk_job = '{job}'",
    "UPDATE job_resource SET int_cores = CASE int_cores WHEN 0 THEN 100 ELSE 0 END,
            int_max_cores = greatest(int_max_cores, 100) WHERE pk_job = '{job}'",
    "UPDATE job SET pk_folder = (SELECT pk_folder FROM folder ORDER BY md5(pk_folder || {n}) LIMIT 1)
     WHERE pk_job = '{job}'",
];

/// Changes of a writer to rows that jobs share.
const SHARED: [&str; 4] = [
    "UPDATE folder_resource SET int_max_cores = CASE int_max_cores WHEN -1 THEN 1000 ELSE -1 END",
    "UPDATE folder_resource SET int_cores = int_cores + 100 WHERE int_max_cores <> -1 OR {n} = 1",
    "UPDATE show SET b_scheduler_managed = ({n} <> 1)",
    "UPDATE subscription SET int_size = int_size + {n}",
];

async fn execute(tx: &mut Transaction<'static, Postgres>, sql: String) -> Result<(), sqlx::Error> {
    let run = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx);
    run.await.map(drop)
}

/// One transaction. Rows of jobs are taken in one order, so that writers seldom wait for each other in a circle.
async fn write(
    pool: &PgPool,
    jobs: &[String],
    dice: &mut Dice,
    commits: &RwLock<()>,
) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    let filled = |sql: &str, job: &str, dice: &mut Dice| {
        let n = (dice.below(4) + 1).to_string();
        sql.replace("{job}", job).replace("{n}", &n)
    };
    if dice.below(8) == 0 {
        let sql = dice.pick(&SHARED).unwrap();
        let sql = filled(sql, "", dice);
        execute(&mut tx, sql).await?;
    } else {
        for job in jobs
            .iter()
            .filter(|_| dice.below(4) == 0)
            .collect::<Vec<_>>()
        {
            execute(&mut tx, "SAVEPOINT a".to_owned()).await?;
            let sql = dice.pick(&OF_A_JOB).unwrap();
            let sql = filled(sql, job, dice);
            execute(&mut tx, sql).await?;
            match dice.below(3) {
                0 => execute(&mut tx, "ROLLBACK TO SAVEPOINT a".to_owned()).await?,
                1 => execute(&mut tx, "RELEASE SAVEPOINT a".to_owned()).await?,
                _ => {}
            }
            tokio::time::sleep(dice.ms(0, 4)).await;
        }
    }
    writers::end(tx, dice, commits).await
}

async fn world() -> (Yard, Vec<String>) {
    let yard = Yard::new().await;
    for name in ["left", "right"] {
        yard.farm.folder(name, -1, -1).await.unwrap();
    }
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        let name = format!("job{n:02}");
        let job = yard.farm.job(&name, |job| {
            for name in ["x", "y", "z"] {
                let mut layer = LayerSpec::new(name, "general");
                layer.frames = 3;
                job.layers.push(layer);
            }
        });
        jobs.push(job.await.unwrap().id);
    }
    jobs.sort_unstable();
    (yard, jobs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mirror_kept_by_looks_equals_the_database_among_writers() {
    let (yard, jobs) = world().await;
    let commits = Arc::new(RwLock::new(()));
    let mut reader = Reader::new(&yard.store).await;
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..WRITERS {
        let (pool, jobs, commits) = (yard.db.pool.clone(), jobs.clone(), Arc::clone(&commits));
        writers.spawn(async move {
            let mut dice = Dice::new(seed + 1);
            loop {
                // A deadlock is a rollback as well.
                drop(write(&pool, &jobs, &mut dice, &commits).await);
            }
        });
    }
    let (mut looks, mut gone, mut layers, mut emptied) = (0, 0, 0, 0);
    for n in 0..COMPARISONS {
        for _ in 0..n % 5 {
            let rows = reader.look(&yard.store).await;
            assert!(!rows.complete);
            looks += 1;
            gone += rows.gone_jobs.len();
            layers += rows.layers.len();
            emptied += rows
                .layers
                .iter()
                .filter(|layer| layer.layer.waiting == 0)
                .count();
            tokio::time::sleep(Duration::from_millis(u64::from(n % 7) * 5)).await;
        }
        let closed = commits.write().await;
        reader
            .compare(&yard.store, &format!("comparison {n}"))
            .await;
        drop(closed);
    }
    // A commit under way would go on without its writer.
    let _closed = commits.write().await;
    writers.shutdown().await;
    reader.compare(&yard.store, "at the end").await;
    assert!(
        gone > 0 && layers > 0 && emptied > 0,
        "{looks} looks: {gone}, {layers}, {emptied}"
    );
}

#[tokio::test]
async fn a_transaction_that_is_open_during_many_looks_is_seen_when_it_commits() {
    let (yard, jobs) = world().await;
    let mut reader = Reader::new(&yard.store).await;
    let waiting = |reader: &Reader, job: &str| -> i64 {
        let layers = reader.mirror.layers.values();
        let layers = layers.filter(|layer| layer.job.as_str() == job);
        layers.map(|layer| layer.layer.waiting).sum()
    };
    let dead = |job: &str| {
        format!("UPDATE frame SET str_state = 'DEAD' WHERE int_number = 1 AND pk_job = '{job}'")
    };
    let mut long = yard.db.pool.begin().await.unwrap();
    execute(&mut long, dead(&jobs[0])).await.unwrap();
    let savepoint = format!("SAVEPOINT a; {}; RELEASE SAVEPOINT a", dead(&jobs[1]));
    execute(&mut long, savepoint).await.unwrap();
    let undone = format!("SAVEPOINT b; {}; ROLLBACK TO SAVEPOINT b", dead(&jobs[2]));
    execute(&mut long, undone).await.unwrap();
    for job in &jobs[3..9] {
        let mut short = yard.db.pool.begin().await.unwrap();
        execute(&mut short, dead(job)).await.unwrap();
        short.commit().await.unwrap();
        reader.look(&yard.store).await;
        assert_eq!(waiting(&reader, job), 6);
        assert_eq!([0, 1, 2].map(|n| waiting(&reader, &jobs[n])), [9; 3]);
        reader.compare(&yard.store, job).await;
    }
    long.commit().await.unwrap();
    reader.look(&yard.store).await;
    assert_eq!([0, 1, 2].map(|n| waiting(&reader, &jobs[n])), [6, 6, 9]);
    reader.compare(&yard.store, "committed").await;
    reader.settle(&yard.store).await;
}
