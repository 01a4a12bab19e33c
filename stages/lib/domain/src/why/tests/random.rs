//! There is an answer for any rows, and a yes is given only for a host that fits.

use proptest::prelude::*;

use super::*;
use crate::ids::{AllocId, FacilityId};

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -200..2_000i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => 0..40_000_000i64]
}

fn any_layer() -> impl Strategy<Value = LayerFacts> {
    let needs = (
        amount(),
        amount(),
        amount(),
        amount(),
        any::<bool>(),
        proptest::option::of(amount()),
    );
    (
        needs,
        amount(),
        proptest::option::of(0..9u64),
        amount(),
        proptest::option::of(amount()),
    )
        .prop_map(
            |(
                (cores, memory, gpus, gpu_memory, threadable, most),
                waiting,
                starts,
                running,
                max,
            )| {
                let mut facts = layer("any");
                let layer = &mut facts.layer;
                (layer.cores_min, layer.memory_min) = (Centicores(cores), Kib(memory));
                (layer.gpus_min, layer.gpu_memory_min) = (gpus, Kib(gpu_memory));
                (layer.threadable, layer.cores_max) = (threadable, most.map(Centicores));
                facts.counts.waiting = waiting;
                facts.starts_in = starts.filter(|n| *n > 6).map(Duration::from_secs);
                if running % 3 == 0 {
                    facts.limits = vec![limit("l", running, max)];
                }
                facts
            },
        )
}

fn any_host() -> impl Strategy<Value = Host> {
    let four = || (amount(), amount(), amount(), amount());
    (four(), four(), 0..3i32, any::<bool>()).prop_map(|(idle, total, mode, ours)| {
        let resources = |(cores, memory, gpus, gpu_memory)| Resources {
            cores: Centicores(cores),
            memory: Kib(memory),
            gpus,
            gpu_memory: Kib(gpu_memory),
        };
        Host {
            alloc: AllocId::from(if ours { "a" } else { "b" }.to_owned()),
            facility: FacilityId::from("yard".to_owned()),
            thread_mode: ThreadMode::from_db(mode).unwrap(),
            total: resources(total),
            ledger: resources(idle),
            idle: resources(idle),
            ..host()
        }
    })
}

proptest! {
    #[test]
    fn there_always_is_an_answer_and_a_yes_names_a_host_that_fits(
        layers in proptest::collection::vec(any_layer(), 0..4),
        hosts in proptest::collection::vec(any_host(), 0..4),
        (cores, max, gpus, max_gpus) in (amount(), amount(), amount(), amount()),
        (burst, folder, ahead) in (amount(), amount(), amount()),
    ) {
        let mut facts = facts();
        facts.layers = layers;
        facts.job = CapFacts { name: "shot".into(), cores, max_cores: max, gpus, max_gpus };
        facts.folder.max_cores = folder;
        facts.subscriptions[0].burst = burst;
        facts.ahead = ahead;
        let answer = why(&facts, &hosts, &scheduler(&FitRules::default()));
        prop_assert!(answer.sentence.starts_with("job shot") && answer.sentence.ends_with('.'));
        if let Why::CanRun { hosts: open, .. } = answer.why {
            prop_assert!(open > 0);
            let fits = facts.layers.iter().any(|layer| hosts.iter().any(|host| {
                crate::fit::reserve(&layer.layer, host, &FitRules::default(), Some(Centicores(max.saturating_sub(cores)))).is_ok()
            }));
            prop_assert!(fits);
        }
    }
}
