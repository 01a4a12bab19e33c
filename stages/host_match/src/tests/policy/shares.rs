//! Shares of a host, and warm hosts.

use super::*;

#[test]
fn a_layer_leaves_others_of_the_batch_three_quarters_of_a_host() {
    let index = hosts(&[64]);
    let both = vec![named("a", 100, 1), named("b", 100, 1)];
    assert_eq!(
        placed(&index, &policy(), both),
        frames([(0, "h0", 48), (1, "h0", 16)])
    );
    let few = vec![named("a", 100, 1), named("b", 3, 1)];
    assert_eq!(
        placed(&index, &policy(), few),
        frames([(0, "h0", 61), (1, "h0", 3)])
    );
}

/// A layer of which more frames wait than the plan has.
fn with_more(mut layer: LockedLayer) -> LockedLayer {
    layer.wanted.has_more = true;
    layer
}

fn spare(mut layer: LockedLayer, is_equal: bool) -> LockedLayer {
    (layer.wanted.is_spare, layer.wanted.is_equal) = (true, is_equal);
    layer
}

#[test]
fn a_layer_leaves_what_is_above_its_share_to_a_layer_of_which_more_waits() {
    let index = hosts(&[64]);
    let large = || named("a", 100, 1);
    let left = |other: LockedLayer| placed(&index, &policy(), vec![large(), other]);
    let expected = frames([(0, "h0", 16), (1, "h0", 3)]);
    assert_eq!(left(with_more(named("b", 3, 1))), expected);
    let as_spare = |is_equal| spare(with_more(named("b", 3, 1)), is_equal);
    assert_eq!(left(as_spare(true)), expected);
    let behind = frames([(0, "h0", 64)]);
    assert_eq!(
        left(as_spare(false)),
        behind,
        "its job is behind in the order"
    );
    let all = frames([(0, "h0", 61), (1, "h0", 3)]);
    assert_eq!(left(named("b", 3, 1)), all, "no more of it waits");
    let mut elsewhere = with_more(named("b", 0, 1));
    elsewhere.wanted.layer.tags = Arc::new(["other".into()]);
    assert_eq!(left(elsewhere), frames([(0, "h0", 64)]));
    let mut wide = with_more(named("b", 0, 1));
    wide.wanted.layer.memory_min = cue_domain::Kib::gib(1_000);
    assert_eq!(left(wide), frames([(0, "h0", 64)]), "it does not fit");
    let at_share = warm(with_more(named("b", 0, 1)), &[("h0", 16)]);
    assert_eq!(left(at_share), frames([(0, "h0", 64)]));
}

#[test]
fn only_an_equal_spare_takes_the_host_that_it_runs_on_before_others() {
    let index = hosts(&[1]);
    let warm_spare = |is_equal| warm(spare(named("b", 1, 1), is_equal), &[("h0", 1)]);
    let with = |is_equal| {
        placed(
            &index,
            &policy(),
            vec![named("a", 1, 1), warm_spare(is_equal)],
        )
    };
    assert_eq!(with(true), frames([(1, "h0", 1)]));
    assert_eq!(with(false), frames([(0, "h0", 1)]));
    let runs = warm(named("a", 1, 1), &[("h0", 1)]);
    let both = vec![runs, warm_spare(true)];
    assert_eq!(placed(&index, &policy(), both), frames([(0, "h0", 1)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_layer_is_above_its_share_only_where_no_layer_with_more_could_be(
        sizes in proptest::collection::vec(1..60_i64, 1..4),
        wanted in proptest::collection::vec((0..60_usize, any::<bool>(), any::<bool>(), 0..20_u32), 1..5),
    ) {
        let index = hosts(&sizes);
        let layer = |(n, (count, more, is_spare, runs)): (usize, &(usize, bool, bool, u32))| {
            let mut layer = warm(named(&format!("l{n}"), *count, 1), &[("h0", *runs)]);
            (layer.wanted.has_more, layer.wanted.is_spare) = (*more, *is_spare);
            layer
        };
        let mut layers: Vec<_> = wanted.iter().enumerate().map(layer).collect();
        let planned = plan(&index, &FitRules::default(), &policy(), &mut layers, &metrics());
        for (number, room) in planned.hosts.iter().enumerate() {
            let on = |layer: usize| {
                let placed = planned.placed.get(&(layer, number)).copied().unwrap_or_default();
                let runs = if room.id.as_str() == "h0" { wanted[layer].3 } else { 0 };
                (placed, i64::from(placed + runs))
            };
            let share = (room.total.cores.whole() / 4).max(8);
            for above in (0..layers.len()).filter(|layer| on(*layer).0 > 0 && on(*layer).1 > share) {
                // Layers leave nothing to those that are behind them in the order.
                let counts = |other: usize| layers[above].wanted.is_spare || !layers[other].wanted.is_spare;
                let other = (0..layers.len()).find(|other| {
                    layers[*other].wanted.has_more && layers[*other].frames.is_empty() && on(*other).1 < share && counts(*other)
                });
                prop_assert!(other.is_none(), "layer {other:?} could use {}", room.name);
            }
        }
    }
}

#[test]
fn eight_frames_are_always_within_the_share() {
    let both = |cores| vec![named("a", 20, cores), named("b", 20, cores)];
    let expected = frames([(0, "h0", 8), (1, "h0", 8)]);
    assert_eq!(placed(&hosts(&[16]), &policy(), both(1)), expected);
    assert_eq!(placed(&hosts(&[64]), &policy(), both(4)), expected);
}

#[test]
fn frames_that_run_count_to_the_share() {
    let index = hosts(&[64]);
    let running = warm(named("a", 100, 1), &[("h0", 12)]);
    let batch = vec![running, named("b", 16, 1), named("c", 40, 1)];
    let expected = frames([(0, "h0", 32), (1, "h0", 16), (2, "h0", 16)]);
    assert_eq!(
        placed(&index, &policy(), batch),
        expected,
        "4 and 28 of the first"
    );
}

#[test]
fn a_layer_alone_fills_the_host() {
    let alone = vec![named("a", 100, 1)];
    assert_eq!(
        placed(&hosts(&[64]), &policy(), alone),
        frames([(0, "h0", 64)])
    );
}

#[test]
fn hosts_that_run_the_layer_come_first() {
    // The strategy alone prefers the host with fewer idle cores.
    let index = hosts(&[4, 8]);
    let cold = vec![named("a", 3, 1)];
    assert_eq!(placed(&index, &policy(), cold), frames([(0, "h0", 3)]));
    let runs = |count| vec![warm(named("a", count, 1), &[("h1", 1), ("gone", 9)])];
    assert_eq!(placed(&index, &policy(), runs(3)), frames([(0, "h1", 3)]));
    let expected = frames([(0, "h1", 7), (0, "h0", 3)]);
    assert_eq!(
        placed(&index, &policy(), runs(10)),
        expected,
        "within the share"
    );
}

#[test]
fn a_warm_host_that_the_plan_holds_is_used_only_if_it_serves_the_layer() {
    let index = index_of(vec![host("h0", 8, 0)]);
    let mut retagged = warm(named("b", 3, 1), &[("h0", 1)]);
    retagged.wanted.layer.tags = Arc::new(["other".into()]);
    let mut other_system = warm(named("c", 3, 1), &[("h0", 1)]);
    let mut job = cue_domain::Job::clone(&other_system.wanted.job);
    job.os = Some("windows".into());
    other_system.wanted.job = Arc::new(job);
    let same = warm(named("d", 3, 1), &[("h0", 1)]);
    let batch = vec![named("a", 2, 1), retagged, other_system, same];
    let expected = frames([(0, "h0", 2), (3, "h0", 3)]);
    assert_eq!(placed(&index, &policy(), batch), expected);
}
