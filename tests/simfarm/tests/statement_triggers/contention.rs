//! Eight sessions on the same layers and jobs: starts and ends of single frames as Cuebot makes them, bookings of many
//! layers in the order of locks of the scheduler, and updates of many frames that lock nothing beforehand.

use cue_simfarm::dice::Dice;
use cue_simfarm::schema::SchemaVersion::V47;
use cue_simfarm::schema::statement_triggers::INSTALL;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::task::JoinSet;

use crate::farm::{FRAMES, LAYERS, farm};

const SESSIONS: u64 = 8;
const TRANSACTIONS: u64 = 150;

/// Counters that differ from the frames.
const MISCOUNTED: &str = "
    select s.pk_layer::text from layer_stat s
    cross join lateral (
        select count(*) filter (where f.str_state = 'WAITING') as waiting,
               count(*) filter (where f.str_state = 'RUNNING') as running,
               count(*) filter (where f.str_state = 'SUCCEEDED') as succeeded
        from frame f where f.pk_layer = s.pk_layer) f
    where (s.int_waiting_count, s.int_running_count, s.int_succeeded_count) <> (f.waiting, f.running, f.succeeded)
    union all
    select s.pk_job from job_stat s
    cross join lateral (
        select count(*) filter (where f.str_state = 'WAITING') as waiting,
               count(*) filter (where f.str_state = 'RUNNING') as running,
               count(*) filter (where f.str_state = 'SUCCEEDED') as succeeded
        from frame f where f.pk_job = s.pk_job) f
    where (s.int_waiting_count, s.int_running_count, s.int_succeeded_count) <> (f.waiting, f.running, f.succeeded)
    union all
    select f.pk_frame from frame f
    where (select count(*) from frame_history h where h.pk_frame = f.pk_frame and h.int_ts_stopped = 0)
          <> (f.str_state = 'RUNNING')::int";

fn transaction(dice: &mut Dice) -> String {
    let (frame, layer) = (dice.below(FRAMES), dice.below(LAYERS));
    match dice.below(4) {
        0 => format!(
            "begin; update frame set str_state = 'RUNNING', str_host = 'h.name', ts_started = now() \
             where pk_frame = 'x{frame}' and str_state = 'WAITING'; commit"
        ),
        1 => format!(
            "begin; update frame set str_state = 'SUCCEEDED', int_exit_status = 0, ts_stopped = now() \
             where pk_frame = 'x{frame}' and str_state = 'RUNNING'; commit"
        ),
        2 => format!(
            "begin; create temp table mine on commit drop as select pk_frame, pk_layer, pk_job from frame \
             where pk_layer in ('l{layer}', 'l{}') and str_state = 'WAITING' \
             order by pk_frame limit 9 for no key update skip locked; \
             select from layer_stat where pk_layer in (select pk_layer from mine) order by pk_layer_stat for no key update; \
             select from job_stat where pk_job in (select pk_job from mine) order by pk_job_stat for no key update; \
             update frame set str_state = 'RUNNING', str_host = 'h.name', ts_started = now() \
             where pk_frame in (select pk_frame from mine); commit",
            dice.below(LAYERS)
        ),
        _ => "begin; update frame set str_state = 'WAITING', int_exit_status = 1, ts_stopped = now() \
              where pk_frame in (select pk_frame from frame where str_state in ('SUCCEEDED', 'RUNNING') \
              order by pk_frame limit 12 for no key update); commit"
            .to_owned(),
    }
}

async fn session(pool: PgPool, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut conn = pool.acquire().await.unwrap();
    for _ in 0..TRANSACTIONS {
        let script = transaction(&mut dice);
        let done = sqlx::raw_sql(AssertSqlSafe(script.clone()))
            .execute(&mut *conn)
            .await;
        if let Err(error) = done {
            panic!("{error}\n{script}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_sessions_never_deadlock_and_every_count_is_exact() {
    let db = farm(V47).await;
    db.run("update frame set str_state = 'WAITING' where str_state = 'SETUP'")
        .await;
    db.run("update layer_stat s set int_waiting_count = (select count(*) from frame f where f.pk_layer = s.pk_layer);
         update job_stat s set int_waiting_count = (select count(*) from frame f where f.pk_job = s.pk_job)",
    )
    .await;
    db.run(INSTALL).await;
    let mut sessions = JoinSet::new();
    for seed in 0..SESSIONS {
        sessions.spawn(session(db.pool.clone(), seed));
    }
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }
    assert_eq!(db.values::<String>(MISCOUNTED).await, Vec::<String>::new());
    let runs: i64 = sqlx::query_scalar("select count(*) from frame_history")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert!(runs > 100, "{runs} runs");
}
