//! Shows that are handed over and taken back, and a facility that goes and comes back, while it runs.

use std::time::{Duration, Instant};

use cue_simfarm::waiting::until;

use crate::binary::Service;
use crate::world::{Scheduler, World, endless, yard};

/// Within this a change of a row is acted on.
const SOON: Duration = Duration::from_secs(1);

/// The intervals of a farm, but for clusters that are read again without being asked.
const INTERVALS: [(&str, &str); 3] = [
    ("CUE_DRY_RUN", "true"),
    ("CUE_EMPTY_BACKOFF", "3s"),
    ("CUE_SATURATED_BACKOFF", "500ms"),
];

const BOOKED: &str = "SELECT count(*) FROM proc";

async fn run(world: &World, statement: &'static str) {
    let done = sqlx::query(statement).execute(&world.db.pool).await;
    assert!(done.unwrap().rows_affected() > 0, "{statement}");
}

/// Time from the statement until the farm has booked a number of frames.
async fn books_after(world: &World, statement: &'static str, booked: i64) -> Duration {
    run(world, statement).await;
    let began = Instant::now();
    until("bookings", async || world.db.count(BOOKED).await == booked).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_is_booked_within_a_second_after_it_was_handed_over_and_no_more_once_it_is_taken_back()
 {
    let (db, farm) = yard(2).await;
    farm.frames("a", 3, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let (on, off) = (
        "UPDATE show SET b_scheduler_managed = true",
        "UPDATE show SET b_scheduler_managed = false",
    );
    run(&world, off).await;
    let scheduler = Scheduler::start(&world, &INTERVALS).await;
    for round in 1..=3 {
        scheduler.rounds(2).await;
        assert_eq!(world.db.count(BOOKED).await, 3 * (round - 1));
        let after = books_after(&world, on, 3 * round).await;
        assert!(after < SOON, "round {round}: {after:?}");
        run(&world, off).await;
        let name = format!("more{round}");
        // A turn that had begun may still book what it has found, and this is not among that.
        tokio::time::sleep(Duration::from_millis(300)).await;
        farm.frames(&name, 3, |_| ()).await.unwrap();
    }
    scheduler.rounds(2).await;
    assert_eq!(world.db.count(BOOKED).await, 9);
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_subscriptions_allocations_and_tags_are_used_within_a_second() {
    let (db, farm) = yard(1).await;
    farm.frames("fast", 1, |layer| layer.tags = "fast".to_owned())
        .await
        .unwrap();
    farm.frames("cloud", 1, |layer| layer.tags = "cloud".to_owned())
        .await
        .unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &INTERVALS).await;
    scheduler.rounds(2).await;
    assert_eq!(world.db.count(BOOKED).await, 0);
    let tag = "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
               SELECT 'new', pk_host, 'fast', 'MANUAL' FROM host";
    let mut slowest = books_after(&world, tag, 1).await;
    farm.allocation("cloud", 1_000, 2_000).await.unwrap();
    run(
        &world,
        "UPDATE alloc SET str_tag = 'cloud' WHERE str_name LIKE '%cloud'",
    )
    .await;
    run(&world, "DELETE FROM subscription WHERE pk_alloc = (SELECT pk_alloc FROM alloc WHERE str_tag = 'cloud')").await;
    run(
        &world,
        "UPDATE host_tag SET str_tag = 'cloud', str_tag_type = 'ALLOC' WHERE pk_host_tag = 'new'",
    )
    .await;
    run(
        &world,
        "UPDATE host SET pk_alloc = (SELECT pk_alloc FROM alloc WHERE str_tag = 'cloud')",
    )
    .await;
    scheduler.rounds(4).await;
    let subscription = "INSERT INTO subscription (pk_subscription, pk_show, pk_alloc, int_size, int_burst)
                        SELECT 'new', pk_show, (SELECT pk_alloc FROM alloc WHERE str_tag = 'cloud'), 100, 1000
                        FROM show";
    slowest = slowest.max(books_after(&world, subscription, 2).await);
    // A tag is read with the hosts, which takes up to a refresh longer.
    assert!(slowest < 2 * SOON, "{slowest:?}");
    scheduler.drain().await;
    drop(world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_facility_that_is_renamed_makes_the_service_not_ready_until_it_is_back() {
    let (db, _farm) = yard(1).await;
    let world = World::open(db, endless()).await;
    let rqd = world.rqd.address().to_string();
    let service = Service::start(&[
        ("DATABASE_URL", &world.db.url),
        ("CUE_RQD_ADDRESS", &rqd),
        ("CUE_FACILITY", "yard"),
    ])
    .await;
    let ready = async |code: u16| {
        until(&format!("{code} at /readyz"), async || {
            service.get("/readyz").await.0 == code
        })
        .await;
    };
    let gone = async || {
        let (_, status) = service.get("/status").await;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status["condition"]["facility_gone"].as_bool().unwrap()
    };
    ready(200).await;
    assert!(!gone().await);
    run(&world, "UPDATE facility SET str_name = 'moved'").await;
    ready(503).await;
    let (_, body) = service.get("/readyz").await;
    assert!(
        body.contains("facility yard is not in the database"),
        "{body}"
    );
    assert!(gone().await);
    run(&world, "UPDATE facility SET str_name = 'yard'").await;
    ready(200).await;
    let (code, log) = service.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    for line in ["is no longer in the database", "the facility is back"] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
    world.close().await;
}
