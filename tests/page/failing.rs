//! Every booking fails while the service runs: the page says so at the top, and no longer when they succeed.

use crate::service::Service;
use crate::{LIVE, page};

#[tokio::test]
async fn the_page_says_while_nothing_can_be_booked_and_why() {
    let Some(mut page) = page().await else { return };
    let service = Service::idle().await;
    page.go(&format!("http://{}/", service.address)).await;
    page.until(LIVE).await;
    let seen = "document.getElementById('failing').checkVisibility() === true";
    assert_eq!(page.run(seen).await, false);
    let trigger = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the books are closed' USING ERRCODE = '53100'; END $$; \
                   CREATE TRIGGER refuse BEFORE INSERT ON proc EXECUTE FUNCTION refuse()";
    service.db.run(trigger).await;
    service.farm.frames("shot", 3, |_| {}).await.unwrap();
    page.until(seen).await;
    let text = |id: &str| format!("document.getElementById('{id}').textContent");
    let banner = page.run(&text("failing")).await;
    let banner = banner.as_str().unwrap().to_owned();
    for part in [
        "Nothing can be booked:",
        "the books are closed",
        "start_frames",
        "SQLSTATE 53100",
    ] {
        assert!(banner.contains(part), "{part} is missing in {banner}");
    }
    assert_eq!(page.run(&text("announce")).await, "nothing can be booked");
    service.db.run("DROP TRIGGER refuse ON proc").await;
    page.until(&format!("!({seen})")).await;
}
