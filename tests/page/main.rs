//! The live page in a real browser, on the real program, on a farm in a box.
//!
//! Where no Chromium is found the tests say so loudly and prove nothing; everything the page gets
//! from the server is tested without a browser beside the server itself.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod browser;

use std::process::Stdio;
use std::time::Duration;

use browser::Page;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Waits for something, for a minute at most.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    match tokio::time::timeout(limit, wait).await {
        Ok(value) => value,
        Err(_) => panic!("waited a minute for {what}"),
    }
}

/// The program on a farm of ten hosts.
struct Service {
    address: String,
    child: Child,
    _log: JoinSet<()>,
    _db: TestDb,
}

async fn service(more: &[(&str, &str)]) -> Service {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    for host in 0..10 {
        farm.host(&format!("host{host}"), |_| {}).await.unwrap();
    }
    farm.frames("shot", 40, |_| {}).await.unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
        .arg("run")
        .env_clear()
        .env("CUE_DATABASE_URL", &db.url)
        .env("CUE_ADMIN_ADDR", "127.0.0.1:0")
        .env("CUE_DRY_RUN", "true")
        .env("CUE_LOG_FORMAT", "json")
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = within("the admin server to listen", async {
        loop {
            let line = lines.next_line().await.unwrap();
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            if let Some(address) = line["addr"].as_str() {
                return address.to_owned();
            }
        }
    })
    .await;
    let mut log = JoinSet::new();
    log.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Service {
        address,
        child,
        _log: log,
        _db: db,
    }
}

/// A page of a browser, or none and a loud message.
async fn page() -> Option<Page> {
    let page = Page::open().await;
    if page.is_none() {
        eprintln!("\n*** SKIPPED: no Chromium was found, so the live page was NOT tested ***\n");
    }
    page
}

const LIVE: &str = "document.getElementById('link')?.dataset.state === 'live'";

#[tokio::test]
async fn the_page_shows_the_six_stages_with_numbers_that_are_live() {
    let Some(mut page) = page().await else { return };
    let service = service(&[]).await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    let names = "[...document.querySelectorAll('#flow .stage h3')].map((one) => one.textContent)";
    let wanted = json!([
        "cluster_feed",
        "job_fetch",
        "layer_lock",
        "host_match",
        "dispatch",
        "check_in"
    ]);
    assert_eq!(page.run(names).await, wanted);
    page.until("document.getElementById('frames-total').textContent === '40'")
        .await;
    let dispatch = "document.querySelector('[data-name=dispatch] .busy').textContent";
    assert!(
        page.run(dispatch)
            .await
            .as_str()
            .unwrap()
            .ends_with(" of 4")
    );
    let queues = "[...document.querySelectorAll('.queue .depth')].map((one) => one.textContent.split(' / ')[1])";
    assert_eq!(page.run(queues).await, json!(["4", "32", "1", "2", "8"]));
    assert_eq!(
        page.run("document.getElementById('hosts').textContent")
            .await,
        "10"
    );
    let clusters = page
        .run("document.getElementById('clusters').textContent")
        .await;
    assert!(
        clusters
            .as_str()
            .unwrap()
            .contains("yard/alpha/alloc:general"),
        "{clusters}"
    );
    assert_eq!(
        page.run("document.getElementById('dry-run').hidden").await,
        false
    );
    let before = page
        .run("document.getElementById('uptime').textContent")
        .await;
    page.until(&format!(
        "document.getElementById('uptime').textContent !== {before}"
    ))
    .await;
}

#[tokio::test]
async fn nothing_sticks_out_of_a_phone_and_no_row_moves_as_numbers_change() {
    let Some(mut page) = page().await else { return };
    let service = service(&[]).await;
    page.resize(375, 800).await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    let wide = "document.documentElement.scrollWidth";
    assert_eq!(page.run(wide).await, 375);
    let places =
        "[...document.querySelectorAll('.stage')].map((one) => one.getBoundingClientRect().top)";
    page.until("document.getElementById('frames-total').textContent === '40'")
        .await;
    let before = page.run(places).await;
    let now = page
        .run("document.getElementById('uptime').textContent")
        .await;
    page.until(&format!(
        "document.getElementById('uptime').textContent > {now}"
    ))
    .await;
    assert_eq!(page.run(places).await, before);
}

#[tokio::test]
async fn workers_are_changed_from_the_page_with_the_token_only() {
    let Some(mut page) = page().await else { return };
    let service = service(&[("CUE_ADMIN_TOKEN", "s3cret")]).await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    page.run("document.querySelector('[data-name=dispatch] .resize').click()")
        .await;
    assert_eq!(
        page.run("document.getElementById('stage').value").await,
        "dispatch"
    );
    let set = |token: &str| {
        format!(
            "document.getElementById('token').value = '{token}'; document.getElementById('workers').value = 6; \
             document.querySelector('button[value=workers]').click()"
        )
    };
    page.run(&set("guess")).await;
    page.until("document.getElementById('answer').textContent.includes('not the token')")
        .await;
    page.run(&set("s3cret")).await;
    page.until("document.getElementById('answer').textContent === 'dispatch now has 6 workers'")
        .await;
    page.until(
        "document.querySelector('[data-name=dispatch] .busy').textContent.endsWith(' of 6')",
    )
    .await;
}

#[tokio::test]
async fn a_service_that_ends_shows_as_disconnected() {
    let Some(mut page) = page().await else { return };
    let mut service = service(&[]).await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    service.child.kill().await.unwrap();
    page.until("document.getElementById('link').dataset.state === 'disconnected'")
        .await;
    assert_eq!(
        page.run("document.body.classList.contains('stale')").await,
        true
    );
}
