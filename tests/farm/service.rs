//! The real program as a service: it books and launches, can be looked at, and ends at SIGTERM.

use crate::binary::Service;
use crate::ended::ended;
use crate::world::{World, endless, yard};
use cue_simfarm::waiting::until;

const FRAMES: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_books_answers_and_drains_at_sigterm() {
    let (db, farm) = yard(2).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let rqd = world.rqd.address().to_string();
    let service = Service::start(&[
        ("DATABASE_URL", &world.db.url),
        ("CUE_RQD_ADDRESS", &rqd),
        ("CUE_FACILITY", "yard"),
    ])
    .await;
    world.launched(FRAMES).await;

    let (code, body) = service.get("/healthz").await;
    assert_eq!(code, 200, "{body}");
    until("it to be ready", async || {
        service.get("/readyz").await.0 == 200
    })
    .await;
    until("the metrics to show what was booked", async || {
        let (code, body) = service.get("/metrics").await;
        code == 200
            && body.contains("scheduler_frames_dispatched_total{show_name=\"alpha\"} 8")
            && body.contains("scheduler_stage_queue_capacity{stage=\"dispatch\"} 2")
    })
    .await;
    let (code, body) = service.get("/status").await;
    assert_eq!(code, 200);
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["hosts"]["known"], 2, "{body}");
    assert!(status["stages"].is_array(), "{body}");
    assert!(body.contains("cluster_feed"), "{body}");
    assert_eq!(service.get("/nothing").await.0, 404);

    world.finish_all(FRAMES).await;
    let (code, log) = service.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("SIGTERM"), "{log}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_ends_by_itself_when_it_is_told_to_end_when_idle() {
    let (db, farm) = yard(1).await;
    farm.frames("a", 3, |_| ()).await.unwrap();
    let world = World::open(db, crate::world::up_to_ms(5)).await;
    let rqd = world.rqd.address().to_string();
    let ended = ended(
        &["run", "--exit-when-idle", "3"],
        &[
            ("CUE_DATABASE_URL", &world.db.url),
            ("CUE_RQD_ADDRESS", &rqd),
            ("CUE_ADMIN_ADDR", "off"),
            ("CUE_EMPTY_BACKOFF", "50ms"),
        ],
    )
    .await;
    assert_eq!(ended.status.code(), Some(0));
    world.completed(3).await;
    world.close().await;
}
