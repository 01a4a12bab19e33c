//! Rows that another session holds, and facts that cannot be read for it.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::{until, within};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::world::{farm, printed, program, sentence, service};

const OPEN: &str = "can run now on 1 host, and no frame of show alpha is ahead of it.";

/// A session of a tool, in the middle of a transaction in which it locked something.
async fn tool(db: &TestDb, lock: &'static str, id: Option<&str>) -> (PgConnection, i32) {
    let mut tool = PgConnection::connect(&db.url).await.unwrap();
    for begin in ["SET application_name = 'farm-tool'", "BEGIN"] {
        sqlx::query(begin).execute(&mut tool).await.unwrap();
    }
    let query = sqlx::query(lock);
    let query = match id {
        Some(id) => query.bind(id.to_owned()),
        None => query,
    };
    query.execute(&mut tool).await.unwrap();
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut tool)
        .await;
    (tool, pid.unwrap())
}

/// A job of one layer under a limit, and the ids of layer, first frame, limit and job.
async fn limited(farm: &Fixture) -> [String; 4] {
    let limit = farm.limit("arnold", 9).await.unwrap();
    let id = limit.clone();
    let job = farm
        .frames("shot", 3, |layer| layer.limits.push(limit))
        .await
        .unwrap();
    let layer = &job.layers[0];
    [
        layer.id.clone(),
        layer.frames[0].clone(),
        id.to_string(),
        job.id.clone(),
    ]
}

#[tokio::test]
async fn a_row_that_a_session_holds_is_named_with_the_session() {
    let (db, farm) = farm().await;
    let [layer, frame, limit, job] = limited(&farm).await;
    let begins = |subject: &str, table: &str, pid: i32| {
        format!(
            "{subject} waits for a lock: farm-tool (process {pid}) holds a row of {table} that it needs, in a transaction that began "
        )
    };
    for (subject, asked, table, lock, id) in [
        (
            "job shot",
            "shot",
            "layer",
            "SELECT 1 FROM layer WHERE pk_layer = $1 FOR UPDATE",
            &layer,
        ),
        (
            "frame 0001-render of job shot",
            "shot/0001-render",
            "frame",
            "SELECT 1 FROM frame WHERE pk_frame = $1 FOR UPDATE",
            &frame,
        ),
        (
            "layer render of job shot",
            "shot/render",
            "limit_record",
            "UPDATE limit_record SET int_max_value = 8 WHERE pk_limit_record = $1",
            &limit,
        ),
        (
            "job shot",
            "shot",
            "job_resource",
            "UPDATE job_resource SET int_priority = 7 WHERE pk_job = $1",
            &job,
        ),
        (
            "job shot",
            "shot",
            "subscription",
            "UPDATE subscription SET int_burst = int_burst WHERE pk_show = (SELECT pk_show FROM job WHERE pk_job = $1)",
            &job,
        ),
    ] {
        let (mut tool, pid) = tool(&db, lock, Some(id)).await;
        // A session that was at work a moment ago is no reason yet.
        until(table, async || {
            sentence(&db, asked)
                .await
                .starts_with(&begins(subject, table, pid))
        })
        .await;
        sqlx::query("ROLLBACK").execute(&mut tool).await.unwrap();
    }
    assert!(
        sentence(&db, "shot")
            .await
            .starts_with("job shot can run now on 1 host")
    );
}

#[tokio::test]
async fn a_held_frame_holds_up_itself_and_not_its_layer_and_a_held_layer_not_another() {
    let (db, farm) = farm().await;
    let job = farm.job("shot", |job| {
        let tags = &farm.allocation.name;
        job.layer("first", tags, |layer| layer.frames = 1);
        job.layer("second", tags, |layer| layer.frames = 1);
    });
    let job = job.await.unwrap();
    let lock = "SELECT 1 FROM frame WHERE pk_frame = $1 FOR UPDATE";
    let (_frame, _) = tool(&db, lock, Some(&job.layers[0].frames[0])).await;
    let waits = |sentence: &str| sentence.contains("waits for a lock");
    until("the frame to be seen", async || {
        waits(&sentence(&db, "shot/0001-first").await)
    })
    .await;
    assert_eq!(
        sentence(&db, "shot/first").await,
        format!("layer first of job shot {OPEN}")
    );
    let lock = "SELECT 1 FROM layer WHERE pk_layer = $1 FOR UPDATE";
    let (_layer, _) = tool(&db, lock, Some(&job.layers[0].id)).await;
    until("the layer to be seen", async || {
        waits(&sentence(&db, "shot/first").await)
    })
    .await;
    let answer = sentence(&db, "shot").await;
    assert!(
        answer.starts_with("job shot: layer second can run now on 1 host"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_service_gives_the_reason_a_code() {
    let (db, farm) = farm().await;
    let [layer, ..] = limited(&farm).await;
    let lock = "SELECT 1 FROM layer WHERE pk_layer = $1 FOR UPDATE";
    let (_tool, pid) = tool(&db, lock, Some(&layer)).await;
    let (_child, address, _log) = service(&db.url, &[("CUE_DRY_RUN", "true")]).await;
    let mut answer = Value::Null;
    until("the lock to be seen", async || {
        let asked = cue_scheduler::client::get(&address, "/why/shot")
            .await
            .unwrap();
        answer = serde_json::from_str(&asked.body).unwrap();
        answer["fault"] == "held"
    })
    .await;
    assert_eq!(answer["held"]["table"], "layer");
    assert_eq!(
        answer["held"]["holder"],
        format!("farm-tool (process {pid})")
    );
    assert!(answer["held"]["since_ms"].is_u64(), "{answer}");
}

#[tokio::test]
async fn a_fact_that_cannot_be_read_is_named_after_the_answer_from_the_others() {
    let (db, farm) = farm().await;
    farm.frames("shot", 1, |_| {}).await.unwrap();
    let (_tool, _) = tool(&db, "LOCK TABLE host_tag IN ACCESS EXCLUSIVE MODE", None).await;
    let answer = sentence(&db, "shot").await;
    let wanted = "job shot is kept by no rule but, it may be, those about hosts. The hosts could not be read: statement host_tags failed";
    assert!(answer.starts_with(wanted), "{answer}");
    let pause = "UPDATE job SET b_paused = true";
    db.run(pause).await;
    let answer = sentence(&db, "shot").await;
    assert!(
        answer.starts_with(
            "job shot does not run because its job is paused. The hosts could not be read"
        ),
        "{answer}"
    );
}

#[tokio::test]
async fn a_person_waits_longer_than_a_booking_may() {
    let (db, farm) = farm().await;
    farm.frames("shot", 1, |_| {}).await.unwrap();
    let (mut tool, _) = tool(&db, "LOCK TABLE host_tag IN ACCESS EXCLUSIVE MODE", None).await;
    for words in [&["why", "shot"][..], &["check"]] {
        let mut asked = program(words, &db.url);
        asked
            .env("CUE_ADMIN_ADDR", "127.0.0.1:9")
            .env("CUE_DATABASE_STATEMENT_TIMEOUT", "300ms")
            .env("CUE_DATABASE_LOCK_TIMEOUT", "60s");
        let answer = async { within("an answer", asked.output()).await.unwrap() };
        let release = async {
            let late = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '1.5 s'";
            until("the statement to be late", async || {
                db.value::<i64>(late).await > 0
            })
            .await;
            sqlx::query("ROLLBACK").execute(&mut tool).await.unwrap();
        };
        let (output, ()) = tokio::join!(answer, release);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if words[0] == "why" {
            assert_eq!(printed("shot", &output), format!("job shot {OPEN}"));
        } else {
            assert!(!out.contains("could not be found out"), "{out}");
            assert!(out.contains("statement_timeout 300,"), "{out}");
        }
        for lock in ["BEGIN", "LOCK TABLE host_tag IN ACCESS EXCLUSIVE MODE"] {
            sqlx::query(lock).execute(&mut tool).await.unwrap();
        }
    }
}
