//! Backoffs after hosts refuse launches: of the host, of the layer, or only of the room that is not there.

use std::time::{Duration, Instant};

use cue_domain::{Centicores, Kib};
use cue_simfarm::rqd::{Fault, FrameDuration, Program, SimHost, SimRqdSettings};
use cue_simfarm::waiting::until;
use tonic::{Code, Status};

use crate::ends::{assert_calm, close_after_reruns};
use crate::world::{Scheduler, World, endless, yard};

fn lasting_ms(ms: u64) -> SimRqdSettings {
    SimRqdSettings {
        duration: FrameDuration::Fixed(Duration::from_millis(ms)),
        ..endless()
    }
}

/// Time that frames take on a host of 32 cores whose row promises this many.
async fn time_on_a_host_that_promises(cores: i64, program: Program) -> Duration {
    const FRAMES: i64 = 300;
    let (db, farm) = yard(0).await;
    let host = farm.host("node1", |host| {
        (host.cores, host.memory) = (cores * 100, 128 * Kib::GIB.0);
    });
    host.await.unwrap();
    farm.frames("a", FRAMES, |layer| layer.mem_min = 256 * 1024)
        .await
        .unwrap();
    let world = World::open(db, lasting_ms(300)).await;
    world.rqd.set_program("node1", program);
    let real = SimHost {
        cores: Centicores(3_200),
        memory: Kib::gib(128),
    };
    world.rqd.set_host("node1", Some(real));
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(1).await;
    let began = Instant::now();
    world.completed(FRAMES as u64).await;
    let took = began.elapsed();
    assert_calm(&scheduler);
    world.end(scheduler).await;
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_promises_twice_its_cores_stays_in_use() {
    let truthful = time_on_a_host_that_promises(32, Program::Rust).await;
    for program in [Program::Rust, Program::Python] {
        let lying = time_on_a_host_that_promises(64, program).await;
        println!("{program:?}: {truthful:?} where the row is truthful, {lying:?} where it is not");
        assert!(lying < truthful.mul_f64(1.5), "{truthful:?}, {lying:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_every_host_refuses_costs_no_other_layer_its_hosts() {
    let answers = [
        Status::new(Code::ResourceExhausted, "no licence for this render"),
        Status::new(Code::Aborted, "the frame's wrapper cannot be written"),
        Status::new(Code::Unknown, "something is wrong"),
    ];
    for answer in answers {
        let (db, farm) = yard(3).await;
        let tags = farm.allocation.name.clone();
        let poison = farm.job("poison", |job| {
            job.priority = 100;
            job.layer("render", &tags, |layer| layer.frames = 200);
        });
        let poison = poison.await.unwrap();
        farm.frames("sound", 60, |_| ()).await.unwrap();
        let world = World::open(db, lasting_ms(200)).await;
        let layer = &poison.layers[0].id;
        world.rqd.refuse_layer(layer, Some(answer.clone()));
        let scheduler = Scheduler::start(&world, &[]).await;
        let began = Instant::now();
        world.completed(60).await;
        let took = began.elapsed();
        println!("{:?}: {took:?}", answer.code());
        assert!(took < Duration::from_secs(30), "{answer:?}: {took:?}");
        world.rqd.refuse_layer(layer, None);
        world.completed(260).await;
        assert_calm(&scheduler);
        world.end(scheduler).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_host_backs_off_and_the_others_go_on_at_once() {
    for program in [Program::Rust, Program::Python] {
        let (db, farm) = yard(3).await;
        farm.frames("a", 300, |_| ()).await.unwrap();
        let world = World::open(db, lasting_ms(100)).await;
        world.rqd.set_program("node1", program);
        world.rqd.set_fault("node1", Fault::RefuseForNow);
        let scheduler = Scheduler::start(&world, &[]).await;
        let began = Instant::now();
        world.completed(300).await;
        let took = began.elapsed();
        // Two hosts run 64 frames at a time.
        assert!(took < Duration::from_secs(8), "{program:?}: {took:?}");
        let refused = scheduler.sum_of("scheduler_launches_total", "refused_for_now");
        assert!((1.0..=8.0).contains(&refused), "{program:?}: {refused}");
        assert_eq!(
            scheduler.sum("scheduler_layers_skipped_while_resting_total"),
            0.0,
            "the layer is not to blame"
        );
        assert_calm(&scheduler);
        world.end(scheduler).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_launch_waits_again_at_once_with_its_checkpoints() {
    for (program, fault) in [
        (Program::Rust, Fault::RefuseForNow),
        (Program::Rust, Fault::RefuseForRoom),
        (Program::Python, Fault::RefuseForRoom),
    ] {
        let (db, farm) = yard(1).await;
        farm.frames("a", 8, |_| ()).await.unwrap();
        let enabled = "UPDATE frame SET str_checkpoint_state = 'ENABLED'";
        db.run(enabled).await;
        let world = World::open(db, endless()).await;
        world.rqd.set_program("node1", program);
        world.rqd.set_fault_all(fault);
        let scheduler = Scheduler::start(&world, &[]).await;
        until("a refusal", async || world.rqd.counts().asked > 0).await;
        let refused = Instant::now();
        until("the frames to wait again", async || {
            world.frames("WAITING").await == 8
        })
        .await;
        let took = refused.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        world.rqd.set_fault_all(Fault::None);
        world.finish_all(8).await;
        let kept = "SELECT count(*) FROM frame WHERE str_checkpoint_state = 'ENABLED'";
        assert_eq!(world.db.count(kept).await, 8);
        assert_calm(&scheduler);
        scheduler.drain().await;
        close_after_reruns(world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_launch_is_explained_with_host_and_reason() {
    let (db, farm) = yard(2).await;
    let job = farm.frames("poison", 4, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let answer = Status::new(Code::ResourceExhausted, "no licence for this render");
    world.rqd.refuse_layer(&job.layers[0].id, Some(answer));
    let scheduler = Scheduler::start(&world, &[]).await;
    let explainer = scheduler.running.explainer.clone().unwrap();
    let mut said = String::new();
    until("an explanation", async || {
        said = explainer.ask("poison").await.unwrap().unwrap().sentence;
        said.contains("its last refused launch")
    })
    .await;
    for part in ["node", "no licence for this render"] {
        assert!(said.contains(part), "{said}");
    }
    world.rqd.refuse_layer(&job.layers[0].id, None);
    world.finish_all(4).await;
    assert_calm(&scheduler);
    world.end(scheduler).await;
}
