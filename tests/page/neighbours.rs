//! A leader of Maestro while the service runs: `/readyz`, `/status`, metrics, the page and `top` show it, and
//! booking goes on.

use cue_simfarm::waiting::{until, within};
use cue_store::MAESTRO_KEY;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::service::Service;
use crate::{LIVE, page};

const REMEDY: &str = "set maestro.enabled=no";

/// The code and the body of an answer.
async fn get(service: &Service, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&service.address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        service.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

async fn gauge(service: &Service) -> String {
    let (_, metrics) = get(service, "/metrics").await;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("scheduler_maestro_leader "));
    line.unwrap().to_owned()
}

async fn booked(service: &Service) -> i64 {
    let running = "SELECT count(*) FROM frame WHERE str_state = 'RUNNING'";
    service.db.value(running).await
}

async fn top(service: &Service) -> String {
    let program = env!("CARGO_BIN_EXE_cue-scheduler");
    let mut top = Command::new(program);
    let top = top
        .args(["top", "--once", "--addr", &service.address])
        .env_clear();
    let output = within("top", top.output()).await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_leader_of_maestro_is_shown_everywhere_and_does_not_stop_booking() {
    let service = Service::idle().await;
    until("the service to be ready", async || {
        get(&service, "/readyz").await.0 == 200
    })
    .await;
    assert_eq!(gauge(&service).await, "scheduler_maestro_leader 0");
    assert!(!top(&service).await.contains("Maestro"));

    let mut cuebot = service.db.pool.acquire().await.unwrap();
    let lock =
        sqlx::query_scalar("SELECT pg_backend_pid() FROM pg_advisory_lock($1)").bind(MAESTRO_KEY);
    let session: i32 = lock.fetch_one(&mut *cuebot).await.unwrap();
    until("the leader to be noticed", async || {
        get(&service, "/readyz").await.0 == 503
    })
    .await;
    let (_, not_ready) = get(&service, "/readyz").await;
    assert!(
        not_ready.contains(REMEDY) && not_ready.contains("\"maestro\""),
        "{not_ready}"
    );
    assert_eq!(gauge(&service).await, "scheduler_maestro_leader 1");
    let (_, status) = get(&service, "/status").await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["condition"]["maestro_leader"]["session"], session);
    // A sample is made each second.
    until("top to name the setting", async || {
        let shown = top(&service).await;
        shown.contains("MAESTRO") && shown.contains(REMEDY)
    })
    .await;
    service.farm.frames("late", 7, |_| {}).await.unwrap();
    until("frames to be booked all the same", async || {
        booked(&service).await == 7
    })
    .await;

    let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(MAESTRO_KEY);
    unlock.execute(&mut *cuebot).await.unwrap();
    until("the service to be ready again", async || {
        get(&service, "/readyz").await.0 == 200
    })
    .await;
    assert_eq!(gauge(&service).await, "scheduler_maestro_leader 0");
}

#[tokio::test]
async fn the_page_says_what_to_set_while_maestro_leads() {
    let Some(mut page) = page().await else { return };
    let service = Service::idle().await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    let seen = "document.getElementById('maestro').checkVisibility() === true";
    assert_eq!(page.run(seen).await, false);
    let mut cuebot = service.db.pool.acquire().await.unwrap();
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(MAESTRO_KEY);
    lock.execute(&mut *cuebot).await.unwrap();
    page.until(seen).await;
    let banner = page
        .run("document.getElementById('maestro').textContent")
        .await;
    let banner = banner.as_str().unwrap().to_owned();
    assert!(
        banner.contains("maestro.enabled=no") && banner.contains("Its leader is session"),
        "{banner}"
    );
    let verdict = page
        .run("document.getElementById('verdict').textContent")
        .await;
    assert!(verdict.as_str().unwrap().contains(REMEDY), "{verdict}");
}
