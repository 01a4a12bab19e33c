//! Work behind other work that cannot run: a full limit, a row that the schema refuses, a host that
//! hangs. Invariant: it runs all the same.

use cue_simfarm::rqd::Fault;
use cue_simfarm::seed::{Fixture, JobSpec, LayerSpec};
use cue_simfarm::waiting::{until, within};

use crate::ends::close_after_reruns;
use crate::world::{Scheduler, World, endless, yard};

/// More frames than the host has cores.
const MANY: i64 = 40;

fn layer(farm: &Fixture, name: &str, frames: i64, limits: &[String]) -> LayerSpec {
    let mut layer = LayerSpec::new(name, &farm.allocation.name);
    layer.frames = frames;
    layer.limits = limits.to_vec();
    layer
}

/// Number of running frames of layers of this name.
async fn running(world: &World, layer: &str) -> i64 {
    let running = "SELECT sum(s.int_running_count)::bigint FROM layer_stat s \
                   JOIN layer l ON l.pk_layer = s.pk_layer WHERE l.str_name = $1";
    let running = sqlx::query_scalar(running).bind(layer);
    running.fetch_one(&world.db.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_at_a_full_limit_keep_no_host_from_the_jobs_behind_them() {
    let (db, farm) = yard(1).await;
    let limit = farm.limit("licence", 2).await.unwrap();
    let first = |job: &mut JobSpec| {
        job.priority = 10;
        // Two layers share the two licences; the one behind them needs none.
        for name in ["limited", "limited-too"] {
            job.layers
                .push(layer(&farm, name, MANY, std::slice::from_ref(&limit)));
        }
        job.layers.push(layer(&farm, "free", 10, &[]));
    };
    farm.job("first", first).await.unwrap();
    let second = |job: &mut JobSpec| {
        job.priority = 1;
        job.layers.push(layer(&farm, "second", 20, &[]));
    };
    farm.job("second", second).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    until("all to run as far as they can", async || {
        let limited = running(&world, "limited").await + running(&world, "limited-too").await;
        let free = running(&world, "free").await;
        (limited, free, running(&world, "second").await) == (2, 10, 20)
    })
    .await;
    // From now on nothing is tried for which there is no licence.
    scheduler.rounds(4).await;
    let asked = world.rqd.counts().asked;
    let tried = scheduler.sum("scheduler_hosts_attempted_total");
    scheduler.rounds(10).await;
    assert_eq!(world.rqd.counts().asked, asked);
    assert_eq!(scheduler.sum("scheduler_hosts_attempted_total"), tried);
    world.finish(scheduler, 32 + 2 * (MANY as usize) - 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_rows_the_schema_refuses_takes_no_other_down_with_it() {
    let (db, farm) = yard(2).await;
    for name in ["good", "bad", "fine"] {
        farm.frames(name, 4, |_| ()).await.unwrap();
    }
    // As with a job that was born without history, before version 50 of the schema.
    let refuse = "CREATE TABLE sound AS SELECT pk_job FROM job WHERE str_name NOT LIKE '%bad%';
        ALTER TABLE sound ADD PRIMARY KEY (pk_job);
        ALTER TABLE proc ADD FOREIGN KEY (pk_job) REFERENCES sound";
    db.run(refuse).await;
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(8).await;
    until("the bad one to be known", async || {
        scheduler.sum("scheduler_layers_skipped_while_resting_total") > 0.0
    })
    .await;
    assert_eq!(world.frames("WAITING").await, 4);
    world.finish(scheduler, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_holds_up_no_launch_on_another() {
    let (db, farm) = yard(2).await;
    farm.frames("a", 64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    world.rqd.set_fault("node1", Fault::Stall);
    let few = [
        ("CUE_LAUNCHES_IN_FLIGHT", "32"),
        ("CUE_RQD_REQUEST_TIMEOUT", "1s"),
        ("CUE_LAUNCH_DEADLINE", "20s"),
    ];
    let scheduler = Scheduler::start(&world, &few).await;
    world.launched(32).await;
    // The host that hangs is still being asked about its launches, and nobody has waited for that.
    for outcome in ["unresolved", "too_late"] {
        let launches = scheduler.sum_of("scheduler_launches_total", outcome);
        assert_eq!(launches, 0.0, "{outcome}");
    }
    world.rqd.set_fault_all(Fault::None);
    within("the rest", world.rqd.launched(64)).await;
    world.finish(scheduler, 64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_for_as_long_as_launches_may_wait_makes_none_come_too_late() {
    let (db, farm) = yard(2).await;
    farm.frames("a", 64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    world.rqd.set_fault("node1", Fault::Stall);
    let few = [
        ("CUE_LAUNCHES_IN_FLIGHT", "16"),
        ("CUE_RQD_REQUEST_TIMEOUT", "3s"),
        ("CUE_LAUNCH_DEADLINE", "3s"),
    ];
    let scheduler = Scheduler::start(&world, &few).await;
    world.launched(32).await;
    // Launches that wait for the first one on the host that hangs are not sent to it any more.
    until("the host to be given up", async || {
        scheduler.sum_of("scheduler_launches_total", "not_sent") >= 30.0
    })
    .await;
    assert_eq!(
        scheduler.sum_of("scheduler_launches_total", "too_late"),
        0.0
    );
    world.rqd.set_fault_all(Fault::None);
    within("the rest", world.rqd.launched(64)).await;
    world.finish_all(64).await;
    scheduler.drain().await;
    close_after_reruns(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_over_its_gpu_cap_takes_no_hosts_for_its_cpu_layers() {
    let (db, farm) = yard(1).await;
    let front = |job: &mut JobSpec| {
        job.priority = 10;
        job.layers.push(layer(&farm, "front", MANY, &[]));
    };
    let front = farm.job("front", front).await.unwrap();
    farm.frames("behind", 4, |_| ()).await.unwrap();
    let over = "UPDATE job_resource SET int_max_gpus = -1 WHERE pk_job = $1";
    let over = sqlx::query(over).bind(&front.id).execute(&db.pool).await;
    assert_eq!(over.unwrap().rows_affected(), 1);
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(4).await;
    scheduler.rounds(4).await;
    assert_eq!(running(&world, "front").await, 0);
    assert_eq!(scheduler.sum("scheduler_booking_refused_total"), 0.0);
    world.finish(scheduler, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absurd_minimum_of_cores_fails_no_query_of_its_cluster() {
    let (db, farm) = yard(1).await;
    let front = |job: &mut JobSpec| {
        job.layers.push(layer(&farm, "small", 1, &[]));
        // No host has as many.
        let mut huge = layer(&farm, "huge", 1, &[]);
        huge.cores_min = 6_400;
        job.layers.push(huge);
    };
    farm.job("front", front).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    // The job has cores now, to which the minimum would be added.
    world.launched(1).await;
    let absurd = "UPDATE layer SET int_cores_min = 9223372036854775807 WHERE str_name = 'huge'";
    let absurd = sqlx::query(absurd).execute(&world.db.pool).await;
    assert_eq!(absurd.unwrap().rows_affected(), 1);
    farm.frames("behind", 4, |_| ()).await.unwrap();
    world.launched(5).await;
    let failed = scheduler.sum_of("scheduler_pass_terminated_reason_total", "query_error");
    assert_eq!(failed, 0.0);
    world.finish(scheduler, 5).await;
}

/// Whenever a frame starts, the limit admits one more.
const ONE_MORE: &str = "CREATE FUNCTION one_more() RETURNS trigger AS $$ BEGIN \
     UPDATE limit_record SET int_max_value = int_max_value + 1; RETURN NULL; \
     END $$ LANGUAGE plpgsql; \
     CREATE TRIGGER one_more AFTER INSERT ON proc FOR EACH ROW EXECUTE PROCEDURE one_more();";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_books_a_little_in_each_turn_does_not_hide_those_behind_it() {
    let (db, farm) = yard(20).await;
    let limit = farm.limit("licence", 1).await.unwrap();
    let front = |job: &mut JobSpec| {
        job.priority = 10;
        job.layers
            .push(layer(&farm, "front", 500, std::slice::from_ref(&limit)));
    };
    farm.job("front", front).await.unwrap();
    let behind = |job: &mut JobSpec| {
        job.priority = 1;
        job.layers.push(layer(&farm, "behind", 10, &[]));
    };
    farm.job("behind", behind).await.unwrap();
    db.run(ONE_MORE).await;
    let world = World::open(db, endless()).await;
    // The frames of the first job are more than a turn takes on, so no turn sees the second.
    let settings = [("CUE_FRAMES_PER_TURN", "100"), ("CUE_DRY_RUN", "true")];
    let scheduler = Scheduler::start(&world, &settings).await;
    until("the second job to run", async || {
        running(&world, "behind").await == 10
    })
    .await;
    let ran = running(&world, "front").await;
    assert!(ran < 500, "all {ran} frames of the first job came before");
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_of_a_job_with_more_than_a_turn_looks_at_are_not_hidden_by_the_first() {
    let (db, farm) = yard(1).await;
    let many = |job: &mut JobSpec| {
        for n in 0..7 {
            let mut huge = layer(&farm, &format!("huge{n}"), 1, &[]);
            huge.cores_min = 6_400;
            job.layers.push(huge);
        }
        job.layers.push(layer(&farm, "small", 3, &[]));
    };
    farm.job("many", many).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[("CUE_LAYERS_PER_TURN", "2")]).await;
    world.launched(3).await;
    world.finish(scheduler, 3).await;
}
