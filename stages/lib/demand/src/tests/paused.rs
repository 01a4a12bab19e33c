//! Pauses: work that is paused is not picked, and what is kept or entitled goes to others.

use std::time::Duration;

use cue_domain::demand::{DemandRows, KeptFrames};
use cue_domain::order::Order;
use cue_domain::{Centicores, PauseScope, WaitReason};

use crate::tests::fixture::{
    NOW_US, complete, host, index_of, job, layer, pick, read, row, rules, subscription, supply,
    total,
};
use crate::{DemandIndex, FarmInput, FarmView, Supply};

/// Two shows that each want more cores than there are.
fn rows() -> DemandRows {
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

fn view(index: &DemandIndex) -> FarmView {
    index.farm(&FarmInput {
        hosts: &[],
        whole: &Supply::default(),
        host_backoffs: &[].into(),
        layer_backoffs: &[].into(),
        rules: &rules(Order::Share),
        now: std::time::Instant::now(),
        now_us: NOW_US,
    })
}

#[test]
fn frames_that_no_turn_finds_are_seen_until_a_complete_reading_has_none() {
    let kept = |show: &str, reason, frames| KeptFrames {
        show: show.into(),
        show_name: show.into(),
        facility: "f".into(),
        facility_name: "f".into(),
        reason,
        frames,
    };
    let mut all = rows();
    all.kept = vec![
        kept("a", WaitReason::Paused, 5),
        kept("z", WaitReason::Depends, 7),
        kept("z", WaitReason::StartAfter, 1),
    ];
    let index = index_of(all);
    index.pause(vec![PauseScope::Show("a".into())]);
    let seen = || -> Vec<(String, &str, i64)> {
        let shows = view(&index).shows.into_iter();
        shows
            .flat_map(|show| {
                let name = show.cluster.show_name.to_string();
                let waiting = show.waiting.into_iter();
                waiting.map(move |(reason, of)| (name.clone(), reason.code(), of.frames))
            })
            .filter(|(name, ..)| name != "b")
            .collect()
    };
    let of = |show: &str, reason, frames| (show.to_owned(), reason, frames);
    let both = [
        of("a", "paused", 105),
        of("z", "depends", 7),
        of("z", "start_after", 1),
    ];
    assert_eq!(seen(), both);
    read(
        &index,
        DemandRows {
            complete: false,
            subscriptions: rows().subscriptions,
            ..DemandRows::default()
        },
    );
    assert_eq!(seen(), both, "a look counts none of them");
    read(&index, rows());
    assert_eq!(seen(), [of("a", "paused", 100)]);
}
