//! Hosts that accept connections and never answer: they cost themselves and nobody else.

use std::time::{Duration, Instant};

use cue_simfarm::rqd::{Fault, FrameDuration, SimRqdSettings};
use cue_simfarm::waiting::until;

use crate::ends::{assert_calm, close_after_reruns};
use crate::world::{Scheduler, World, endless, yard};

/// A booking counts as forgotten after some 5 s, and a host that is silent costs 3 s a question.
const LIMITS: [(&str, &str); 4] = [
    ("CUE_LAUNCH_DEADLINE", "200ms"),
    ("CUE_RQD_CONNECT_TIMEOUT", "100ms"),
    ("CUE_RQD_REQUEST_TIMEOUT", "3s"),
    ("CUE_RESOLVE_ATTEMPTS", "2"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_bookings_on_a_silent_host_hold_up_none_on_others_nor_a_drain() {
    const SILENT: i64 = 400;
    let (db, farm) = yard(0).await;
    let host = async |name: &'static str, cores: i64| {
        let host = farm.host(name, |host| {
            (host.cores, host.memory) = (cores * 100, cores * cue_domain::Kib::GIB.0);
        });
        host.await.unwrap();
    };
    host("silent", SILENT).await;
    for name in ["h1", "h2", "h3", "h4"] {
        host(name, 1).await;
    }
    farm.frames("a", SILENT + 4, |layer| layer.mem_min = 256 * 1024)
        .await
        .unwrap();
    for query in [
        "UPDATE job_resource SET int_max_cores = 100000",
        "UPDATE subscription SET int_burst = 100000",
    ] {
        db.run(query).await;
    }
    let world = World::open(db, endless()).await;
    let dry = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
    until("all frames to be booked", async || {
        world.frames("RUNNING").await == SILENT + 4
    })
    .await;
    dry.drain().await;
    world.rqd.set_fault("silent", Fault::Stall);

    let scheduler = Scheduler::start(&world, &LIMITS).await;
    until("the silent host to be asked", async || {
        scheduler.sum("scheduler_launches_unresolved") >= SILENT as f64
    })
    .await;
    let found = Instant::now();
    // Those of the other hosts wait again and are launched, while the silent one is being asked.
    world.launched(4).await;
    let took = found.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(scheduler.sum("scheduler_launches_unresolved") >= SILENT as f64);
    let drain = Instant::now();
    scheduler.drain().await;
    let took = drain.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(
        world.frames("RUNNING").await,
        SILENT + 4,
        "none is released unasked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn launches_that_hang_hold_up_no_booking_and_make_none_come_too_late() {
    let (db, farm) = yard(10).await;
    farm.frames("a", 60, |layer| layer.cores_min = 3_200)
        .await
        .unwrap();
    let quick = SimRqdSettings {
        duration: FrameDuration::Fixed(Duration::from_millis(50)),
        ..endless()
    };
    let world = World::open(db, quick).await;
    let hung = ["node1", "node2", "node3", "node4", "node5", "node6"];
    for host in hung {
        world.rqd.set_fault(host, Fault::Stall);
    }
    // One frame a batch, and fewer workers than hosts that hang. Their calls end after 20 s.
    let narrow = [
        ("CUE_BATCH_FRAMES", "1"),
        ("CUE_BATCH_LAYERS", "1"),
        ("CUE_DISPATCH_WORKERS", "2"),
        ("CUE_RQD_REQUEST_TIMEOUT", "20s"),
    ];
    let scheduler = Scheduler::start(&world, &narrow).await;
    let began = Instant::now();
    let rest = 60 - hung.len() as u64;
    world.completed(rest).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    for outcome in ["too_late", "unreachable", "not_sent"] {
        let launches = scheduler.sum_of("scheduler_launches_total", outcome);
        assert_eq!(launches, 0.0, "{outcome}");
    }
    world.rqd.set_fault_all(Fault::None);
    world.completed(60).await;
    assert_calm(&scheduler);
    scheduler.drain().await;
    close_after_reruns(world).await;
}
