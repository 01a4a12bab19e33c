//! The pool cannot be exhausted by the stages' own settings: with every stage as narrow as it can
//! be and exactly the connections they need, a farm is drained, and nobody waits for one for ever.

use std::collections::BTreeMap;

use cue_scheduler::config;
use cue_simfarm::metrics::sum;

use crate::world::{Scheduler, World, up_to_ms, yard};

const FRAMES: u64 = 200;

/// Every stage at its least.
const NARROW: [(&str, &str); 9] = [
    ("CUE_JOB_FETCH_WORKERS", "1"),
    ("CUE_JOB_FETCH_QUEUE", "1"),
    ("CUE_LAYER_LOCK_WORKERS", "1"),
    ("CUE_LAYER_LOCK_QUEUE", "1"),
    ("CUE_HOST_MATCH_WORKERS", "1"),
    ("CUE_HOST_MATCH_QUEUE", "1"),
    ("CUE_DISPATCH_WORKERS", "1"),
    ("CUE_DISPATCH_QUEUE", "1"),
    ("CUE_BATCH_FRAMES", "10"),
];

/// The fewest connections with which the settings are accepted.
fn least(settings: &[(&str, &str)]) -> u32 {
    let accepted = |pool: u32| {
        let mut environment: BTreeMap<String, String> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        environment.insert("CUE_DATABASE_URL".to_owned(), "postgres://h/d".to_owned());
        environment.insert("CUE_DATABASE_POOL".to_owned(), pool.to_string());
        environment.insert("CUE_BATCH_LAYERS".to_owned(), "4".to_owned());
        config::load(None, &environment, &[]).settings.is_ok()
    };
    (1..=100).find(|pool| accepted(*pool)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smallest_pool_that_is_accepted_drains_a_farm_and_is_never_exhausted() {
    let (db, farm) = yard(3).await;
    for job in ["a", "b", "c", "d"] {
        farm.frames(job, 50, |_| ()).await.unwrap();
    }
    let world = World::open(db, up_to_ms(10)).await;
    let pool = least(&NARROW).to_string();
    let mut settings = NARROW.to_vec();
    settings.extend([("CUE_BATCH_LAYERS", "4"), ("CUE_DATABASE_POOL", &pool)]);
    let scheduler = Scheduler::start(&world, &settings).await;
    world.completed(FRAMES).await;
    for statement in ["acquire", "begin"] {
        let refused = errors(&scheduler, statement);
        assert!(refused < 1.0, "{refused} callers of {statement} got none");
    }
    assert!(scheduler.sum("scheduler_db_breaker_openings_total") < 1.0);
    world.end(scheduler).await;
}

/// Number of failures of a statement.
fn errors(scheduler: &Scheduler, statement: &str) -> f64 {
    let statements = "scheduler_db_statements_total";
    sum(&scheduler.registry, statements, &[statement, "error"])
}
