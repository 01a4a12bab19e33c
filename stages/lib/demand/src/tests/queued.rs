//! The policy that keeps a layer from idle hosts.

use cue_domain::demand::DemandRows;
use cue_domain::order::Order;
use cue_domain::why::{OrderFacts, Queued, ShareFacts, ShowShare};
use cue_domain::{BookedLayer, Centicores, Kib, LayerId};
use proptest::prelude::*;

use crate::tests::fixture::{
    complete, host, index_of, input, job, key, layer, pick, row, rules, subscription, supply,
};
use crate::{DemandIndex, PickInput, PickRules};

/// The policy that keeps the layer from this number of idle cores.
fn queued(index: &DemandIndex, layer: &str, cores: i64) -> Option<Queued> {
    let rules = PickRules {
        cores_follow_memory: true,
        ..rules(Order::Priority)
    };
    let supply = supply(&[host("h", cores)]);
    index.queued(&LayerId::from(layer), &input(&supply, &rules))
}

/// Two shows of 20 and 100 cores that use 40 and 50, each with a layer of 2 cores.
fn shows() -> DemandRows {
    let jobs = ["small", "big"].map(|show| job(&format!("{show}-job"), show, 1));
    let layers = ["small", "big"].map(|show| row(&format!("{show}-job"), layer(show, 2, 100)));
    let mut rows = complete(jobs.to_vec(), layers.to_vec());
    rows.subscriptions = vec![
        subscription("small", "a", (20, 1_000, 40)),
        subscription("big", "a", (100, 1_000, 50)),
    ];
    rows
}

#[test]
fn a_show_of_a_higher_tier_waits_for_the_show_of_the_lower_one() {
    let index = index_of(shows());
    let share = |show: &str, size, held, entitled| ShowShare {
        show: show.into(),
        size: Centicores::cores(size),
        held: Centicores::cores(held),
        entitled: Centicores::cores(entitled),
    };
    let expected = ShareFacts {
        alloc: "a".into(),
        idle: Centicores::cores(10),
        own: share("small", 20, 40, 0),
        first: vec![share("big", 100, 50, 10)],
    };
    assert_eq!(
        queued(&index, "small", 10),
        Some(Queued::Share(Box::new(expected)))
    );
    assert_eq!(queued(&index, "big", 10), None);
    assert_eq!(queued(&index, "unknown", 10), None);
    assert_eq!(queued(&index, "small", 0), None, "no host has room");
}

#[test]
fn a_show_that_finds_no_use_for_its_cores_is_not_served_first() {
    let index = index_of(shows());
    let hosts = [host("h", 10)];
    let supply = supply(&hosts);
    let rules = rules(Order::Priority);
    let backs_off = PickInput {
        is_set_aside: &|layer| layer.as_str() == "big",
        ..input(&supply, &rules)
    };
    assert!(index.pick(&key("big"), &backs_off).layers.is_empty());
    assert_eq!(queued(&index, "small", 10), None);
}

#[test]
fn jobs_of_higher_priority_are_served_first() {
    let jobs = vec![job("low", "s", 1), job("high", "s", 9)];
    let rows = vec![
        row("low", layer("l", 2, 5)),
        row("high", layer("h1", 2, 2)),
        row("high", layer("h2", 2, 9)),
    ];
    let index = index_of(complete(jobs, rows));
    let expected = OrderFacts {
        entitled: Centicores::cores(8),
        first: "high/h1".to_owned(),
        layers: 2,
        jobs: 1,
    };
    assert_eq!(queued(&index, "l", 8), Some(Queued::Order(expected)));
    assert_eq!(queued(&index, "h2", 8), None);
    assert_eq!(queued(&index, "l", 30), None, "there is enough for all");
}

#[test]
fn a_layer_of_unknown_memory_waits_while_eight_frames_of_it_run() {
    let rows = |running, is_measured| {
        let mut row = row("j", layer("new", 1, 100));
        (row.running, row.is_measured) = (running, is_measured);
        index_of(complete(vec![job("j", "s", 1)], vec![row]))
    };
    let trial = |running| Some(Queued::Trial { running, most: 8 });
    assert_eq!(queued(&rows(7, false), "new", 20), None);
    assert_eq!(queued(&rows(8, false), "new", 20), trial(8));
    assert_eq!(queued(&rows(9, true), "new", 20), None);
    let index = rows(2, false);
    pick(&index, "s", &[host("h", 6)]);
    assert_eq!(queued(&index, "new", 20), trial(8), "six are being booked");
}

#[test]
fn room_that_is_kept_for_work_with_gpus_is_a_reason() {
    let plain = row("j", layer("plain", 4, 1));
    let mut with_gpu = layer("with", 4, 1);
    (with_gpu.gpus_min, with_gpu.memory_min) = (1, Kib::gib(60));
    let index = index_of(complete(
        vec![job("j", "s", 1)],
        vec![plain, row("j", with_gpu)],
    ));
    let mut host = host("h", 4);
    (host.total.gpus, host.idle.gpus) = (1, 1);
    // The memory of the work with GPUs is still in use.
    host.idle.memory = Kib::gib(20);
    let (supply, rules) = (index.supply(&[host]), rules(Order::Priority));
    let queued = index.queued(&LayerId::from("plain"), &input(&supply, &rules));
    assert_eq!(queued, Some(Queued::GpuProtected));
}

proptest! {
    /// A layer that a turn would try is not kept by the policy, and one that it would not try is kept.
    #[test]
    fn the_policy_keeps_exactly_the_layers_that_no_turn_would_try(
        held in [0..60i64, 0..60], cores in 1..40i64, priorities in [1..4i64, 1..4, 1..4],
    ) {
        let shows = ["a", "b", "b"];
        let jobs = (0..3).map(|n| job(&format!("j{n}"), shows[n], priorities[n])).collect();
        let layers = (0..3).map(|n| row(&format!("j{n}"), layer(&format!("l{n}"), 2, 9))).collect();
        let mut rows = complete(jobs, layers);
        rows.subscriptions = vec![
            subscription("a", "a", (20, 1_000, held[0])),
            subscription("b", "a", (40, 1_000, held[1])),
        ];
        let index = index_of(rows);
        let found: Vec<_> = (0..3).map(|n| queued(&index, &format!("l{n}"), cores)).collect();
        let supply = supply(&[host("h", cores)]);
        for (n, found) in found.iter().enumerate() {
            let rules = rules(Order::Priority);
            let pick = index.pick(&key(shows[n]), &input(&supply, &rules));
            index.turn_ended(&key(shows[n]), &[] as &[BookedLayer]);
            let is_tried = pick.layers.iter().any(|picked| {
                picked.layer.as_str() == format!("l{n}") && !picked.is_spare
            });
            let has_room = cores >= 2;
            prop_assert_eq!(found.is_some(), has_room && !is_tried, "{:?}", found);
        }
    }
}
