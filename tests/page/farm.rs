//! The farm on the page: shows, the map, one host, levers, and a proxy in front of it all.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::service::Service;
use crate::{LIVE, Page, page};

const TOKEN: &str = "s3cret-s3cret-s3cret";

fn words(id: &str) -> String {
    format!("document.getElementById('{id}').textContent")
}

async fn open(page: &mut Page, address: &str) {
    page.go(&format!("http://{address}")).await;
    page.until(LIVE).await;
    page.until("map.cells.length === 30").await;
}

#[tokio::test]
async fn the_farm_comes_first_with_shows_and_a_map_of_all_hosts() {
    let Some(mut page) = page().await else { return };
    let service = Service::start(&[]).await;
    let lock = "UPDATE host SET str_lock_state = 'LOCKED' WHERE str_name = 'host3'";
    sqlx::query(lock).execute(&service.db.pool).await.unwrap();
    open(&mut page, &format!("{}/", service.address)).await;
    page.until("document.getElementById('show-rows').rows.length === 1")
        .await;
    let show = page.run(&words("show-rows")).await;
    let show = show.as_str().unwrap();
    assert!(show.contains("yard/alpha"), "{show}");
    let top = |id: &str| format!("document.getElementById('{id}').getBoundingClientRect().top");
    let order = format!(
        "{} < {} && {} < {}",
        top("farm"),
        top("hosts-map"),
        top("hosts-map"),
        top("pipeline")
    );
    assert_eq!(page.run(&order).await, true);
    page.until("map.cells[9] === 'l'").await;
    let legend = "document.querySelector('#map-legend button[value=locked] b').textContent";
    page.until(&format!("{legend} === '1'")).await;
    let drawn = "(() => { const canvas = document.getElementById('map'); \
                 const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; \
                 return new Set([...pixels].map((_, n) => n % 4 ? 0 : pixels.slice(n, n + 4).join())).size; })()";
    let colours = page.run(drawn).await.as_u64().unwrap();
    assert!(colours >= 4, "cells, bars and a cross: {colours} colours");
    page.run("document.querySelector('#map-legend button[value=locked]').click()")
        .await;
    page.until("map.cells.length === 3 && map.names[0] === 'host3'")
        .await;
    page.run("document.querySelector('#map-legend button[value=locked]').click()")
        .await;
    page.until("map.cells.length === 30").await;
}

#[tokio::test]
async fn keys_move_on_the_map_and_enter_shows_the_host() {
    let Some(mut page) = page().await else { return };
    let service = Service::start(&[("CUE_ADMIN_TOKEN", TOKEN)]).await;
    open(&mut page, &format!("{}/", service.address)).await;
    // The first host on which something runs, by name.
    let busy = "map.cells.match(/.../g).findIndex((cell) => cell[1] !== '0')";
    page.until(&format!("{busy} >= 0")).await;
    let busy = page.run(busy).await.as_u64().unwrap();
    let press = |key: &str| {
        format!(
            "document.getElementById('map').dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))"
        )
    };
    for _ in 0..=busy {
        page.run(&press("ArrowRight")).await;
    }
    let name = format!("host{busy}: ");
    page.until(&format!("{}.startsWith('{name}')", words("map-at")))
        .await;
    page.run(&press("Enter")).await;
    page.until("document.getElementById('host').open").await;
    let title = page.run(&words("host-title")).await;
    assert!(title.as_str().unwrap().starts_with(&name), "{title}");
    page.until("document.getElementById('host-running').rows.length > 0")
        .await;
    let running = page.run(&words("host-running")).await;
    assert!(running.as_str().unwrap().contains("shot/"), "{running}");
    let late = "(async () => { const fresh = refreshHost(); document.getElementById('host-close').click(); \
                await fresh; return document.getElementById('host').open; })()";
    assert_eq!(page.run(late).await, false, "an answer opens nothing");
    page.run(&press("End")).await;
    page.until(&format!("{}.startsWith('host9: ')", words("map-at")))
        .await;
}

#[tokio::test]
async fn booking_is_paused_and_resumed_from_the_page_with_a_name_and_a_reason() {
    let Some(mut page) = page().await else { return };
    let service = Service::start(&[("CUE_ADMIN_TOKEN", TOKEN)]).await;
    open(&mut page, &format!("{}/", service.address)).await;
    page.run("document.getElementById('open-pause').click()")
        .await;
    let fill = |reason: &str| {
        format!(
            "document.getElementById('token').value = '{TOKEN}'; document.getElementById('lever-by').value = 'ann'; \
             document.getElementById('lever-reason').value = '{reason}'; document.getElementById('lever-pull').click()"
        )
    };
    page.run(&fill("")).await;
    page.until(&format!("{}.includes('reason')", words("answer")))
        .await;
    page.run(&fill("the filers are full")).await;
    page.until(&format!(
        "{}.includes('paused for everything')",
        words("answer")
    ))
    .await;
    page.until(&format!(
        "{}.includes('ann: the filers are full')",
        words("pauses")
    ))
    .await;
    page.until(&format!(
        "{}.includes('Booking is paused by ann')",
        words("verdict")
    ))
    .await;
    page.run("document.getElementById('close-changes').click(); document.querySelector('#pauses button').click()").await;
    assert_eq!(
        page.run("document.getElementById('lever').value").await,
        "resume"
    );
    page.run(&fill("fixed")).await;
    page.until("document.getElementById('pauses').children.length === 0")
        .await;
}

/// A proxy that serves the page below a path, as an Ingress does.
async fn proxy(address: String) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut passing = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            passing.spawn(pass(stream, address.clone()));
        }
    });
    (own, tasks)
}

/// Passes one request on without its prefix, and the answer back.
async fn pass(mut browser: TcpStream, address: String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = browser.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.contains(" /farm/"),
        "nothing is asked for outside of the prefix: {head}"
    );
    let head = head.replacen(" /farm/", " /", 1);
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let head = head.replace("Connection: keep-alive\r\n", "");
    let mut service = TcpStream::connect(address).await.unwrap();
    service.write_all(head.as_bytes()).await.unwrap();
    let _ended = tokio::io::copy_bidirectional(&mut browser, &mut service).await;
}

#[tokio::test]
async fn the_page_works_behind_a_proxy_with_a_path() {
    let Some(mut page) = page().await else { return };
    let service = Service::start(&[("CUE_ADMIN_TOKEN", TOKEN)]).await;
    let (address, _tasks) = proxy(service.address.clone()).await;
    open(&mut page, &format!("{address}/farm/")).await;
    page.run("openHost('host2')").await;
    page.until("document.getElementById('host').open").await;
    page.run("document.getElementById('host').close(); openLever('forgive', 'host2')")
        .await;
    page.run(&format!(
        "document.getElementById('token').value = '{TOKEN}'; document.getElementById('lever-by').value = 'ann'; \
         document.getElementById('lever-reason').value = 'test'; document.getElementById('lever-pull').click()"
    ))
    .await;
    page.until(&format!(
        "{}.includes('host2 did not back off')",
        words("answer")
    ))
    .await;
}
