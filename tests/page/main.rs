//! The live page in a real browser, on the real program, on a farm in a box.
//!
//! Without Chromium the tests say so loudly and prove nothing; everything the page gets
//! from the server is tested without a browser beside the server itself.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod browser;
mod closed;
mod failing;
mod farm;
mod hosts;
mod looks;
mod many_hosts;
mod neighbours;
mod pipes;
mod service;
mod states;
mod terminal;

use std::io::Write as _;

use browser::Page;
use serde_json::json;
use service::Service;

/// A page of a browser, or none and a loud message.
pub async fn page() -> Option<Page> {
    let page = Page::open().await;
    if page.is_none() {
        // Written past the test's own capture, which would swallow it.
        let _told = std::io::stderr().write_all(SKIPPED.as_bytes());
    }
    page
}

const SKIPPED: &str =
    "\n*** SKIPPED: no Chromium was found, so the live page was NOT tested ***\n\n";

/// The page has fresh numbers.
pub const LIVE: &str = "document.getElementById('link')?.dataset.state === 'live'";

#[tokio::test]
async fn the_page_shows_the_six_stages_with_numbers_that_are_live() {
    let Some(mut page) = page().await else { return };
    let service = Service::start(&[]).await;
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
        clusters.as_str().unwrap().contains("yard/alpha"),
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
    let service = Service::start(&[]).await;
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
    let service = Service::start(&[("CUE_ADMIN_TOKEN", "s3cret-s3cret-s3cret")]).await;
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
    page.run(&set("s3cret-s3cret-s3cret")).await;
    page.until("document.getElementById('answer').textContent === 'dispatch now has 6 workers'")
        .await;
    page.until(
        "document.querySelector('[data-name=dispatch] .busy').textContent.endsWith(' of 6')",
    )
    .await;
}
