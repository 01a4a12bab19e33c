//! Answers of the page to questions, and its warnings when something is wrong.

use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::service::Service;
use crate::{LIVE, Page, page};

/// Returns true if a part of the page can be seen.
fn seen(id: &str) -> String {
    format!("document.getElementById('{id}')?.checkVisibility() === true")
}

fn words(id: &str) -> String {
    format!("document.getElementById('{id}').textContent")
}

async fn open(page: &mut Page, service: &Service) {
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
}

async fn run(database: &mut PgConnection, sql: String) {
    let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    statement.execute(database).await.unwrap();
}

/// Types a name into the box and presses Enter.
async fn ask(page: &mut Page, name: &str) {
    let name = json!(name);
    page.run(&format!(
        "document.getElementById('why-answer').textContent = ''; \
         document.getElementById('why-name').value = {name}; \
         document.getElementById('why-name').focus()"
    ))
    .await;
    page.enter().await;
}

async fn answered(page: &mut Page, kind: &str) -> String {
    page.until(&format!(
        "document.getElementById('why-answer').dataset.kind === '{kind}' && {} !== ''",
        words("why-answer")
    ))
    .await;
    let answer = page.run(&words("why-answer")).await;
    answer.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_page_says_why_a_frame_waits_and_takes_no_name_for_markup() {
    let Some(mut page) = page().await else { return };
    let service = Service::idle().await;
    let huge = service
        .farm
        .frames("huge", 1, |layer| layer.cores_min = 6_400);
    huge.await.unwrap();
    open(&mut page, &service).await;
    for name in ["huge", "huge/render", " huge/0001-render "] {
        ask(&mut page, name).await;
        let answer = answered(&mut page, "answer").await;
        assert!(answer.contains("needs 64 cores"), "{name}: {answer}");
    }
    for name in ["<b>no</b>", "no/such/thing", "..", "../status", "a?b#c%20"] {
        ask(&mut page, name).await;
        let answer = answered(&mut page, "none").await;
        assert!(
            answer.starts_with(&format!("there is no job, layer or frame `{name}`")),
            "{answer}"
        );
    }
    assert_eq!(
        page.run("document.querySelectorAll('#why-answer *').length")
            .await,
        0
    );
    let drawn = "linked(byId('why-answer'), '<i>, see http://jaeger/trace/1.'), byId('why-answer').innerHTML";
    let link = r#"<a href="http://jaeger/trace/1" target="_blank" rel="noreferrer">http://jaeger/trace/1</a>"#;
    assert_eq!(page.run(drawn).await, format!("&lt;i&gt;, see {link}."));
    ask(&mut page, " ").await;
    assert!(
        answered(&mut page, "none")
            .await
            .starts_with("Type the name")
    );
    assert_eq!(
        page.run("document.getElementById('why-name').labels[0].textContent.length > 10")
            .await,
        true
    );
}

#[tokio::test]
async fn clusters_are_listed_while_they_have_work() {
    let Some(mut page) = page().await else { return };
    let service = Service::start(&[]).await;
    open(&mut page, &service).await;
    let rows =
        "[...document.querySelectorAll('#cluster-rows tr')].map((row) => row.cells[0].textContent)";
    page.until(&format!("{rows}.length === 1")).await;
    assert_eq!(page.run(rows).await, json!(["yard/alpha"]));
    assert_eq!(page.run(&words("clusters-count")).await, "1 with work");
    let done = "UPDATE frame SET str_state = 'SUCCEEDED' WHERE str_state = 'WAITING'";
    service.db.run(done).await;
    page.until(&format!("{rows}.length === 0")).await;
    assert_eq!(page.run(&seen("no-work")).await, true);
}

#[tokio::test]
async fn a_service_that_is_gone_is_told_with_when_it_was_seen_and_found_again_when_it_is_back() {
    let Some(mut page) = page().await else { return };
    let mut service = Service::start(&[]).await;
    page.resize(375, 800).await;
    open(&mut page, &service).await;
    assert_eq!(page.run(&seen("gone")).await, false);
    service.kill().await;
    page.until(&seen("gone")).await;
    assert_eq!(page.run(&words("link")).await, "disconnected");
    let answer = page.run(&words("gone")).await;
    let answer = answer.as_str().unwrap();
    assert!(
        answer.contains("when the service was last seen"),
        "{answer}"
    );
    page.until("/That was \\d+.s ago/.test(document.getElementById('gone-ago').textContent)")
        .await;
    let wide = "document.documentElement.scrollWidth";
    assert_eq!(page.run(wide).await, 375);
    ask(&mut page, "shot").await;
    let answer = answered(&mut page, "bad").await;
    assert!(
        answer.starts_with("The service cannot be reached"),
        "{answer}"
    );
    service.again().await;
    page.until(LIVE).await;
    assert_eq!(page.run(&seen("gone")).await, false);
    assert_eq!(
        page.run("document.body.classList.contains('stale')").await,
        false
    );
}

#[tokio::test]
async fn a_database_that_is_away_is_told_until_it_is_back() {
    let Some(mut page) = page().await else { return };
    let service = Service::start(&[]).await;
    open(&mut page, &service).await;
    assert_eq!(page.run(&seen("breaker")).await, false);
    let options: PgConnectOptions = service.db.url.parse().unwrap();
    let name = options.get_database().unwrap().to_owned();
    let mut other = PgConnection::connect_with(&options.database("postgres"))
        .await
        .unwrap();
    // Its doors are shut first, so that nobody comes back in before it has another name.
    run(
        &mut other,
        format!("ALTER DATABASE \"{name}\" WITH ALLOW_CONNECTIONS false"),
    )
    .await;
    let out = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname =";
    run(&mut other, format!("{out} '{name}'")).await;
    run(
        &mut other,
        format!("ALTER DATABASE \"{name}\" RENAME TO \"{name}_away\""),
    )
    .await;
    page.until(&seen("breaker")).await;
    let verdict = page.run(&words("verdict")).await;
    assert_eq!(
        verdict,
        "Nothing can be booked: the database does not answer."
    );
    run(
        &mut other,
        format!("ALTER DATABASE \"{name}_away\" RENAME TO \"{name}\""),
    )
    .await;
    run(
        &mut other,
        format!("ALTER DATABASE \"{name}\" WITH ALLOW_CONNECTIONS true"),
    )
    .await;
    page.until(&format!("!({})", seen("breaker"))).await;
    other.close().await.unwrap();
}

#[tokio::test]
async fn a_service_that_drains_says_so_until_it_is_gone() {
    let Some(mut page) = page().await else { return };
    let mut service = Service::patient().await;
    open(&mut page, &service).await;
    // Bookings wait for this table, so the turn that has begun cannot end; readings do not.
    let mut held = service.db.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE proc IN SHARE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    let late = service.farm.frames("late", 3, |_| {});
    late.await.unwrap();
    page.until(
        "document.querySelector('[data-name=dispatch] .busy')?.textContent.startsWith('1 of')",
    )
    .await;
    assert_eq!(page.run(&seen("draining")).await, false);
    service.terminate().await;
    page.until(&seen("draining")).await;
    assert_eq!(page.run(&seen("dry-run")).await, true);
    held.rollback().await.unwrap();
    page.until(&seen("gone")).await;
    let ended = cue_simfarm::waiting::within("the service to end", service.child.wait()).await;
    assert!(ended.unwrap().success());
}

#[tokio::test]
async fn after_an_upgrade_of_the_service_the_page_loads_itself_anew() {
    let Some(mut page) = page().await else { return };
    let service = Service::idle().await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    page.until_left("version = 'another'").await;
    page.until(LIVE).await;
}
