//! The query of a turn: which jobs are on a page, what lies behind it, and numbers at the edge.

use std::sync::Arc;

use cue_domain::{Centicores, Cluster, ClusterKey, Depth, Tag, TagKind};
use cue_simfarm::seed::LayerSpec;
use cue_store::PendingLayers;

use crate::yard::Yard;

fn cluster(yard: &Yard) -> Cluster {
    let place = yard.farm.place();
    let facility = yard.farm.facility.id.as_str();
    Cluster {
        key: ClusterKey {
            facility: facility.into(),
            show: place.show.as_str().into(),
            kind: TagKind::Alloc,
            tags: Arc::new([Tag::from("general")]),
        },
        facility_name: "yard".into(),
        show_name: "alpha".into(),
    }
}

async fn page(yard: &Yard, skip: Depth, jobs: u32, layers: u32) -> PendingLayers {
    let cluster = cluster(yard);
    let found = yard.store.pending_layers(&cluster, skip, jobs, layers);
    found.await.unwrap()
}

fn names(page: &PendingLayers) -> Vec<&str> {
    page.jobs.iter().map(|found| &*found.job.name).collect()
}

#[tokio::test]
async fn jobs_behind_one_that_fills_a_page_are_on_a_later_one() {
    let yard = Yard::new().await;
    let wide = yard.farm.job("wide", |job| {
        job.priority = 10;
        let layers = ["a", "b", "c"].map(|name| LayerSpec::new(name, "general"));
        job.layers.extend(layers);
    });
    wide.await.unwrap();
    for (name, priority) in [("second", 5), ("third", 4), ("last", 3)] {
        let job = yard.farm.job(name, |job| job.priority = priority);
        job.await.unwrap();
    }
    for bound in [1, 3] {
        let mut seen: Vec<String> = Vec::new();
        let mut at = Depth::FRONT;
        for _ in 0..20 {
            let page = page(&yard, at, bound, 3).await;
            seen.extend(names(&page).into_iter().map(str::to_owned));
            let Some(covered) = page.cut_after else { break };
            at = at.and(covered);
        }
        seen.dedup();
        assert_eq!(seen, ["wide", "second", "third", "last"], "{bound} jobs");
    }
}

#[tokio::test]
async fn the_widest_caps_with_counters_below_zero_fail_no_query() {
    let yard = Yard::new().await;
    let job = yard.job("a", 1).await;
    for set in [
        "UPDATE folder_resource SET int_max_cores = 2147483647, int_cores = -300,
                int_max_gpus = 2147483647, int_gpus = -1",
        "UPDATE job_resource SET int_max_gpus = 2147483647, int_gpus = -1",
    ] {
        sqlx::query(set).execute(&yard.db.pool).await.unwrap();
    }
    let found = page(&yard, Depth::FRONT, 10, 10).await;
    assert_eq!(found.jobs[0].job.id.as_str(), job.id);
    let headroom = &found.jobs[0].job.headroom;
    assert_eq!(headroom.folder_cores, Some(Centicores(2_147_483_947)));
    assert_eq!(headroom.folder_gpus, Some(2_147_483_648));
    assert_eq!(headroom.gpus, Some(2_147_483_648));
}

#[tokio::test]
async fn a_cap_of_nothing_stays_so_with_a_counter_below_zero() {
    let yard = Yard::new().await;
    yard.job("a", 1).await;
    let scanned = async || yard.store.active_tags(None).await.unwrap().len();
    assert_eq!(scanned().await, 1);
    for (close, open) in [
        (
            "UPDATE subscription SET int_burst = 0, int_cores = -300",
            "UPDATE subscription SET int_burst = 10000, int_cores = 0",
        ),
        (
            "UPDATE job_resource SET int_max_cores = 0, int_cores = -300",
            "UPDATE job_resource SET int_max_cores = 10000, int_cores = 0",
        ),
        (
            "UPDATE folder_resource SET int_max_cores = 0, int_cores = -300",
            "UPDATE folder_resource SET int_max_cores = 10000, int_cores = 0",
        ),
    ] {
        sqlx::query(close).execute(&yard.db.pool).await.unwrap();
        let found = page(&yard, Depth::FRONT, 10, 10).await;
        assert!(found.jobs.is_empty(), "{close}");
        let scans = !close.contains("folder");
        assert!(!scans || scanned().await == 0, "{close}");
        sqlx::query(open).execute(&yard.db.pool).await.unwrap();
        let found = page(&yard, Depth::FRONT, 10, 10).await;
        assert_eq!(names(&found), ["a"], "{open}");
    }
}
