//! Reservations against a clock that ticks in seconds, and on any rows.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

fn small_room() -> impl Strategy<Value = Resources> {
    (0..9i64, 0..9i64, 0..3i64).prop_map(|(cores, gib, gpus)| room(cores, gib, gpus))
}

fn any_room() -> impl Strategy<Value = Resources> {
    let amount = || prop_oneof![4 => -2..900i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let amounts = (amount(), amount(), amount(), amount());
    amounts.prop_map(|(cores, memory, gpus, gpu_memory)| Resources {
        cores: Centicores(cores),
        memory: Kib(memory),
        gpus,
        gpu_memory: Kib(gpu_memory),
    })
}

fn candidates<R: Strategy<Value = Resources>>(
    room: fn() -> R,
) -> impl Strategy<Value = Vec<Candidate>> {
    let procs = vec((room(), 0..6u64), 0..5);
    let one = (room(), room(), procs, subsequence(vec![0, 1, 2, 9], 0..=4));
    vec(one, 0..9).prop_map(|all| {
        let named = all.into_iter().enumerate();
        let built = named.map(|(index, (total, idle, procs, serves))| Candidate {
            host: format!("host-{index}").into(),
            total,
            idle,
            procs: procs
                .into_iter()
                .map(|(holds, ends)| proc(holds, ends))
                .collect(),
            serves,
        });
        built.collect()
    })
}

fn layers<R: Strategy<Value = Resources>>(room: fn() -> R) -> impl Strategy<Value = Vec<Blocked>> {
    let frames = prop_oneof![0..9u32, Just(u32::MAX)];
    vec((room(), any::<bool>(), frames), 0..4).prop_map(|all| {
        let named = all.into_iter().enumerate();
        let built = named.map(|(index, (needs, whole_host, frames))| Blocked {
            whole_host,
            ..blocked(&format!("layer-{index}"), needs, frames)
        });
        built.collect()
    })
}

/// The definition of the time at which a host is ready: second by second.
fn ready_by_seconds(
    candidate: &Candidate,
    needs: &Resources,
    whole_host: bool,
) -> Option<Duration> {
    let mut needs = *needs;
    if whole_host {
        needs.cores = needs.cores.max(candidate.total.cores);
    }
    let possible = needs.fits_in(&candidate.total) && (!whole_host || candidate.total.cores.0 > 0);
    (0..6).map(seconds).filter(|_| possible).find(|now| {
        let ended = candidate.procs.iter().filter(|proc| proc.ends_in <= *now);
        let idle = ended.fold(candidate.idle, |idle, proc| idle.plus(&proc.holds));
        needs.fits_in(&idle)
    })
}

/// The definition of the cost of a host that is ready at a time, core by core and second by second, in milliseconds.
fn cost_by_seconds(
    candidate: &Candidate,
    needs: &Resources,
    whole_host: bool,
    ready: Duration,
) -> i128 {
    let least = if whole_host {
        candidate.total.cores
    } else {
        Centicores(0)
    };
    let cores = needs.cores.max(least).0;
    let idle_at = |now| {
        let ended = candidate.procs.iter().filter(|proc| proc.ends_in <= now);
        ended.fold(candidate.idle.cores.0, |idle, proc| {
            idle + proc.holds.cores.0
        })
    };
    let waits = (0..ready.as_secs()).map(|now| {
        let in_use = (cores - candidate.idle.cores.0).max(0);
        1_000 * i128::from(idle_at(seconds(now)) + in_use)
    });
    1_000 * i128::from(ready.as_secs()) + waits.sum::<i128>() / i128::from(cores.max(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn hosts_are_ready_as_the_clock_of_the_model_shows(
        hosts in candidates(small_room), needs in small_room(), whole in any::<bool>(),
    ) {
        for host in hosts {
            let ready = ready_by_seconds(&host, &needs, whole);
            let expected = ready.map(|within| {
                let cost_ms = cost_by_seconds(&host, &needs, whole, within);
                Ready { within, cost_ms }
            });
            prop_assert_eq!(Timeline::of(&host).ready(&needs, whole), expected);
        }
    }

    #[test]
    fn reservations_keep_their_bounds(hosts in candidates(small_room), layers in layers(small_room)) {
        let reservations = reserve(&layers, &hosts);
        let mut names: Vec<_> = reservations.iter().map(|found| &found.host).collect();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), reservations.len(), "a host is reserved twice");
        for (index, layer) in layers.iter().enumerate() {
            let ready = |host: &Candidate| ready_in(host, &layer.needs, layer.whole_host);
            let able = hosts.iter().filter(|host| host.serves.contains(&index) && ready(host).is_some());
            let able: Vec<_> = able.collect();
            let own: Vec<_> = reservations.iter().filter(|found| found.owner == layer.layer).collect();
            prop_assert!(own.len() <= able.len().div_ceil(2) && own.len() <= layer.frames as usize);
            for one in &own {
                let host = able.iter().find(|host| host.host == one.host);
                prop_assert_eq!(host.and_then(|host| ready(host)), Some(one.ready_in));
            }
            // A host that costs less is passed over only if it is reserved already.
            let cost = |host: &Candidate| Timeline::of(host).ready(&layer.needs, layer.whole_host).map(|ready| ready.cost_ms);
            let is_own = |host: &&&Candidate| own.iter().any(|found| found.host == host.host);
            let last = able.iter().filter(is_own).filter_map(|host| cost(host)).max().unwrap_or_default();
            let passed = able.iter().filter(|host| cost(host) < Some(last));
            for host in passed {
                prop_assert!(reservations.iter().any(|found| found.host == host.host));
            }
            // Nobody goes without while a host that it could reserve is free.
            let free = able.iter().any(|host| !names.contains(&&host.host));
            prop_assert!(!own.is_empty() || layer.frames == 0 || !free);
        }
    }

    #[test]
    fn any_order_of_the_same_candidates_reserves_the_same(
        (hosts, shuffled) in candidates(any_room).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        layers in layers(any_room),
    ) {
        let mut shuffled = shuffled;
        for host in &mut shuffled {
            host.procs.reverse();
            host.serves.reverse();
        }
        prop_assert_eq!(reserve(&layers, &hosts), reserve(&layers, &shuffled));
    }

    #[test]
    fn a_host_that_goes_away_moves_no_other_reservation(count in 2..20usize, gone in any::<prop::sample::Index>()) {
        let names = (0..count).map(|n| format!("host-{n}"));
        let hosts: Vec<_> = names.map(|name| host(&name, room(64, 128, 2), Vec::new())).collect();
        let layer = blocked("x", room(64, 1, 0), 1);
        let before = reserve(std::slice::from_ref(&layer), &hosts);
        let gone = gone.get(&hosts).host.clone();
        let others: Vec<_> = hosts.into_iter().filter(|host| host.host != gone).collect();
        let after = reserve(&[layer], &others);
        prop_assert_eq!(before.len(), 1);
        prop_assert!(before == after || before[0].host == gone);
    }
}
