//! Bookings that all fail, while everything is read as before.

use std::time::{Duration, Instant};

use cue_simfarm::waiting::until;

use crate::world::{NO_TRIGGER, Yard, trigger};

/// Codes that no single layer explains when nothing else is booked: a full disk, a right, a broken
/// server, a missing function.
const CODES: [&str; 4] = ["53100", "42501", "XX000", "42883"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_fails_every_time_is_neither_ready_nor_silent() {
    let yard = Yard::open().await;
    assert_eq!(yard.metric("scheduler_booking_failing").await, "0");
    for (round, code) in (0..).zip(CODES) {
        yard.run(&trigger(code, "true")).await;
        let job = format!("job{code}");
        yard.job(&job).await;
        let (body, after) = yard.becomes(503).await;
        assert!(after < Duration::from_secs(10), "{code}: {after:?}");
        for part in ["\"booking\"", "the cellar is full", "start_frames", code] {
            assert!(body.contains(part), "{part} is missing in {body}");
        }
        let failing = &yard.status().await["condition"]["booking_failing"];
        assert_eq!(
            (&failing["step"], &failing["sqlstate"]),
            (&"book".into(), &code.into())
        );
        until("the metric", async || {
            yard.metric("scheduler_booking_failing").await == "1"
        })
        .await;
        // A sample is made each second.
        until("top to say so", async || {
            let top = yard.top().await;
            assert!(!top.contains("no cluster has"), "{top}");
            top.contains("BOOKING FAILS") && top.contains("the cellar is full")
        })
        .await;
        let why = yard.why(&job).await;
        assert_eq!(why["fault"], "booking_fails", "{why}");
        yard.run(NO_TRIGGER).await;
        yard.books_soon(round + 1).await;
    }
    until("the metric", async || {
        yard.metric("scheduler_booking_failing").await == "0"
    })
    .await;
    let log = yard.close().await;
    for line in ["nothing can be booked", "booking is possible again"] {
        assert_eq!(log.matches(line).count(), CODES.len(), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_of_the_farm_that_refuses_every_layer_is_trouble_too() {
    let yard = Yard::open().await;
    yard.run(&trigger("P0001", "true")).await;
    let began = Instant::now();
    let mut jobs = 0;
    // Work goes on to come, so that there is always something to try.
    until("503 at /readyz", async || {
        if began.elapsed() > Duration::from_millis(400) * jobs {
            yard.job(&format!("job{jobs}")).await;
            jobs += 1;
        }
        yard.ready().await.0 == 503
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(10));
    yard.run(NO_TRIGGER).await;
    yard.job("late").await;
    yard.books_soon(1).await;
    yard.close().await;
}
