//! Licences that the farm shares with artists.

use std::collections::BTreeSet;
use std::time::Duration;

use cue_simfarm::seed::LimitSpec;
use sqlx::PgPool;

use super::caps::CORES_672;
use super::farms::{hosts, mean};
use crate::quality::farm::Farm;
use crate::quality::outcome::Outcome;
use crate::quality::timeline::{Timeline, whole};

/// Licences by frames, and by hosts.
const FRAMES: u64 = 60;
const HOSTS: u64 = 8;

/// Licences that artists take midway.
const ARTISTS: (u64, u64) = (20, 3);

/// Time between two requests of an artist for a licence.
const ASK: Duration = Duration::from_millis(15);

/// Longest time for which artists go on asking.
const PATIENCE: f64 = 8.0;

/// Pools of HOST and FRAME licences; artists take seats midway, as the licence server has them.
pub async fn licence() -> anyhow::Result<Outcome> {
    let mut spec = hosts(&CORES_672);
    for (name, max) in [("frames", FRAMES), ("hosts", HOSTS)] {
        spec.limits.push(LimitSpec {
            name: name.to_owned(),
            max: i32::try_from(max)?,
            share: 0.0,
        });
    }
    let mut farm = Farm::open(&spec, mean(2.5)).await?;
    let pool = farm.db.pool.clone();
    let limits: Vec<String> =
        sqlx::query_scalar("SELECT pk_limit_record FROM limit_record ORDER BY str_name")
            .fetch_all(&pool)
            .await?;
    sqlx::query("UPDATE limit_record SET str_type = 'HOST' WHERE str_name = 'hosts'")
        .execute(&pool)
        .await?;
    let mut jobs = Vec::new();
    for (n, limit) in limits.iter().enumerate() {
        let mut job = farm.plain(&format!("licensed{n}"), 80, 2, 1_500)?;
        job.layers
            .iter_mut()
            .for_each(|layer| layer.limits.push(limit.clone()));
        jobs.push(job);
    }
    jobs.push(farm.plain("other", 20, 2, 700)?);
    farm.submit(&jobs).await?;
    farm.watch_caps();
    farm.start(1).await?;
    farm.run(7.0).await;
    let began = farm.now();
    let mut taken: Vec<(f64, u64, u64)> = Vec::new();
    let (mut frames, mut seats) = (0, 0);
    while farm.now() < began + PATIENCE && (frames, seats) != ARTISTS {
        frames += u64::from(frames < ARTISTS.0 && take_frame(&pool, &limits[0]).await?);
        seats += u64::from(seats < ARTISTS.1 && take_host(&pool, &limits[1], seats).await?);
        taken.push((farm.now(), frames, seats));
        tokio::time::sleep(ASK).await;
    }
    farm.run(4.0).await;
    let retries: i64 = sqlx::query_scalar("SELECT coalesce(sum(int_retries), 0)::int8 FROM frame")
        .fetch_one(&pool)
        .await?;
    drop(pool);
    let seen = farm.close().await?;
    let (over, sharing) = use_with_artists(&seen.timeline, &taken);
    Ok(seen
        .outcome()
        .at_most("moments with more taken than there are", whole(over), 0.0)
        .at_least("frames of a host seat, mean", sharing, 4.0)
        .at_least("licences that artists got", whole(frames + seats), 10.0)
        .at_most("retries charged", whole(retries.unsigned_abs()), 0.0))
}

/// Launches after which farm and artists had more licences than there are, and the mean number of frames
/// that shared a host's licence.
fn use_with_artists(timeline: &Timeline, taken: &[(f64, u64, u64)]) -> (u64, f64) {
    let artists = |time: f64| {
        let last = taken.iter().rfind(|taken| taken.0 <= time);
        last.map_or((0, 0), |taken| (taken.1, taken.2))
    };
    let (mut over, mut shared, mut seats) = (0, 0, 0);
    for run in timeline.runs.iter().filter(|run| run.job < 2) {
        let beside = || {
            timeline
                .runs
                .iter()
                .filter(|other| other.job == run.job && other.is_at(run.start))
        };
        let running = beside().count() as u64;
        let (frames, hosts) = artists(run.start);
        if run.job == 0 {
            over += u64::from(running + frames > FRAMES);
        } else {
            let holders: BTreeSet<usize> = beside().map(|other| other.host).collect();
            over += u64::from(holders.len() as u64 + hosts > HOSTS);
            shared += running;
            seats += holders.len() as u64;
        }
    }
    (over, whole(shared) / whole(seats.max(1)))
}

/// Takes a licence by frames if one is free. The row is locked as a booking locks it.
async fn take_frame(pool: &PgPool, limit: &str) -> anyhow::Result<bool> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, limit).await?;
    let taken = sqlx::query(
        "INSERT INTO limit_usage (pk_limit_record, int_settled_usage)
         SELECT r.pk_limit_record, 1 FROM limit_record r
          WHERE r.pk_limit_record = $1
            AND r.int_max_value > coalesce((SELECT int_settled_usage FROM limit_usage WHERE pk_limit_record = $1), 0)
              + (SELECT count(*) FROM proc p JOIN layer_limit l ON l.pk_layer = p.pk_layer
                  WHERE l.pk_limit_record = $1)
         ON CONFLICT (pk_limit_record) DO UPDATE
            SET int_settled_usage = limit_usage.int_settled_usage + 1",
    )
    .bind(limit)
    .execute(&mut *tx)
    .await?;
    report(tx, limit).await?;
    Ok(taken.rows_affected() > 0)
}

/// Takes a licence by hosts for a workstation if one is free.
async fn take_host(pool: &PgPool, limit: &str, number: u64) -> anyhow::Result<bool> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, limit).await?;
    let taken = sqlx::query(
        "INSERT INTO limit_host (pk_limit_host, pk_limit_record, str_host_name, str_reported_name)
         SELECT md5($1 || $2), $1, $2, $2 FROM limit_record r
          WHERE r.pk_limit_record = $1
            AND r.int_max_value > (SELECT count(*) FROM limit_host WHERE pk_limit_record = $1)
              + (SELECT count(DISTINCT p.pk_host) FROM proc p JOIN layer_limit l ON l.pk_layer = p.pk_layer
                  WHERE l.pk_limit_record = $1)",
    )
    .bind(limit)
    .bind(format!("workstation{number}"))
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO limit_usage (pk_limit_record, int_settled_hosts)
         SELECT $1, (SELECT count(*) FROM limit_host WHERE pk_limit_record = $1)
         ON CONFLICT (pk_limit_record) DO UPDATE SET int_settled_hosts = excluded.int_settled_hosts",
    )
    .bind(limit)
    .execute(&mut *tx)
    .await?;
    report(tx, limit).await?;
    Ok(taken.rows_affected() > 0)
}

async fn lock(conn: &mut sqlx::PgConnection, limit: &str) -> anyhow::Result<()> {
    sqlx::query("SELECT 1 FROM limit_record WHERE pk_limit_record = $1 FOR NO KEY UPDATE")
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends the transaction with the licence server's report. What was dispatched lately counts beside it.
async fn report(mut tx: sqlx::Transaction<'_, sqlx::Postgres>, limit: &str) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE limit_record SET ts_reported = current_timestamp WHERE pk_limit_record = $1",
    )
    .bind(limit)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
