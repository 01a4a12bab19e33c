//! `why` against what the scheduler does: on farms of many shapes, whatever is left waiting is explained,
//! and nothing runs of which it was said that it cannot.

use cue_scheduler::config::wiring;
use cue_scheduler::why::Explainer;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{FarmSpec, HostClass, LimitSpec, Span, seed};
use cue_simfarm::waiting::until;
use cue_store::Store;
use prometheus::Registry;

use crate::world::{Scheduler, World, endless, settings};

/// More frames than there are cores, limits, GPUs, operating systems, tags of all kinds, caps that
/// are met, and layers that no host can take.
fn farm(roomy: bool) -> FarmSpec {
    let host = |count, cores, memory_gib, gpus| HostClass {
        count,
        cores,
        memory_gib,
        gpus,
        ..HostClass::default()
    };
    let mut spec = FarmSpec {
        shows: 2,
        allocations: 2,
        hosts: vec![host(4, 32, 64, 0), host(2, 16, 128, 1)],
        ..FarmSpec::default()
    };
    spec.subscription.burst = 100_000;
    spec.jobs.max_cores = 100_000;
    if roomy {
        // Caps are met before hosts are full.
        spec.hosts = vec![host(20, 32, 256, 0), host(6, 32, 256, 2)];
        spec.subscription.burst = 60;
        spec.jobs.max_cores = 20;
        spec.limits = vec![LimitSpec {
            name: "licence".to_owned(),
            max: 7,
            share: 0.3,
        }];
    }
    spec.jobs.per_show = Span::exactly(8);
    spec.layers.per_job = Span::exactly(3);
    spec.layers.frames = Span { min: 1, max: 30 };
    spec.layers.cores_min = vec![100, 300, 1_600, 6_400];
    spec.layers.mem_min_mib = vec![1_024, 32_768];
    spec.layers.gpu_share = 0.2;
    spec.layers.two_tags_share = 0.2;
    spec.layers.special_tag_share = 0.2;
    spec.layers.threadable_share = 0.5;
    spec
}

/// Layers with waiting frames, and those that have some that run, by their ids.
async fn layers(world: &World, having: &str) -> Vec<String> {
    let query = format!("SELECT pk_layer FROM layer_stat WHERE {having} > 0 ORDER BY pk_layer");
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query));
    query.fetch_all(&world.db.pool).await.unwrap()
}

/// Those that cannot run as the farm is, and what was said of them.
async fn without_a_chance(world: &World, layers: &[String]) -> Vec<(String, String)> {
    let settings = settings(&world.db.url, world.rqd.address(), &[]);
    let (store_settings, registry) = (wiring::store(&settings), Registry::new());
    let store = Store::connect(&store_settings, &registry).await.unwrap();
    let explainer = Explainer::new(store.clone(), &settings, None);
    let mut never = Vec::new();
    for layer in layers {
        let answer = sentence(&explainer, layer).await;
        if answer.contains("cannot run") {
            never.push((layer.clone(), answer));
        }
    }
    store.close().await;
    never
}

async fn sentence(explainer: &Explainer, layer: &str) -> String {
    explainer.ask(layer).await.unwrap().unwrap().sentence
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_waiting_is_explained_and_what_cannot_run_does_not() {
    let (mut reasons, mut impossible) = (Vec::new(), 0);
    for number in 1..=4 {
        let db = TestDb::fresh().await;
        seed(&db.pool, &farm(number % 2 == 0), number)
            .await
            .unwrap();
        let world = World::open(db, endless()).await;
        let all = layers(&world, "int_waiting_count").await;
        // Before the first turn the database alone is asked.
        let never = without_a_chance(&world, &all).await;
        let scheduler = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
        let mut before = -1;
        until("the farm to be as full as it can be", async || {
            scheduler.rounds(6).await;
            let now = world.frames("RUNNING").await;
            std::mem::replace(&mut before, now) == now && now > 0
        })
        .await;
        let explainer = scheduler.running.explainer.clone().unwrap();
        let mut answers: Vec<String> = Vec::new();
        // A layer that can run may be on its way through the pipeline.
        until("what waits to be said to have to wait", async || {
            answers.clear();
            for layer in &layers(&world, "int_waiting_count").await {
                answers.push(sentence(&explainer, layer).await);
            }
            let able = answers.iter().find(|answer| answer.contains("can run now"));
            if let Some(able) = able {
                println!("seed {number}: {able}");
            }
            able.is_none()
        })
        .await;
        assert!(!answers.is_empty(), "seed {number}: all of it runs");
        reasons.append(&mut answers);
        let running = layers(&world, "int_running_count").await;
        for (layer, answer) in &never {
            assert!(
                !running.contains(layer),
                "seed {number}: it runs, though: {answer}"
            );
        }
        impossible += never.len();
        world.end(scheduler).await;
    }
    // The farms are of many shapes only if they give many reasons.
    assert!(impossible > 0);
    for reason in [
        "the biggest of its hosts has",
        "hosts it fits on are busy",
        "limit licence is reached",
        "and a frame takes at least",
        "cores of allocation",
    ] {
        let found = reasons.iter().any(|answer| answer.contains(reason));
        assert!(found, "nothing waits because of: {reason}");
    }
}
