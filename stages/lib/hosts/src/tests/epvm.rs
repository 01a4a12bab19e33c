//! The strategy `epvm` in the index: the host with the lowest score is lent.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use cue_domain::fit::FitRules;
use cue_domain::score::{Caps, score};
use cue_domain::{Centicores, Host, Layer};
use proptest::prelude::*;

use super::{Wish, idle, layer};
use crate::{Choice, Epvm, HostIndex, IndexSettings, Ranking};

fn index_of(max_candidates: usize, hosts: Vec<Host>) -> HostIndex {
    let index = HostIndex::new(IndexSettings {
        strategy: Ranking::Epvm(Epvm {
            max_candidates: NonZeroUsize::new(max_candidates).unwrap(),
            ..Epvm::default()
        }),
        ..IndexSettings::default()
    });
    index.apply(index.mark(), hosts);
    index
}

/// Two cores and 4 GiB a frame, as in the contract's examples.
fn frame() -> Layer {
    Layer {
        cores_min: Centicores::cores(2),
        memory_min: cue_domain::Kib::gib(4),
        threadable: true,
        cores_max: Some(Centicores::cores(2)),
        ..layer()
    }
}

fn take(index: &HostIndex, layer: Layer) -> Option<(String, f64)> {
    let wish = Wish::of(layer);
    let taken = index.take(&wish.request(), |_| true);
    index.check();
    taken.map(|(lease, choice)| match choice {
        Choice::Scored(score) => (lease.name.to_string(), score),
        other => panic!("{other:?}"),
    })
}

#[test]
fn the_host_with_the_lowest_score_is_lent_and_the_first_of_equals() {
    let lopsided = idle("8/8", 8, 8);
    let whole = idle("8/16", 8, 16);
    let tight = idle("2/4", 2, 4);
    let index = index_of(500, vec![lopsided.clone(), whole.clone()]);
    assert_eq!(take(&index, frame()), Some(("8/16".to_owned(), 0.0)));
    let index = index_of(500, vec![lopsided.clone(), whole, tight]);
    assert_eq!(take(&index, frame()), Some(("2/4".to_owned(), 0.0)));
    let index = index_of(500, vec![lopsided]);
    assert_eq!(take(&index, frame()), Some(("8/8".to_owned(), 2.0)));
}

#[test]
fn a_layer_without_gpus_leaves_them_alone_unless_nothing_else_is_left() {
    let mut gpu = idle("gpu", 8, 16);
    gpu.idle.gpus = 1;
    let index = index_of(500, vec![gpu.clone(), idle("8/8", 8, 8)]);
    assert_eq!(take(&index, frame()).unwrap().0, "8/8");
    let index = index_of(500, vec![gpu]);
    assert_eq!(take(&index, frame()).unwrap(), ("gpu".to_owned(), 2.0));
}

#[test]
fn no_more_hosts_are_compared_than_allowed() {
    let index = index_of(1, vec![idle("4/5", 4, 5), idle("8/16", 8, 16)]);
    assert_eq!(
        take(&index, frame()).unwrap().0,
        "4/5",
        "the first that fits"
    );
}

#[test]
fn after_four_lost_hosts_the_first_that_fits_is_taken() {
    let lost_to_another_search = |number: usize| {
        let best = (0..5).map(|n| idle(&format!("8/16 {n}"), 8, 16));
        let index = index_of(500, best.chain([idle("4/5", 4, 5)]).collect());
        let wish = Wish::of(frame());
        let others = RefCell::new(Vec::new());
        let lose = |host: &Host| {
            if host.idle.cores == Centicores::cores(8) && others.borrow().len() < number {
                let taken = index.take_host(&host.id, &wish.request(), |_| true);
                others.borrow_mut().push(taken.unwrap());
            }
            true
        };
        let (lease, choice) = index.take(&wish.request(), lose).unwrap();
        (lease.name.to_string(), choice)
    };
    for number in 0..4 {
        let taken = lost_to_another_search(number);
        assert_eq!(taken, (format!("8/16 {number}"), Choice::Scored(0.0)));
    }
    assert_eq!(
        lost_to_another_search(4),
        ("4/5".to_owned(), Choice::Unscored)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_host_that_fits_has_a_lower_score(amounts in proptest::collection::vec((1..20i64, 1..40i64, 0..2i64), 1..30)) {
        let hosts: Vec<Host> = amounts
            .iter()
            .enumerate()
            .map(|(n, (cores, gib, gpus))| {
                let mut host = idle(&n.to_string(), *cores, *gib);
                host.idle.gpus = *gpus;
                host
            })
            .collect();
        let epvm = Epvm::default();
        let caps = Caps { job: None, subscription: Some(Centicores::cores(1000)) };
        let lowest = hosts
            .iter()
            .filter(|host| cue_domain::fit::reserve(&frame(), host, &FitRules::default(), None).is_ok())
            .map(|host| score(&frame(), host, caps, &epvm.weights))
            .min_by(f64::total_cmp);
        let taken = take(&index_of(500, hosts), frame());
        prop_assert_eq!(taken.map(|(_, score)| score), lowest);
    }
}
