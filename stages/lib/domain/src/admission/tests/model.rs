//! Admission against a model that keeps no running counters: it adds everything up from the
//! beginning for each request, in numbers that cannot overflow.

use std::collections::HashSet;

use proptest::prelude::*;

use super::tests::{Keys, admit, booking};
use super::*;
use crate::limits::{LimitRows, Settled};
use crate::units::Kib;

/// Small numbers that meet their caps often, and now and then the largest there are.
fn amount(likely: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = i64> {
    prop_oneof![20 => likely, 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn any_booking() -> impl Strategy<Value = Booking> {
    let ids = (0..2u8, 0..2u8, 0..3u8, 0..2u8, 0..3u8, 0..3u8);
    let reserved = (
        prop_oneof![30 => 1..=4i64, 1 => Just(0)],
        1..=4i64,
        0..=1i64,
        0..=1i64,
        any::<bool>(),
    );
    (ids, reserved).prop_map(
        |((show, alloc, job, folder, layer, host), (c, m, g, gm, huge))| {
            let keys = Keys {
                show,
                alloc,
                job,
                folder,
                layer,
                host,
            };
            let reserved = Resources {
                cores: Centicores(if huge && c == 4 { i64::MAX } else { c * 100 }),
                memory: Kib(m),
                gpus: g,
                gpu_memory: Kib(gm),
            };
            booking(&keys, reserved)
        },
    )
}

fn id(kind: char, n: u8) -> impl Strategy<Value = String> {
    (0..n).prop_map(move |n| format!("{kind}{n}"))
}

fn any_idle() -> impl Strategy<Value = Resources> {
    let amounts = (
        amount(0..=2000),
        amount(0..=30),
        amount(0..=3),
        amount(0..=3),
    );
    amounts.prop_map(|(cores, memory, gpus, gpu_memory)| Resources {
        cores: Centicores(cores),
        memory: Kib(memory),
        gpus,
        gpu_memory: Kib(gpu_memory),
    })
}

fn any_cap() -> impl Strategy<Value = ResourceCap> {
    let amounts = (
        amount(-1..=2000),
        amount(-100..=900),
        amount(-1..=4),
        amount(-1..=2),
    );
    amounts.prop_map(|(max, cores, max_gpus, gpus)| ResourceCap {
        max_cores: Centicores(max),
        cores: Centicores(cores),
        max_gpus,
        gpus,
    })
}

fn any_subscription() -> impl Strategy<Value = SubscriptionCap> {
    (amount(0..=2000), amount(-100..=900)).prop_map(|(burst, cores)| SubscriptionCap {
        burst: Centicores(burst),
        cores: Centicores(cores),
    })
}

fn any_limit() -> impl Strategy<Value = Limit> {
    (
        proptest::option::weighted(0.9, amount(0..=6)),
        amount(0..=3),
        any::<bool>(),
    )
        .prop_map(|(max, used, hosts)| {
            Limit::new(LimitRows {
                kind: if hosts {
                    LimitKind::Hosts
                } else {
                    LimitKind::Frames
                },
                gates: true,
                max,
                soft: -1,
                settled: Settled {
                    frames: used,
                    hosts: used,
                    holders: Vec::new(),
                },
                ..LimitRows::default()
            })
        })
}

fn any_ledger() -> impl Strategy<Value = Ledger> {
    use proptest::collection::{hash_map, vec};
    let show_and_alloc = (
        id('s', 2).prop_map(ShowId::from),
        id('a', 2).prop_map(AllocId::from),
    );
    let limit = || id('x', 3).prop_map(LimitId::from);
    let rows = (
        hash_map(id('h', 3).prop_map(HostId::from), any_idle(), 0..=3),
        hash_map(show_and_alloc, any_subscription(), 0..=4),
        hash_map(id('j', 3).prop_map(JobId::from), any_cap(), 0..=3),
        hash_map(id('f', 2).prop_map(FolderId::from), any_cap(), 0..=2),
        hash_map(limit(), any_limit(), 0..=3),
        hash_map(
            id('l', 3).prop_map(LayerId::from),
            vec(limit(), 0..=3),
            0..=3,
        ),
    );
    rows.prop_map(
        |(hosts, subscriptions, jobs, folders, limits, layer_limits)| Ledger {
            hosts,
            subscriptions,
            jobs,
            folders,
            limits,
            layer_limits,
        },
    )
}

/// The model: with `next` booked in addition to all `admitted` ones, is every row that `next` touches
/// within its cap? Everything is added up from the beginning, in numbers that cannot overflow.
fn allowed(admitted: &[&Booking], next: &Booking, ledger: &Ledger) -> bool {
    let all = || admitted.iter().copied().chain([next]);
    let total = |same: &dyn Fn(&Booking) -> bool, of: &dyn Fn(&Resources) -> i64| -> i128 {
        all()
            .filter(|r| same(r))
            .map(|r| i128::from(of(&r.reserved)))
            .sum()
    };
    let cores = |r: &Resources| r.cores.0;
    let gpus = |r: &Resources| r.gpus;
    let host = ledger.hosts.get(&next.host.id).is_some_and(|idle| {
        let same = |r: &Booking| r.host.id == next.host.id;
        total(&same, &cores) <= idle.cores.0.into()
            && total(&same, &|r| r.memory.0) <= idle.memory.0.into()
            && total(&same, &gpus) <= idle.gpus.into()
            && total(&same, &|r| r.gpu_memory.0) <= idle.gpu_memory.0.into()
    });
    let subscription = ledger
        .subscriptions
        .get(&(next.layer.show.clone(), next.host.alloc.clone()))
        .is_some_and(|cap| {
            let same =
                |r: &Booking| r.layer.show == next.layer.show && r.host.alloc == next.host.alloc;
            cap.burst.0 > 0 && i128::from(cap.cores.0) + total(&same, &cores) <= cap.burst.0.into()
        });
    let job = ledger.jobs.get(&next.layer.job).is_some_and(|cap| {
        let same = |r: &Booking| r.layer.job == next.layer.job;
        cap.max_cores.0 > 0
            && i128::from(cap.cores.0) + total(&same, &cores) <= cap.max_cores.0.into()
            && i128::from(cap.gpus) + total(&same, &gpus) <= cap.max_gpus.into()
    });
    let folder = ledger.folders.get(&next.layer.folder).is_some_and(|cap| {
        let same = |r: &Booking| r.layer.folder == next.layer.folder;
        (cap.max_cores.0 == -1
            || cap.max_cores.0 > 0
                && i128::from(cap.cores.0) + total(&same, &cores) <= cap.max_cores.0.into())
            && (next.reserved.gpus == 0
                || cap.max_gpus == -1
                || cap.max_gpus > 0
                    && i128::from(cap.gpus) + total(&same, &gpus) <= cap.max_gpus.into())
    });
    let limits = within_limits(admitted, next, ledger);
    next.reserved.cores.0 > 0 && host && subscription && job && folder && limits
}

/// The same for the limits of the layer of `next`.
fn within_limits(admitted: &[&Booking], next: &Booking, ledger: &Ledger) -> bool {
    let carries = |r: &Booking, limit: &LimitId| {
        ledger
            .layer_limits
            .get(&r.layer.id)
            .is_some_and(|limits| limits.contains(limit))
    };
    ledger
        .layer_limits
        .get(&next.layer.id)
        .into_iter()
        .flatten()
        .all(|limit| {
            let admitted = || admitted.iter().filter(|r| carries(r, limit));
            ledger.limits.get(limit).is_some_and(|cap| {
                let used = match cap.kind() {
                    LimitKind::Frames => admitted().count(),
                    LimitKind::Hosts if admitted().any(|r| r.host.id == next.host.id) => {
                        return true;
                    }
                    LimitKind::Hosts => {
                        let hosts: HashSet<&HostId> = admitted().map(|r| &r.host.id).collect();
                        hosts.len()
                    }
                };
                let usage = i128::from(cap.usage()) + used as i128;
                cap.cap().is_some_and(|cap| usage < cap.into())
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn exactly_what_fits_in_order_is_admitted(
        requests in proptest::collection::vec(any_booking(), 0..24), ledger in any_ledger(),
    ) {
        let answers = admit(&requests, ledger.clone());
        prop_assert_eq!(&answers, &admit(&requests, ledger.clone()), "deterministic");
        prop_assert_eq!(answers.len(), requests.len());
        let mut admitted: Vec<&Booking> = Vec::new();
        for (request, answer) in requests.iter().zip(&answers) {
            prop_assert_eq!(answer.is_ok(), allowed(&admitted, request, &ledger), "{:?}: {:?}", request, answer);
            if answer.is_ok() {
                admitted.push(request);
            }
        }
    }
}
