//! Picks against a model that computes everything again for every frame.

use std::collections::{BTreeMap, BTreeSet};

use cue_domain::{Centicores, Host, LayerId};
use proptest::prelude::*;

use crate::Pick;
use crate::picked::Picked;
use crate::tests::fixture::{index_of, input, key, supply};

mod model;
mod random;

use model::Model;
use random::{any_host, any_rows, any_rules};

/// Frames by layer. Spares count as one: siblings stand in for their job with more than that by which they are found.
fn picked(pick: &Pick) -> Vec<(LayerId, u32)> {
    let frames = |picked: &Picked| if picked.is_spare { 1 } else { picked.frames };
    let layers = pick.layers.iter();
    layers
        .map(|picked| (picked.layer.clone(), frames(picked)))
        .collect()
}

/// The hosts with ids of their own.
fn named(mut hosts: Vec<Host>) -> Vec<Host> {
    for (n, host) in hosts.iter_mut().enumerate() {
        host.id = format!("h{n}").into();
    }
    hosts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn frames_go_one_at_a_time_to_the_job_of_lowest_rank_that_hosts_caps_and_entitlement_admit(
        rows in any_rows(), hosts in proptest::collection::vec(any_host(), 0..5).prop_map(named), rules in any_rules(),
    ) {
        let pick = index_of(rows.clone()).pick(&key("s"), &input(&supply(&hosts), &rules));
        let mut model = Model {
            rows: &rows, hosts: &hosts, rules: &rules, entitled: BTreeMap::new(), given: vec![], picked: vec![],
            cores: BTreeMap::new(), gpus: BTreeMap::new(), done: BTreeSet::new(), spares: 8, has_work: false, is_limited: false,
        };
        if rows.jobs.iter().any(|job| job.show.as_str() == "s") {
            model.run();
        }
        prop_assert_eq!(picked(&pick), model.picked);
        let entitled: BTreeMap<_, _> = pick.entitled.iter().cloned().collect();
        let expected = model.entitled.iter().map(|(alloc, (cores, _))| (alloc.clone(), Centicores(*cores)));
        prop_assert_eq!(entitled, expected.collect());
        prop_assert_eq!((pick.has_work, pick.is_limited), (model.has_work, model.is_limited));
        for picked in &pick.layers {
            let row = rows.layers.iter().find(|row| row.layer.id == picked.layer).unwrap();
            prop_assert!(i64::from(picked.frames) <= row.layer.waiting);
            prop_assert_eq!(&row.job, &picked.job);
            let paid = pick.layers.iter().filter(|other| other.job == picked.job && !other.is_spare);
            let paid: u32 = paid.map(|other| other.frames).sum();
            let most = if picked.is_equal { paid.max(1) } else { 1 };
            prop_assert!(!picked.is_spare || picked.frames <= most);
        }
    }
}
