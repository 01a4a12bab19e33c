//! Pauses: work that is paused is not picked, and what is kept or entitled goes to others.

use std::time::Duration;

use cue_domain::{Centicores, PauseScope};

use crate::DemandIndex;
use crate::tests::fixture::{
    NOW_US, complete, host, index_of, job, layer, pick, read, row, subscription, supply, total,
};

/// Two shows that each want more cores than there are.
fn rows() -> cue_domain::demand::DemandRows {
    let jobs = ["a", "b"].map(|show| job(&format!("{show}-job"), show, 1));
    let layers = ["a", "b"].map(|show| row(&format!("{show}-job"), layer(show, 1, 100)));
    let mut rows = complete(jobs.to_vec(), layers.to_vec());
    rows.subscriptions = ["a", "b"]
        .map(|show| subscription(show, "a", (100, 10_000, 0)))
        .to_vec();
    rows
}

fn paused(index: &DemandIndex) -> Vec<bool> {
    let clusters = index.clusters().into_iter();
    clusters.map(|cluster| cluster.is_paused).collect()
}

#[test]
fn a_paused_show_is_not_picked_and_leaves_its_share_to_others() {
    let index = index_of(rows());
    let hosts = [host("h", 32)];
    assert_eq!(
        pick(&index, "b", &hosts).entitled[0].1,
        Centicores::cores(16)
    );
    index.pause(vec![PauseScope::Show("a".into())]);
    assert_eq!(paused(&index), [true, false]);
    let of_a = pick(&index, "a", &hosts);
    assert!(of_a.has_work && of_a.layers.is_empty());
    // A complete reading forgets nothing.
    read(&index, rows());
    assert_eq!(paused(&index), [true, false]);
    let of_b = pick(&index, "b", &hosts);
    assert_eq!(of_b.entitled[0].1, Centicores::cores(32));
    assert_eq!(total(&of_b), 32);

    index.pause(vec![PauseScope::All]);
    assert_eq!(paused(&index), [true, true]);
    index.pause(Vec::new());
    assert_eq!(paused(&index), [false, false]);
}

#[test]
fn paused_work_reserves_no_host_and_keeps_no_gpu() {
    let mut wide = layer("wide", 64, 1);
    wide.gpus_min = 1;
    let index = index_of(complete(vec![job("j", "s", 1)], vec![row("j", wide)]));
    let blocked = || {
        let supply = supply(&[host("h", 32)]);
        index.blocked(&supply, Duration::ZERO, NOW_US).len()
    };
    assert_eq!((blocked(), index.gpu_work().len()), (1, 1));
    index.pause(vec![PauseScope::All]);
    assert_eq!((blocked(), index.gpu_work().len()), (0, 0));
}
