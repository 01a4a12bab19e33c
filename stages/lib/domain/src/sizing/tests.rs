//! Sizes of frames that use more memory than their cores come with.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A threadable layer of one core.
fn layer() -> Layer {
    Layer {
        id: "l".into(),
        name: "layer".into(),
        dispatch_order: 1,
        cores_min: Centicores::CORE,
        memory_min: Kib::gib(2),
        threadable: true,
        waiting: 1,
        ..Layer::default()
    }
}

fn host(cores: i64, memory: Kib) -> Resources {
    Resources {
        cores: Centicores::cores(cores),
        memory,
        ..Resources::NONE
    }
}

#[test]
fn the_samples_that_stand_out_are_left_out() {
    let gib = |samples: &[i64]| -> Vec<Kib> { samples.iter().copied().map(Kib::gib).collect() };
    let memory = |asked, samples: &[i64]| memory_of(Kib::gib(asked), &gib(samples)).0 >> 20;
    assert_eq!(memory(2, &[]), 2);
    assert_eq!(memory(2, &[18]), 18, "a sole sample counts");
    assert_eq!(memory(2, &[18, 3]), 3);
    assert_eq!(memory(2, &[3, 4, 99]), 4);
    assert_eq!(memory(2, &[18, 17, 99, 16]), 18);
    assert_eq!(memory(24, &[18, 17, 99, 16]), 24, "never less than asked");
    assert_eq!(
        memory(2, &[0, -5, 18]),
        18,
        "frames without a report are no samples"
    );
    // Of 39 frames one is left out, and of 40 two are.
    let flat = |outliers: usize, all: usize| [vec![99; outliers], vec![5; all - outliers]].concat();
    assert_eq!(memory(2, &flat(1, 39)), 5);
    assert_eq!(memory(2, &flat(2, 39)), 99);
    assert_eq!(memory(2, &flat(2, 40)), 5);
    assert_eq!(memory(2, &flat(3, 40)), 99);
}

#[test]
fn cores_follow_memory() {
    // 3.7 GiB a core, as in the farm of STRANDGROW.
    let host = host(128, Kib(128 * 3_879_731));
    for (gib, cores) in [
        (0, 1),
        (2, 1),
        (5, 1),
        (6, 2),
        (18, 5),
        (474, 128),
        (900, 128),
    ] {
        assert_eq!(
            cores_for(&layer(), Kib::gib(gib), &host),
            Centicores::cores(cores),
            "{gib} GiB"
        );
    }
}

#[test]
fn a_half_is_rounded_up() {
    let host = host(4, Kib(40));
    for (memory, cores) in [(14, 1), (15, 2), (24, 2), (25, 3)] {
        assert_eq!(
            cores_for(&layer(), Kib(memory), &host),
            Centicores::cores(cores),
            "{memory}"
        );
    }
}

#[test]
fn the_layer_bounds_its_growth() {
    let host = host(16, Kib::gib(64));
    let bounded = |cores_min, cores_max| Layer {
        cores_min: Centicores(cores_min),
        cores_max: Some(Centicores(cores_max)),
        ..layer()
    };
    let cores = |layer: &Layer| cores_for(layer, Kib::gib(32), &host).0;
    assert_eq!(cores(&layer()), 800);
    assert_eq!(cores(&bounded(100, 350)), 300);
    assert_eq!(cores(&bounded(1000, 1200)), 1000);
    assert_eq!(cores(&bounded(950, 1200)), 1000);
    assert_eq!(
        cores(&bounded(9900, 9900)),
        9900,
        "it does not fit, and is not cut to fit"
    );
}

#[test]
fn layers_that_do_not_thread_or_take_whole_hosts_keep_what_they_ask() {
    let host = host(16, Kib::gib(64));
    for (threadable, cores_min) in [(false, 100), (false, 250), (true, 0), (true, -200)] {
        let cores_min = Centicores(cores_min);
        let layer = Layer {
            threadable,
            cores_min,
            ..layer()
        };
        assert_eq!(cores_for(&layer, Kib::gib(32), &host), cores_min);
    }
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -3..20_000i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn growth_stays_within_layer_and_host_for_any_rows(
        (min, max) in (1..=i64::MAX, proptest::option::of(1..=i64::MAX)), memory in amount(), less in amount(),
        (cores, total) in (amount(), amount()),
    ) {
        let layer = Layer {
            cores_min: Centicores(min),
            cores_max: max.map(Centicores),
            ..layer()
        };
        let host = Resources {
            cores: Centicores(cores),
            ..host(0, Kib(total))
        };
        let given = cores_for(&layer, Kib(memory), &host);
        let most = growth_bound(&layer);
        prop_assert!(given >= layer.cores_min.min(most) && given <= most);
        prop_assert!(given <= host.cores.max(layer.cores_min.rounded_up()));
        prop_assert!(given.0 % 100 == 0 || given.0 == i64::MAX);
        let smaller = cores_for(&layer, Kib(less.min(memory)), &host);
        prop_assert!(smaller <= given, "more memory brings fewer cores");
    }

    #[test]
    fn no_cores_are_stranded_by_more_than_half_of_one(
        cores in 1..128i64, per_core in 1..9_000i64, memory in 0..1_000_000i64,
    ) {
        let given = cores_for(&layer(), Kib(memory), &host(cores, Kib(cores * per_core))).0 / 100;
        let twice_off = (2 * (given * per_core - memory)).abs();
        let bounded = given == 1 || given == cores;
        prop_assert!(bounded || twice_off <= per_core, "{given} cores");
    }

    #[test]
    fn one_sample_never_raises_the_memory_above_all_others(
        asked in 0..50i64, samples in vec(1..50i64, 1..60), outlier in any::<i64>(),
    ) {
        let mut seen: Vec<_> = samples.iter().copied().map(Kib).collect();
        let largest = samples.iter().copied().max().unwrap_or(0);
        seen.push(Kib(outlier));
        let memory = memory_of(Kib(asked), &seen);
        prop_assert!(memory.0 >= asked);
        prop_assert!(memory.0 <= asked.max(largest));
        // No more samples are above than are left out.
        let above = samples.iter().filter(|used| **used > memory.0).count();
        prop_assert!(above <= 1.max(seen.len() / 20));
    }
}

proptest! {
    #[test]
    fn layers_that_could_grow_from_one_core_try_eight_frames_until_their_memory_is_known(
        cores in 0..=250i64, max in proptest::option::of(0..=400i64), threadable: bool, is_measured: bool,
    ) {
        let layer = Layer {
            cores_min: Centicores(cores),
            cores_max: max.map(Centicores),
            threadable,
            ..layer()
        };
        let host = host(32, Kib::gib(119));
        let grows = cores_for(&layer, Kib::gib(119), &host) > Centicores::CORE;
        let tries = threadable && !is_measured && (1..=100).contains(&cores) && grows;
        prop_assert_eq!(trial(&layer, is_measured), tries.then_some(8));
    }
}
