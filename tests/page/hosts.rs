//! The commands `hosts`, `pause` and `resume` and their levers, against the real program.

use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::service::Service;
use cue_simfarm::waiting::until;

const TOKEN: &str = "s3cret-s3cret-s3cret";

async fn hosts(service: &Service, arguments: &[&str], token: &str) -> Output {
    order(service, "hosts", arguments, token).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn hosts_are_listed_filtered_and_shown_one_by_one() {
    let service = Service::start(&[("CUE_ADMIN_TOKEN", TOKEN)]).await;
    let lock = "UPDATE host SET str_lock_state = 'NIMBY_LOCKED' WHERE str_name = 'host7'";
    sqlx::query(lock).execute(&service.db.pool).await.unwrap();
    until("the locked host to be listed", async || {
        let listed = hosts(&service, &["--state", "locked"], "").await;
        text(&listed.stdout).contains("host7  yard.general  locked")
    })
    .await;
    let all = text(&hosts(&service, &[], "").await.stdout);
    assert_eq!(all.lines().count(), 12, "{all}");
    assert!(all.contains("10 hosts, "), "{all}");
    assert!(all.contains("NIMBY_LOCKED"), "{all}");
    let few = text(&hosts(&service, &["--limit", "3"], "").await.stdout);
    assert!(few.contains("7 more are not listed"), "{few}");
    let one = text(&hosts(&service, &["host7"], "").await.stdout);
    assert!(one.contains("note        NIMBY_LOCKED"), "{one}");
    let json = text(&hosts(&service, &["--json", "host0"], "").await.stdout);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["allocation"], "yard.general");
    let unknown = hosts(&service, &["host77"], "").await;
    assert_eq!(unknown.status.code(), Some(1));
    let error = text(&unknown.stderr);
    assert!(error.contains("there is no host `host77`"), "{error}");
}

#[tokio::test]
async fn a_host_is_forgiven_with_the_token_a_name_and_a_reason_only() {
    let service = Service::start(&[("CUE_ADMIN_TOKEN", TOKEN)]).await;
    let lever = ["host1", "--forgive", "--reason", "the switch was replaced"];
    let guess = hosts(&service, &lever, "guess").await;
    assert!(text(&guess.stderr).contains("not the token"), "{guess:?}");
    let pulled = hosts(&service, &lever, TOKEN).await;
    let answer = text(&pulled.stdout);
    assert_eq!(answer, "host1 did not back off on this replica\n");
    let blank = ["host1", "--forgive", "--reason", " "];
    let blank = hosts(&service, &blank, TOKEN).await;
    assert!(text(&blank.stderr).contains("`reason`"), "{blank:?}");
    let silent = hosts(&service, &["host1", "--forgive"], TOKEN).await;
    assert_eq!(silent.status.code(), Some(64), "clap asks for the reason");
}

async fn order(service: &Service, command: &str, arguments: &[&str], token: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"));
    let program = program
        .args([command, "--addr", &service.address])
        .args(arguments)
        .env_clear()
        .env("USER", "ann")
        .env("CUE_ADMIN_TOKEN", token)
        .stdin(Stdio::null());
    program.output().await.unwrap()
}

#[tokio::test]
async fn booking_is_paused_and_resumed_from_the_command_line_and_everything_says_so() {
    let service = Service::start(&[("CUE_ADMIN_TOKEN", TOKEN)]).await;
    let reason = ["--reason", "the filers are full"];
    let guess = order(&service, "pause", &reason, "guess").await;
    assert!(text(&guess.stderr).contains("not the token"), "{guess:?}");
    let show = [&reason[..], &["--show", "alpha", "--for", "1h"]].concat();
    let paused = text(&order(&service, "pause", &show, TOKEN).await.stdout);
    assert!(
        paused.starts_with("show/alpha is paused by ann since ")
            && paused.ends_with(" min more: the filers are full\n"),
        "{paused}"
    );
    let unknown = [&reason[..], &["--show", "gamma"]].concat();
    let unknown = text(&order(&service, "pause", &unknown, TOKEN).await.stderr);
    assert!(unknown.contains("there is no show/gamma"), "{unknown}");

    let ready = cue_scheduler::client::get(&service.address, "/readyz")
        .await
        .unwrap();
    assert_eq!(ready.code, 200);
    assert!(ready.body.contains("the filers are full"), "{}", ready.body);
    let why = order(&service, "why", &["huge"], "").await;
    let why = text(&why.stdout);
    assert!(why.contains("huge"), "{why}");
    let metrics = cue_scheduler::client::get(&service.address, "/metrics")
        .await
        .unwrap();
    assert!(metrics.body.contains("scheduler_pauses{scope=\"show\"} 1"));
    let check = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
        .args(["check", "--database-url", &service.db.url])
        .env_clear()
        .output()
        .await
        .unwrap();
    let check = text(&check.stdout);
    assert!(
        check.contains("booking is paused for show/alpha, by ann"),
        "{check}"
    );

    service.farm.frames("late", 1, |_| {}).await.unwrap();
    until("the waiting frame to be blamed on the pause", async || {
        let why = text(&order(&service, "why", &["late"], "").await.stdout);
        why.contains("booking is paused for show alpha, by ann")
    })
    .await;
    let fixed = ["--show", "alpha", "--reason", "fixed"];
    let resumed = text(&order(&service, "resume", &fixed, TOKEN).await.stdout);
    assert_eq!(resumed, "show/alpha is resumed\nnothing is paused\n");
    let again = text(&order(&service, "resume", &fixed, TOKEN).await.stdout);
    assert_eq!(again, "show/alpha was not paused\nnothing is paused\n");
    until("the waiting frame to be booked", async || {
        let running =
            "SELECT count(*) FROM proc JOIN job USING (pk_job) WHERE job.str_name LIKE '%late%'";
        let running: i64 = sqlx::query_scalar(running)
            .fetch_one(&service.db.pool)
            .await
            .unwrap();
        running == 1
    })
    .await;
}
