//! The page on a farm of 5,000 hosts: the time until its map is first drawn, and of drawing it again.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{FarmSpec, HostClass, JobShape, Span, seed};
use cue_simfarm::waiting::until;

use crate::service::run;
use crate::{LIVE, page};

/// Hosts of the farm.
const HOSTS: usize = 5_000;

/// Loads of the page, of which the fastest counts: others may use the machine meanwhile.
const LOADS: usize = 5;

/// Records when the map is first drawn, in milliseconds since the page was asked for.
const WATCH: &str = "(() => { const look = () => { \
    try { if (map.loaded) { window.drawnAt = performance.now(); return; } } catch { /* The script has not run yet. */ } \
    requestAnimationFrame(look); }; look(); })()";

/// The steps of a load, in milliseconds since the page was asked for.
const STEPS: &str = "(() => { const [page] = performance.getEntriesByType('navigation'); \
    const map = performance.getEntriesByType('resource').find((one) => one.name.includes('/map')); \
    const steps = { page: page.responseEnd, script: page.domInteractive, asked: map.requestStart, answered: map.responseEnd, drawn: window.drawnAt }; \
    return Object.entries(steps).map(([name, ms]) => `${name} ${Math.round(ms)}`).join(', '); })()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_map_of_five_thousand_hosts_is_drawn_within_a_second_of_asking_for_the_page() {
    let Some(mut page) = page().await else { return };
    let db = TestDb::fresh().await;
    let farm = FarmSpec {
        hosts: vec![HostClass {
            count: HOSTS,
            ..HostClass::default()
        }],
        jobs: JobShape {
            per_show: Span::exactly(1),
            ..JobShape::default()
        },
        ..FarmSpec::default()
    };
    seed(&db.pool, &farm, 1).await.unwrap();
    let (_child, address, _log) = run(&db.url, "127.0.0.1:0", &[]).await;
    until("all hosts to be known", async || {
        let map = cue_scheduler::client::get(&address, "/map").await;
        map.is_ok_and(|map| map.body.matches("\"").count() > 2 * HOSTS)
    })
    .await;
    page.resize(1280, 900).await;
    page.before(WATCH).await;
    let mut fastest = f64::INFINITY;
    for _ in 0..LOADS {
        page.go(&format!("http://{address}/")).await;
        page.until("window.drawnAt !== undefined").await;
        let steps = page.run(STEPS).await;
        println!("{}", steps.as_str().unwrap());
        let cells = page.run("map.cells.length").await;
        assert_eq!(cells.as_u64(), Some(3 * HOSTS as u64));
        fastest = fastest.min(page.run("window.drawnAt").await.as_f64().unwrap());
    }
    println!("{HOSTS} hosts are first drawn after {fastest:.0} ms");
    assert!(fastest < 1_000.0, "{fastest:.0} ms");

    page.until(LIVE).await;
    let times = "(() => { const times = []; for (let n = 0; n < 20; n++) { const began = performance.now(); drawMap(); \
                 document.getElementById('map').getContext('2d').getImageData(0, 0, 1, 1); \
                 times.push(performance.now() - began); } return times.sort((a, b) => a - b)[10]; })()";
    let median = page.run(times).await.as_f64().unwrap();
    println!("{HOSTS} hosts are drawn again in {median:.1} ms");
    assert!(median < 500.0, "{median}");
    let loaded = page.run("map.loaded").await.as_u64().unwrap();
    page.until(&format!("map.loaded >= {}", loaded + 3)).await;
    let root = "document.documentElement";
    let fits = format!("{root}.scrollWidth === {root}.clientWidth");
    assert_eq!(page.run(&fits).await, true, "nothing sticks out");
}
