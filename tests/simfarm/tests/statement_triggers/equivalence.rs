//! Random updates, counted by both kinds of trigger in the same statements: OpenCue's row triggers write copies of
//! the tables, the statement triggers the tables themselves. `CUE_TEST_SEED` and `CUE_TEST_ROUNDS` make another run.

use cue_simfarm::dice::{Dice, from_environment};
use cue_simfarm::postgres::values;
use cue_simfarm::schema::SchemaVersion::{self, V47, V51};
use cue_simfarm::schema::statement_triggers::INSTALL;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use crate::farm::farm;
use crate::updates::update;

/// Rows that only one side has. The id of a run in the history is random.
const DIFFERENCES: &str = "
    with ours as (
        select 'layer' as of, to_jsonb(t) as row from layer_stat t
        union all select 'job', to_jsonb(t) from job_stat t
        union all select 'history', to_jsonb(t) - 'pk_frame_history' from frame_history t
    ),
    theirs as (
        select 'layer' as of, to_jsonb(t) as row from shadow.layer_stat t
        union all select 'job', to_jsonb(t) from shadow.job_stat t
        union all select 'history', to_jsonb(t) - 'pk_frame_history' from shadow.frame_history t
    )
    (select 'statement trigger: ' || of || ' ' || row from (table ours except all table theirs) a)
    union all
    (select 'row trigger: ' || of || ' ' || row from (table theirs except all table ours) b)";

/// Outcome of the transactions, so that a test of nothing fails.
#[derive(Debug, Default)]
struct Played {
    committed: usize,
    rolled_back: usize,
    refused: usize,
}

/// A transaction of some updates, some of them rolled back to a savepoint.
async fn play(conn: &mut PgConnection, dice: &mut Dice, played: &mut Played) -> String {
    let mut script = "begin".to_owned();
    for _ in 0..=dice.below(3) {
        let statement = update(dice);
        script += &if dice.below(5) == 0 {
            format!(";\nsavepoint s;\n{statement};\nrollback to savepoint s")
        } else {
            format!(";\n{statement}")
        };
    }
    let end = if dice.below(6) == 0 {
        "rollback"
    } else {
        "commit"
    };
    script += &format!(";\n{end}");
    let done = sqlx::raw_sql(AssertSqlSafe(script.clone()))
        .execute(&mut *conn)
        .await;
    match done {
        Ok(_) if end == "commit" => played.committed += 1,
        Ok(_) => played.rolled_back += 1,
        Err(sqlx::Error::Database(refusal)) => {
            // Only a state without a counter is refused.
            assert_eq!(
                refusal.code().as_deref(),
                Some("42703"),
                "{refusal}\n{script}"
            );
            played.refused += 1;
            sqlx::raw_sql("rollback").execute(conn).await.unwrap();
        }
        Err(error) => panic!("{error}"),
    }
    script
}

async fn compare(pool: &PgPool, seed: u64, script: &str) {
    let differences = values::<String>(pool, DIFFERENCES).await.join("\n");
    assert!(
        differences.is_empty(),
        "CUE_TEST_SEED={seed}\n{script}\n{differences}"
    );
}

async fn play_on(version: SchemaVersion) -> cue_simfarm::postgres::TestDb {
    let db = farm(version).await;
    db.run(include_str!("shadow.sql")).await;
    db.run(INSTALL).await;
    let seed = from_environment("CUE_TEST_SEED", 1);
    let rounds = from_environment("CUE_TEST_ROUNDS", 400);
    let (mut dice, mut played) = (Dice::new(seed), Played::default());
    let mut conn = db.pool.acquire().await.unwrap();
    for _ in 0..rounds {
        let script = play(&mut conn, &mut dice, &mut played).await;
        compare(&db.pool, seed, &script).await;
    }
    let sessions = played.committed + played.rolled_back;
    assert!(
        played.committed > played.refused && sessions > 0,
        "{played:?}"
    );
    drop(conn);
    db
}

#[tokio::test]
async fn both_kinds_of_trigger_write_the_same_rows() {
    let db = play_on(V47).await;
    let runs: i64 =
        sqlx::query_scalar("select count(*) from frame_history where int_ts_stopped <> 0")
            .fetch_one(&db.pool)
            .await
            .unwrap();
    assert!(runs > 100, "{runs} runs ended");
}

#[tokio::test]
async fn the_counts_are_the_same_where_the_history_has_a_queue() {
    let db = play_on(V51).await;
    let queued: i64 = sqlx::query_scalar("select count(*) from frame_history_queue")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert!(queued > 100, "{queued} events");
}

#[tokio::test]
async fn a_state_without_a_counter_is_refused_for_one_frame_and_for_many() {
    let db = farm(V47).await;
    db.run(INSTALL).await;
    for statement in [
        "update frame set str_state = 'SETUP' where pk_frame = 'x1'",
        "update frame set str_state = 'SETUP' where pk_layer = 'l1'",
    ] {
        let error = sqlx::raw_sql(statement)
            .execute(&db.pool)
            .await
            .unwrap_err();
        let code = error
            .as_database_error()
            .and_then(|error| error.code().map(|code| code.into_owned()));
        assert_eq!(code.as_deref(), Some("42703"), "{error}");
    }
}
