//! The index by example: which hosts are lent, and in which order.

use cue_domain::fit::FitRules;
use cue_domain::messages::HostLease;
use cue_domain::{
    AllocId, Centicores, FacilityId, Host, HostId, HostIdle, Kib, Layer, LayerId, Resources, Tag,
};

use crate::{HostIndex, HostRequest, IndexSettings, Ranking, Saturation};

mod costs;
mod epvm;
mod lending;
mod loans;
mod orders;
mod random;
mod threads;

/// An idle host of 32 cores and 64 GiB in facility `f`, allocation `a`, with the tag `general`.
pub(super) fn host(id: &str) -> Host {
    let total = Resources {
        cores: Centicores::cores(32),
        memory: Kib::gib(64),
        ..Resources::NONE
    };
    Host {
        id: HostId::from(id),
        name: id.into(),
        facility: FacilityId::from("f"),
        alloc: AllocId::from("a"),
        tags: [Tag::from("general")].into(),
        os: ["linux".into()].into(),
        total,
        ledger: total,
        idle: total,
        ..Host::default()
    }
}

pub(super) fn idle(id: &str, cores: i64, gib: i64) -> Host {
    let host = host(id);
    Host {
        idle: Resources {
            cores: Centicores::cores(cores),
            memory: Kib::gib(gib),
            ..host.idle
        },
        ..host
    }
}

/// One core and 1 GiB a frame, not threadable.
pub(super) fn layer() -> Layer {
    Layer {
        id: LayerId::from("l"),
        name: "layer".into(),
        dispatch_order: 1,
        cores_min: Centicores::CORE,
        memory_min: Kib::GIB,
        tags: [Tag::from("general")].into(),
        waiting: 10,
        ..Layer::default()
    }
}

/// The request of a test, owned.
pub(super) struct Wish {
    pub(super) facility: FacilityId,
    pub(super) tags: Vec<Tag>,
    pub(super) subscriptions: Vec<(AllocId, Centicores)>,
    pub(super) os: Option<&'static str>,
    pub(super) layer: Layer,
    pub(super) rules: FitRules,
    pub(super) job_remaining: Option<Centicores>,
}

impl Wish {
    pub(super) fn of(layer: Layer) -> Self {
        Self {
            facility: FacilityId::from("f"),
            tags: vec![Tag::from("general")],
            subscriptions: vec![(AllocId::from("a"), Centicores::cores(1000))],
            os: None,
            layer,
            rules: FitRules::default(),
            job_remaining: None,
        }
    }

    pub(super) fn request(&self) -> HostRequest<'_> {
        HostRequest {
            facility: &self.facility,
            tags: &self.tags,
            subscriptions: &self.subscriptions,
            os: self.os,
            layer: &self.layer,
            rules: &self.rules,
            job_remaining: self.job_remaining,
        }
    }

    pub(super) fn take(&self, index: &HostIndex) -> Option<HostLease> {
        let taken = index.take(&self.request(), |_| true);
        index.check();
        taken.map(|(lease, _)| lease)
    }
}

pub(super) fn index_of(hosts: Vec<Host>) -> HostIndex {
    let index = HostIndex::new(IndexSettings::default());
    index.apply(index.mark(), hosts);
    index
}

pub(super) fn cores_left(cores: i64) -> Option<HostIdle> {
    Some(HostIdle::from(Resources {
        cores: Centicores::cores(cores),
        memory: Kib::gib(8),
        ..Resources::NONE
    }))
}

#[test]
fn the_strategy_orders_the_hosts() {
    let hosts = || {
        vec![
            idle("few-small", 4, 8),
            idle("few-big", 4, 16),
            idle("many-small", 16, 8),
            idle("many-big", 16, 16),
            idle("full", 0, 64),
        ]
    };
    for (core, memory, order) in [
        (
            true,
            true,
            ["few-small", "few-big", "many-small", "many-big"],
        ),
        (
            true,
            false,
            ["few-big", "few-small", "many-big", "many-small"],
        ),
        (
            false,
            true,
            ["many-small", "many-big", "few-small", "few-big"],
        ),
        (
            false,
            false,
            ["many-big", "many-small", "few-big", "few-small"],
        ),
    ] {
        let index = HostIndex::new(IndexSettings {
            strategy: Ranking::Saturation(Saturation { core, memory }),
            ..IndexSettings::default()
        });
        index.apply(index.mark(), hosts());
        let wish = Wish::of(layer());
        let mut leases = Vec::new();
        while let Some(lease) = wish.take(&index) {
            leases.push(lease);
        }
        let taken: Vec<&str> = leases.iter().map(|lease| &*lease.name).collect();
        assert_eq!(taken, order, "core {core}, memory {memory}");
    }
}

#[test]
fn replicas_try_equal_hosts_in_orders_of_their_own_and_better_ones_first() {
    let order = |seed| {
        let index = HostIndex::new(IndexSettings {
            seed,
            ..IndexSettings::default()
        });
        let equal = (0..20).map(|n| idle(&format!("equal-{n}"), 8, 8));
        let better = idle("better", 4, 8);
        index.apply(index.mark(), equal.chain([better]).collect());
        let (wish, mut leases) = (Wish::of(layer()), Vec::new());
        while let Some(lease) = wish.take(&index) {
            leases.push(lease);
        }
        let taken = leases.iter().map(|lease| lease.name.to_string());
        taken.collect::<Vec<String>>()
    };
    let read = order(0);
    assert_eq!(read[..3], ["better", "equal-0", "equal-1"]);
    for seed in [1, 4_711, 0x9E37_79B9_7F4A_7C15] {
        let own = order(seed);
        assert_eq!((own.len(), &*own[0]), (21, "better"));
        assert_ne!(own, read, "{seed}");
        let each: std::collections::BTreeSet<_> = own.iter().collect();
        assert_eq!(each.len(), 21, "each is lent once");
    }
}

#[test]
fn a_host_is_lent_only_where_facility_allocation_tag_and_system_agree() {
    let index = index_of(vec![host("h")]);
    let other_facility = Wish {
        facility: FacilityId::from("g"),
        ..Wish::of(layer())
    };
    let other_tag = Wish {
        tags: vec![Tag::from("gpu")],
        ..Wish::of(layer())
    };
    let no_subscription = Wish {
        subscriptions: vec![(AllocId::from("b"), Centicores::cores(9))],
        ..Wish::of(layer())
    };
    let spent_subscription = Wish {
        subscriptions: vec![(AllocId::from("a"), Centicores(99))],
        ..Wish::of(layer())
    };
    let other_system = Wish {
        os: Some("windows"),
        ..Wish::of(layer())
    };
    for wish in [
        other_facility,
        other_tag,
        no_subscription,
        spent_subscription,
        other_system,
    ] {
        assert!(wish.take(&index).is_none());
    }
    let two_tags = Wish {
        tags: vec![Tag::from("gpu"), Tag::from("general")],
        os: Some("linux"),
        ..Wish::of(layer())
    };
    assert!(two_tags.take(&index).is_some());
}

#[test]
fn a_reservation_stays_within_what_remains_of_job_and_subscription() {
    // Three quarters of the host's memory make it 24 cores.
    let grown = Layer {
        threadable: true,
        memory_min: Kib::gib(48),
        ..layer()
    };
    let index = index_of(vec![host("h")]);
    let remaining = |cores| Wish {
        subscriptions: vec![(AllocId::from("a"), Centicores::cores(cores))],
        ..Wish::of(grown.clone())
    };
    assert!(remaining(23).take(&index).is_none());
    assert!(remaining(24).take(&index).is_some());
    let take = |cores| {
        let wish = Wish {
            job_remaining: Some(Centicores::cores(cores)),
            ..remaining(99)
        };
        wish.take(&index).is_some()
    };
    assert_eq!((take(0), take(23), take(24)), (false, false, true));
}

#[test]
fn a_layer_of_one_thread_needs_its_minimum_idle_and_no_more() {
    let mut part = host("h");
    part.idle.cores = Centicores(150);
    let index = index_of(vec![part]);
    let asks = |cores_min| {
        Wish::of(Layer {
            cores_min: Centicores(cores_min),
            ..layer()
        })
    };
    assert!(asks(151).take(&index).is_none());
    assert!(asks(150).take(&index).is_some());
}

#[test]
fn hosts_with_idle_gpus_are_the_last_choice_of_a_layer_without() {
    let gpu = |id| {
        let mut host = idle(id, 1, 8);
        host.idle.gpus = 1;
        host
    };
    let index = index_of(vec![gpu("gpu-1"), gpu("gpu-2"), host("cpu")]);
    let plain = Wish::of(layer());
    let first = plain.take(&index).unwrap();
    assert_eq!(&*first.name, "cpu", "though it has more idle cores");
    assert_eq!(&*plain.take(&index).unwrap().name, "gpu-1");
    let wants_gpu = Wish::of(Layer {
        gpus_min: 1,
        ..layer()
    });
    let leases = [
        wants_gpu.take(&index),
        wants_gpu.take(&index),
        wants_gpu.take(&index),
    ];
    assert_eq!(
        leases.iter().flatten().count(),
        2,
        "the host without GPUs is not offered"
    );
}

#[test]
fn a_layer_that_wants_a_whole_host_gets_an_untouched_one() {
    let index = index_of(vec![idle("used", 31, 64), host("untouched")]);
    for cores_min in [0, -200] {
        let wish = Wish::of(Layer {
            cores_min: Centicores(cores_min),
            threadable: true,
            ..layer()
        });
        let lease = wish.take(&index).unwrap();
        assert_eq!(&*lease.name, "untouched");
        assert!(wish.take(&index).is_none());
    }
    assert!(
        Wish::of(Layer {
            cores_min: Centicores(i64::MIN),
            ..layer()
        })
        .take(&index)
        .is_none()
    );
}

#[test]
fn a_host_behind_many_that_do_not_fit_is_found() {
    // Far more hosts that do not fit than one page of a bucket, and one that does at the very end.
    let mut hosts: Vec<Host> = (0..200)
        .map(|n| Host {
            os: [].into(),
            ..idle(&format!("h{n}"), 2, 64)
        })
        .collect();
    hosts.push(idle("last", 3, 64));
    let wish = Wish {
        os: Some("linux"),
        ..Wish::of(layer())
    };
    let index = index_of(hosts);
    assert_eq!(&*wish.take(&index).unwrap().name, "last");
}
