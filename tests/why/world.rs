//! The program under question, and the farm it is asked about.

use std::process::{Output, Stdio};

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::within;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

pub fn program(words: &[&str], url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"));
    command
        .args(words)
        .env_clear()
        .env("CUE_DATABASE_URL", url)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Asks the database: no service listens at the discard port.
pub async fn ask(db: &TestDb, subject: &str) -> Output {
    let mut asked = program(&["why", subject], &db.url);
    within(
        "an answer",
        asked.env("CUE_ADMIN_ADDR", "127.0.0.1:9").output(),
    )
    .await
    .unwrap()
}

pub async fn sentence(db: &TestDb, subject: &str) -> String {
    printed(subject, &ask(db, subject).await)
}

/// The sentence that was printed.
pub fn printed(subject: &str, output: &Output) -> String {
    let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{subject}: {err}");
    String::from_utf8_lossy(out).trim().to_owned()
}

pub async fn farm() -> (TestDb, Fixture) {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    farm.host("big", |_| {}).await.unwrap();
    (db, farm)
}

pub async fn change(db: &TestDb, sql: &'static str, key: &str) {
    let changed = sqlx::query(sql).bind(key).execute(&db.pool).await.unwrap();
    assert_eq!(changed.rows_affected(), 1, "{sql}");
}

/// Starts the service with these settings; its log must be kept, or it would write to nobody.
pub async fn service(
    url: &str,
    settings: &[(&str, &str)],
) -> (Child, String, Lines<BufReader<ChildStderr>>) {
    let mut command = program(&["run"], url);
    let mut child = command
        .env("CUE_ADMIN_ADDR", "127.0.0.1:0")
        .env("CUE_LOG_FORMAT", "json")
        .envs(settings.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = within("the admin server to listen", async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["addr"].as_str() {
                return address.to_owned();
            }
        }
    })
    .await;
    (child, address, lines)
}
