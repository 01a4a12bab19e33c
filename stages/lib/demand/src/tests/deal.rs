//! Replicas that share the jobs of a pick.

use std::collections::HashSet;

use cue_domain::order::Order;
use cue_domain::{Centicores, Host, JobId, LayerId};
use proptest::prelude::*;

use crate::replica::DEAL_US;
use crate::tests::fixture::{
    NOW_US, complete, host, index_of, input, job, key, layer, row, rules, subscription, supply,
};
use crate::{Pick, ReplicaPlace};

/// The picks of all replicas at the same time, among 50 jobs with one frame each.
fn picks(of: u32, hosts: &[Host]) -> Vec<Pick> {
    let names: Vec<String> = (0..50).map(|n| format!("job-{n:02}")).collect();
    let jobs = names.iter().map(|name| job(name, "s", 1)).collect();
    let layers = names.iter().map(|name| row(name, layer(name, 1, 1)));
    let mut rows = complete(jobs, layers.collect());
    rows.subscriptions = vec![subscription("s", "a", (100, 1_000, 0))];
    let pick = |index| {
        let mut rules = rules(Order::Share);
        rules.replica = ReplicaPlace { index, of };
        let index = index_of(rows.clone());
        index.pick(&key("s"), &input(&supply(hosts), &rules))
    };
    (0..of).map(pick).collect()
}

/// Layers that are paid for.
fn paid(pick: &Pick) -> Vec<&LayerId> {
    let paid = pick.layers.iter().filter(|picked| !picked.is_spare);
    paid.map(|picked| &picked.layer).collect()
}

#[test]
fn replicas_share_the_cores_and_rarely_try_the_same_layer() {
    let picks = picks(3, &[host("h", 30)]);
    for pick in &picks {
        assert_eq!(pick.entitled[0].1, Centicores::cores(10));
        assert_eq!(paid(pick).len(), 10);
        assert!(pick.leaves_others);
    }
    let tried: HashSet<&LayerId> = picks.iter().flat_map(paid).collect();
    assert!(tried.len() >= 24, "{} of 30", tried.len());
}

#[test]
fn two_replicas_divide_a_pick_without_a_rest_and_without_a_layer_in_common() {
    let picks = picks(2, &[host("h", 30)]);
    let (one, other) = (&picks[0], &picks[1]);
    let tried: HashSet<&LayerId> = paid(one).into_iter().chain(paid(other)).collect();
    assert_eq!(
        (paid(one).len(), paid(other).len(), tried.len()),
        (15, 15, 30)
    );
}

#[test]
fn two_replicas_divide_the_layers_of_a_single_job() {
    let layers = (1..=10).map(|n| row("j", layer(&format!("l{n:02}"), 1, 1)));
    let mut rows = complete(vec![job("j", "s", 1)], layers.collect());
    rows.subscriptions = vec![subscription("s", "a", (100, 1_000, 0))];
    let pick = |index| {
        let mut rules = rules(Order::Share);
        rules.replica = ReplicaPlace { index, of: 2 };
        let index = index_of(rows.clone());
        index.pick(&key("s"), &input(&supply(&[host("h", 10)]), &rules))
    };
    let picks = [pick(0), pick(1)];
    let tried: HashSet<&LayerId> = picks.iter().flat_map(paid).collect();
    assert_eq!(tried.len(), 10);
}

#[test]
fn a_core_is_not_divided() {
    for pick in picks(3, &[host("h", 1)]) {
        assert_eq!(pick.entitled[0].1, Centicores::CORE);
        assert_eq!(paid(&pick).len(), 1);
    }
}

#[test]
fn one_replica_alone_serves_everything_in_the_order_of_the_policy() {
    let alone = picks(1, &[host("h", 30)]).remove(0);
    let mut sorted = paid(&alone);
    sorted.sort_unstable();
    assert_eq!((paid(&alone), alone.layers.len()), (sorted, 38));
}

proptest! {
    #[test]
    fn a_job_is_dealt_to_one_replica_and_to_each_in_turn(
        job in "[a-z0-9-]{1,36}", of in 1_u32..6, now_us in -5 * DEAL_US..NOW_US * 2,
    ) {
        let job = JobId::from(job.as_str());
        let owner = |now_us| {
            let places = (0..of).map(|index| ReplicaPlace { index, of });
            let owners: Vec<u32> = places.filter(|place| place.has(&job, now_us)).map(|place| place.index).collect();
            assert_eq!(owners.len(), 1);
            owners[0]
        };
        let owners: HashSet<u32> = (0..i64::from(of)).map(|deal| owner(now_us + deal * DEAL_US)).collect();
        prop_assert_eq!(owners.len(), of as usize);
    }
}
