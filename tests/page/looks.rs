//! Layout of the page: on a desk and on a phone, by day and by night.

use cue_simfarm::foreign;
use cue_simfarm::waiting::until;
use serde_json::{Value, json};

use crate::service::Service;
use crate::{LIVE, Page, page};

/// Every text that can be seen, with the contrast to what is behind it: those below what a small text
/// needs by WCAG 2.1 (4.5 to 1). Colours that are see-through are laid over what is below them.
const FAINT: &str = r#"(() => {
  const parse = (text) => { const n = text.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(parse(getComputedStyle(at).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  const faint = texts.map((element) => {
    const back = behind(element);
    const front = over(parse(getComputedStyle(element).color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    return [element.textContent.trim().slice(0, 40), Math.round(100 * (a + 0.05) / (b + 0.05)) / 100];
  });
  return { seen: faint.length, faint: faint.filter(([, contrast]) => contrast < 4.5) };
})()"#;

async fn assert_readable(page: &mut Page, width: u32, theme: &str) {
    page.resize(width, 900).await;
    page.theme(theme).await;
    // A scroll bar takes its part of the width.
    let root = "document.documentElement";
    let fits = format!("{root}.scrollWidth === {root}.clientWidth");
    assert_eq!(page.run(&fits).await, true, "nothing sticks out, {theme}");
    let looked: Value = page.run(FAINT).await;
    assert!(looked["seen"].as_u64().unwrap() > 50, "{looked}");
    assert_eq!(looked["faint"], json!([]), "{width} wide, {theme}");
}

#[tokio::test]
async fn the_page_is_readable_on_a_desk_and_on_a_phone_in_light_and_dark() {
    let Some(mut page) = page().await else { return };
    let service = Service::start(&[]).await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    let mut backs = Vec::new();
    for theme in ["light", "dark"] {
        for width in [1280, 375] {
            assert_readable(&mut page, width, theme).await;
        }
        let back = "getComputedStyle(document.documentElement).backgroundColor";
        backs.push(page.run(back).await);
    }
    assert_ne!(backs[0], backs[1], "the themes differ");
}

#[tokio::test]
async fn the_page_tells_what_each_cap_refused_last() {
    let Some(mut page) = page().await else { return };
    let service = Service::patient().await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    // The cap is lowered between the query that finds the job and the lock on its counters: the booking waits
    // for the lock of another session, which the database itself reports. The job is paused until then,
    // because nothing of it may be booked before.
    let tags = &service.farm.allocation.name;
    let job = service.farm.job("capped", |job| {
        job.paused = true;
        job.layer("render", tags, |layer| layer.frames = 4);
    });
    let job = job.await.unwrap();
    let mut other = service.db.pool.begin().await.unwrap();
    sqlx::query("UPDATE job_resource SET int_max_cores = 200 WHERE pk_job = $1")
        .bind(&job.id)
        .execute(&mut *other)
        .await
        .unwrap();
    foreign::pause_job(&service.db.pool, &job.id.as_str().into(), false)
        .await
        .unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("a booking that waits for the counters", async || {
        let waiting: i64 = service.db.value(waiting).await;
        waiting > 0
    })
    .await;
    other.commit().await.unwrap();
    let refusals = "document.getElementById('last-refusals').textContent";
    page.until(&format!("{refusals} !== ''")).await;
    let shown = page.run(refusals).await;
    let shown = shown.as_str().unwrap();
    assert!(
        shown.starts_with("render of ") && shown.contains("its cap is"),
        "{shown}"
    );
}
