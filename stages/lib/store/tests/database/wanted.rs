//! Layers by key: those that could run now, and whatever keeps others from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cue_domain::job::Room;
use cue_domain::{Centicores, Cluster, ClusterKey, LayerId};
use cue_simfarm::seed::{Launched, LayerSpec};

use crate::yard::Yard;

/// Changes that keep layers from running, changes that let them run again, and how many of four may run between.
const GATES: &[(&str, &str, usize)] = &[
    (
        "UPDATE job SET b_paused = true WHERE str_name = 'one'",
        "UPDATE job SET b_paused = false",
        2,
    ),
    (
        "UPDATE show SET b_active = false",
        "UPDATE show SET b_active = true",
        0,
    ),
    (
        "UPDATE show SET b_scheduler_managed = false",
        "UPDATE show SET b_scheduler_managed = true",
        0,
    ),
    (
        "UPDATE subscription SET int_burst = 99",
        "UPDATE subscription SET int_burst = 10000",
        0,
    ),
    (
        "UPDATE subscription SET int_burst = 0, int_cores = -300",
        "UPDATE subscription SET int_burst = 10000, int_cores = 0",
        0,
    ),
    (
        "UPDATE job_resource SET int_max_cores = 0, int_cores = -300",
        "UPDATE job_resource SET int_max_cores = 10000, int_cores = 0",
        0,
    ),
    (
        "UPDATE folder_resource SET int_max_cores = 0, int_cores = -300",
        "UPDATE folder_resource SET int_max_cores = -1, int_cores = 0",
        0,
    ),
    (
        "UPDATE layer SET ts_start_after = now() + interval '1 hour' WHERE str_name = 'a'",
        "UPDATE layer SET ts_start_after = now() - interval '1 hour'",
        2,
    ),
    (
        "UPDATE layer SET ts_start_after = 'infinity'",
        "UPDATE layer SET ts_start_after = NULL",
        0,
    ),
    (
        "UPDATE layer SET int_cores_min = 20000 WHERE str_name = 'b'",
        "UPDATE layer SET int_cores_min = 100",
        2,
    ),
    (
        "UPDATE layer SET int_gpus_min = 1000 WHERE str_name = 'b'",
        "UPDATE layer SET int_gpus_min = 0",
        2,
    ),
    (
        "UPDATE layer_stat SET int_waiting_count = 0",
        "UPDATE layer_stat SET int_waiting_count = 1",
        0,
    ),
    (
        "UPDATE job SET str_state = 'STARTUP'",
        "UPDATE job SET str_state = 'PENDING'",
        0,
    ),
];

fn cluster(yard: &Yard) -> Cluster {
    let place = yard.farm.place();
    Cluster {
        key: ClusterKey {
            facility: place.facility.as_str().into(),
            show: place.show.as_str().into(),
        },
        facility_name: "yard".into(),
        show_name: "alpha".into(),
    }
}

fn layers(jobs: &[&Launched]) -> Vec<LayerId> {
    let layers = jobs.iter().flat_map(|job| &job.layers);
    layers.map(|layer| layer.id.as_str().into()).collect()
}

/// Names of the layers that were found, behind those of their jobs.
async fn found(yard: &Yard, ids: &[LayerId]) -> BTreeSet<String> {
    let jobs = yard.store.wanted_layers(&cluster(yard), ids).await.unwrap();
    let named = |found: &cue_store::PendingJob| {
        let job = Arc::clone(&found.job);
        let names = found.layers.iter().map(|layer| &layer.name);
        names
            .map(|name| format!("{}/{name}", job.name))
            .collect::<Vec<_>>()
    };
    jobs.iter().flat_map(named).collect()
}

async fn two_jobs(yard: &Yard) -> [Launched; 2] {
    let job = async |name: &str| {
        let job = yard.farm.job(name, |job| {
            let layers = ["a", "b"].map(|name| LayerSpec::new(name, "general"));
            job.layers.extend(layers);
        });
        job.await.unwrap()
    };
    [job("one").await, job("two").await]
}

#[tokio::test]
async fn these_layers_come_with_their_jobs_as_demand_has_them() {
    let yard = Yard::new().await;
    let jobs = two_jobs(&yard).await;
    let set = "UPDATE job SET str_os = 'rocky' WHERE str_name = 'one';
               UPDATE folder_resource SET int_max_cores = 5000, int_cores = 100, int_max_gpus = 7, int_gpus = 2;
               UPDATE subscription SET int_burst = 4000, int_cores = 300";
    yard.db.run(set).await;
    let mut ids = layers(&[&jobs[0], &jobs[1]]);
    ids.extend([LayerId::from("unknown"), ids[0].clone()]);
    let wanted = yard.store.wanted_layers(&cluster(&yard), &ids).await;
    let wanted = wanted.unwrap();
    let (demand, _) = yard.demand().await;
    assert_eq!((wanted.len(), demand.jobs.len()), (2, 2));
    assert_eq!(demand.layers.len(), 4);
    let sub = &demand.subscriptions[0];
    let left = [(sub.alloc.clone(), Centicores(3_700))];
    for pending in wanted {
        let (job, headroom) = (&pending.job, &pending.job.headroom);
        let waiting = demand.jobs.iter().find(|waiting| waiting.id == job.id);
        let waiting = waiting.unwrap();
        assert_eq!((&job.name, &job.os), (&waiting.name, &waiting.os));
        assert_eq!(
            (&job.folder, job.priority),
            (&waiting.folder, waiting.priority)
        );
        let rooms = (headroom.job, headroom.folder);
        assert_eq!(rooms, (waiting.room, waiting.folder_room));
        assert_eq!(*headroom.subscriptions, left);
        let mut found = pending.layers;
        found.sort_by(|a, b| a.id.cmp(&b.id));
        let of_job = demand.layers.iter().filter(|layer| layer.job == job.id);
        let mut layers: Vec<_> = of_job.map(|waiting| waiting.layer.clone()).collect();
        layers.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(found, layers);
    }
    let one = layers(&[&jobs[0]]);
    assert_eq!(found(&yard, &one[..1]).await, ["one/a".to_owned()].into());
}

#[tokio::test]
async fn a_layer_that_may_not_run_is_left_out() {
    let yard = Yard::new().await;
    let jobs = two_jobs(&yard).await;
    let ids = layers(&[&jobs[0], &jobs[1]]);
    let all = found(&yard, &ids).await;
    assert_eq!(all.len(), 4);
    for (close, open, left) in GATES {
        yard.db.run(close).await;
        assert_eq!(found(&yard, &ids).await.len(), *left, "{close}");
        yard.db.run(open).await;
        assert_eq!(found(&yard, &ids).await, all, "{open}");
    }
    let mut elsewhere = cluster(&yard);
    elsewhere.key.show = "elsewhere".into();
    let moved = yard.store.wanted_layers(&elsewhere, &ids).await.unwrap();
    assert!(moved.is_empty());
}

#[tokio::test]
async fn caps_and_priority_are_those_of_now() {
    let yard = Yard::new().await;
    let jobs = two_jobs(&yard).await;
    let set = "UPDATE job_resource SET int_max_cores = 700, int_cores = 300, int_priority = 77";
    yard.db.run(set).await;
    let ids = layers(&[&jobs[0]]);
    let jobs = yard.store.wanted_layers(&cluster(&yard), &ids).await;
    let job = &jobs.unwrap()[0].job;
    assert_eq!(job.priority, 77);
    assert_eq!(job.headroom.job.cores, Some(Centicores(400)));
}

#[tokio::test]
async fn the_widest_caps_with_counters_below_zero_fail_no_statement() {
    let yard = Yard::new().await;
    let job = yard.job("a", 1).await;
    let set = "UPDATE folder_resource SET int_max_cores = 2147483647, int_cores = -300,
                      int_max_gpus = 2147483647, int_gpus = -1;
               UPDATE job_resource SET int_max_gpus = 2147483647, int_gpus = -1";
    yard.db.run(set).await;
    let ids = layers(&[&job]);
    let wanted = yard.store.wanted_layers(&cluster(&yard), &ids).await;
    let headroom = &wanted.unwrap()[0].job.headroom;
    let waiting = &yard.demand().await.0.jobs[0];
    let (cores, gpus) = (Some(Centicores(2_147_483_947)), Some(2_147_483_648));
    assert_eq!(headroom.folder, Room { cores, gpus });
    assert_eq!(waiting.folder_room, Room { cores, gpus });
    assert_eq!((headroom.job.gpus, waiting.room.gpus), (gpus, gpus));
}
