//! Layers of which the memory is not known yet.

use cue_domain::order::Order;
use cue_domain::{BookedLayer, Centicores, Layer};
use proptest::prelude::*;

use crate::tests::fixture::{
    complete, frames, host, index_of, input, job, key, layer, read, row, rules, supply, total,
};
use crate::{DemandIndex, Pick, PickRules};

fn pick(index: &DemandIndex, cores: i64) -> Pick {
    let rules = PickRules {
        cores_follow_memory: true,
        ..rules(Order::Share)
    };
    index.pick(&key("s"), &input(&supply(&[host("h", cores)]), &rules))
}

#[test]
fn a_layer_that_tries_leaves_the_cores_to_the_next_of_its_job() {
    let mut plain = layer("plain", 1, 100);
    (plain.dispatch_order, plain.threadable) = (2, false);
    let rows = vec![row("j", layer("new", 1, 100)), row("j", plain)];
    let index = index_of(complete(vec![job("j", "s", 1)], rows));
    assert_eq!(frames(&pick(&index, 20)), [("new", 8), ("plain", 12)]);
    assert_eq!(
        frames(&pick(&index, 20)),
        [("plain", 20)],
        "eight are asked for"
    );
}

#[test]
fn once_its_memory_is_known_a_layer_has_all_it_is_owed() {
    let rows = |is_measured| {
        let mut row = row("j", layer("new", 1, 100));
        (row.running, row.is_measured) = (6, is_measured);
        complete(vec![job("j", "s", 1)], vec![row])
    };
    let index = index_of(rows(false));
    assert_eq!(total(&pick(&index, 20)), 2);
    index.turn_ended(&key("s"), &[]);
    assert!(!read(&index, rows(true)));
    assert_eq!(total(&pick(&index, 20)), 20);
}

proptest! {
    #[test]
    fn no_more_than_eight_frames_run_or_are_asked_for(
        cores in prop_oneof![Just(100), 1..=300i64], threadable: bool, running in 0..20i64, waiting in 1..40i64,
        picks in proptest::collection::vec(1..30i64, 1..4),
    ) {
        let new = Layer { cores_min: Centicores(cores), threadable, ..layer("new", 1, waiting) };
        let mut new = row("j", new);
        new.running = running;
        let index = index_of(complete(vec![job("j", "s", 1)], vec![new]));
        let mut asked = 0;
        for cores in picks {
            let frames = total(&pick(&index, cores));
            let booked = BookedLayer {
                layer: "new".into(),
                job: "j".into(),
                frames: frames.into(),
                cores: Vec::new(),
            };
            index.turn_ended(&key("s"), &[booked]);
            asked += frames;
        }
        if threadable && cores <= 100 {
            prop_assert!(i64::from(asked) <= (8 - running).max(0));
        }
        prop_assert!(i64::from(asked) <= waiting);
    }
}
