//! The index under anything at all: random operations against a search that looks at every host.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cue_domain::fit::{FitRules, reserve};
use cue_domain::host::ThreadMode;
use cue_domain::messages::HostLease;
use cue_domain::{AllocId, Centicores, Host, HostId, HostIdle, Kib, Layer, Resources, Tag};
use proptest::prelude::*;

use super::{Wish, host, layer};
use crate::{HostIndex, IndexSettings, Ranking, Saturation, SnapshotMark};

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A mark, so many other operations, then the snapshot.
    Snapshot {
        later: usize,
        hosts: Vec<Host>,
    },
    Take {
        layer: Layer,
        tags: Vec<Tag>,
        rests: (i64, i64),
    },
    CheckIn {
        which: usize,
        idle: Option<Resources>,
    },
    Drop {
        which: usize,
    },
    Rest {
        host: u8,
        seconds: u64,
    },
    Sweep {
        seconds: u64,
    },
}

const TAGS: [&str; 3] = ["general", "big", "gpu"];

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    proptest::sample::subsequence(TAGS.to_vec(), 0..=3)
        .prop_map(|tags| tags.into_iter().map(Tag::from).collect())
}

fn resources() -> impl Strategy<Value = Resources> {
    let cores =
        prop_oneof![2 => Just(3200), 4 => (0..=32i64).prop_map(|n| n * 100), 2 => 0..=3200i64];
    (cores, 0..=8i64, 0..=2i64, 0..=3i64).prop_map(|(cores, gib, gpus, gpu_gib)| Resources {
        cores: Centicores(cores),
        memory: Kib::gib(gib),
        gpus,
        // Some that are of one magnitude.
        gpu_memory: Kib(gpu_gib * 3 * 1024),
    })
}

pub(super) fn any_host() -> impl Strategy<Value = Host> {
    let mode = prop_oneof![
        Just(ThreadMode::Auto),
        Just(ThreadMode::All),
        Just(ThreadMode::Variable)
    ];
    let like = (mode, any::<bool>(), any::<bool>());
    (0..8u8, 0..2u8, tags(), resources(), like).prop_map(
        |(id, alloc, tags, idle, (thread_mode, linux, large))| {
            let mut host = Host {
                alloc: AllocId::from(format!("a{alloc}")),
                tags: tags.into(),
                os: if linux {
                    ["linux".into()].into()
                } else {
                    [].into()
                },
                thread_mode,
                ledger: idle,
                idle,
                ..host(&format!("h{id}"))
            };
            if !large {
                host.total.cores = Centicores::cores(16);
            }
            host
        },
    )
}

fn any_layer() -> impl Strategy<Value = Layer> {
    let cores = prop_oneof![4 => 1..=1600i64, 1 => Just(0), 1 => Just(-400), 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let gpus = prop_oneof![3 => Just((0, 0)), 1 => (0..=2i64, 0..=9i64)];
    let most = prop_oneof![2 => Just(None), 1 => (1..=1000i64).prop_map(|n| Some(Centicores(n)))];
    (cores, 0..=4i64, gpus, most, any::<bool>()).prop_map(
        |(cores, gib, (gpus, gpu_mib), cores_max, threadable)| Layer {
            cores_min: Centicores(cores),
            cores_max,
            memory_min: Kib::gib(gib),
            gpus_min: gpus,
            gpu_memory_min: Kib(gpu_mib * 1024),
            threadable,
            ..layer()
        },
    )
}

pub(super) fn any_op() -> impl Strategy<Value = Op> {
    let cores = || 0..=3300i64;
    prop_oneof![
        2 => (0..4usize, proptest::collection::vec(any_host(), 0..10)).prop_map(|(later, hosts)| Op::Snapshot { later, hosts }),
        6 => (any_layer(), tags(), (cores(), cores())).prop_map(|(layer, tags, rests)| Op::Take { layer, tags, rests }),
        3 => (any::<usize>(), proptest::option::of(resources())).prop_map(|(which, idle)| Op::CheckIn { which, idle }),
        2 => any::<usize>().prop_map(|which| Op::Drop { which }),
        1 => (0..8u8, 0..400u64).prop_map(|(host, seconds)| Op::Rest { host, seconds }),
        1 => (0..200u64).prop_map(|seconds| Op::Sweep { seconds }),
    ]
}

/// The best host by looking at every one that can be lent.
fn best_of_all(index: &HostIndex, wish: &Wish) -> Option<HostId> {
    let order = index.farm().shelves.order();
    let standing = index.farm().standing();
    let fitting = standing.into_iter().filter(|(_, host)| {
        let Ok(taken) = reserve(&wish.layer, host, &FitRules::default(), None) else {
            return false;
        };
        let rest = wish
            .subscriptions
            .iter()
            .find(|(alloc, _)| *alloc == host.alloc)
            .map(|(_, rest)| *rest);
        host.facility == wish.facility
            && host.tags.iter().any(|tag| wish.tags.contains(tag))
            && host.offers_os(wish.os)
            && rest.is_some_and(|rest| taken.cores <= rest)
    });
    let best = fitting.min_by_key(|(slot, host)| {
        let (cores, memory) = (host.idle.cores.whole(), host.idle.memory.0);
        let asks = wish.layer.gpus_min > 0 || wish.layer.gpu_memory_min > Kib(0);
        let spoils_gpus = !asks && (host.idle.gpus > 0 || host.idle.gpu_memory > Kib(0));
        (
            spoils_gpus,
            if order.core { cores } else { -cores },
            if order.memory { memory } else { -memory },
            *slot,
        )
    });
    best.map(|(_, host)| host.id)
}

/// The index and who has what, as the test keeps its own books.
struct Farm {
    index: HostIndex,
    now: Instant,
    /// Live loans and leases that were given up for lost.
    leases: Vec<HostLease>,
    lent: HashSet<HostId>,
    lost: Vec<HostLease>,
    pending: Vec<(usize, SnapshotMark, Vec<Host>)>,
    last: HashSet<HostId>,
}

impl Farm {
    fn step(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Snapshot { later, hosts } => self.pending.push((later, self.index.mark(), hosts)),
            Op::Take { layer, tags, rests } => self.take(layer, tags, rests)?,
            Op::CheckIn { which, idle } if !self.leases.is_empty() => {
                let lease = self.leases.swap_remove(which % self.leases.len());
                self.lent.remove(&lease.id);
                self.index.check_in(lease, idle.map(HostIdle::from));
            }
            Op::Drop { which } if !self.leases.is_empty() => {
                let lease = self.leases.swap_remove(which % self.leases.len());
                self.lent.remove(&lease.id);
            }
            Op::CheckIn { idle, .. } => {
                if let Some(lease) = self.lost.pop() {
                    self.index.check_in(lease, idle.map(HostIdle::from));
                }
            }
            Op::Drop { .. } => drop(self.lost.pop()),
            Op::Rest { host, seconds } => self.index.rest(
                &HostId::from(format!("h{host}")),
                self.now + Duration::from_secs(seconds),
            ),
            Op::Sweep { seconds } => self.sweep(seconds),
        }
        self.apply_what_is_due();
        self.index.farm().check();
        for (_, host) in self.index.farm().standing() {
            prop_assert!(
                !self.lent.contains(&host.id),
                "{} is lent and in a bucket",
                host.id
            );
        }
        prop_assert_eq!(self.index.stats().leased, self.lent.len());
        Ok(())
    }

    fn take(
        &mut self,
        layer: Layer,
        tags: Vec<Tag>,
        rests: (i64, i64),
    ) -> Result<(), TestCaseError> {
        let rests = [("a0", rests.0), ("a1", rests.1)]
            .map(|(alloc, rest)| (AllocId::from(alloc), Centicores(rest)));
        let wish = Wish {
            tags,
            subscriptions: rests.to_vec(),
            os: Some("linux"),
            ..Wish::of(layer)
        };
        let (expected, room) = (
            best_of_all(&self.index, &wish),
            self.index.room(&wish.want(), 50),
        );
        prop_assert_eq!(room > 0, expected.is_some(), "room {}", room);
        let lease = self.index.take(&wish.want(), &FitRules::default(), None);
        prop_assert_eq!(lease.as_ref().map(|lease| lease.id.clone()), expected);
        if let Some(lease) = lease {
            prop_assert!(
                self.lent.insert(lease.id.clone()),
                "{} is lent twice",
                lease.id
            );
            self.leases.push(lease);
        }
        Ok(())
    }

    fn sweep(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        for id in self.index.sweep(self.now) {
            assert!(self.lent.remove(&id), "{id} was not lent");
            let at = self.leases.iter().position(|lease| lease.id == id).unwrap();
            self.lost.push(self.leases.swap_remove(at));
        }
    }

    fn apply_what_is_due(&mut self) {
        for (later, ..) in &mut self.pending {
            *later = later.saturating_sub(1);
        }
        while let Some(at) = self.pending.iter().position(|(later, ..)| *later == 0) {
            let (_, mark, hosts) = self.pending.remove(at);
            self.snapshot(mark, hosts);
        }
    }

    fn snapshot(&mut self, mark: SnapshotMark, hosts: Vec<Host>) {
        let ids: HashSet<HostId> = hosts.iter().map(|host| host.id.clone()).collect();
        let newest = self.index.farm().newest();
        if mark > newest {
            self.last = ids;
        }
        self.index.apply(mark, hosts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_host_is_lost_or_lent_twice_and_the_best_is_always_found(
        ops in proptest::collection::vec(any_op(), 1..60), core in any::<bool>(), memory in any::<bool>(),
    ) {
        let index = HostIndex::new(IndexSettings { strategy: Ranking::Saturation(Saturation { core, memory }), ..IndexSettings::default() });
        let mut farm = Farm {
            index, now: Instant::now(), leases: vec![], lent: HashSet::new(), lost: vec![], pending: vec![], last: HashSet::new(),
        };
        for op in ops {
            farm.step(op)?;
        }
        farm.leases.clear();
        farm.lost.clear();
        let end = farm.now + Duration::from_secs(1000);
        prop_assert!(farm.index.sweep(end).is_empty(), "every host came home");
        let inside = farm.index.farm();
        inside.check();
        prop_assert_eq!(farm.index.len(), farm.last.len(), "exactly the hosts of the newest snapshot are known");
        inside.shelves.clear_away();
        inside.shelves.check_that_nothing_is_empty();
        inside.check();
        for (_, host) in inside.standing() {
            prop_assert!(farm.last.contains(&host.id));
        }
    }
}
