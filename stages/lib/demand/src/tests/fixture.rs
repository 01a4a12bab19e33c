//! Rows, hosts and rules of tests.

use std::time::Instant;

use cue_domain::demand::{DemandRows, Subscription, WaitingJob, WaitingLayer};
use cue_domain::order::{Order, OrderRules};
use cue_domain::{
    AllocId, Centicores, ClusterKey, FacilityId, Host, HostId, JobId, Kib, Layer, LayerId,
    Resources, ShowId, Tag,
};

use crate::{DemandIndex, Pick, PickInput, PickRules, ReplicaPlace, Reservations, Supply};

/// Time of all picks, in microseconds since 1970.
pub(crate) const NOW_US: i64 = 1_000_000_000_000;

/// An idle host of allocation `a` with the tag `general`, 64 cores in all and 4 GiB for each idle core.
pub(crate) fn host(id: &str, idle_cores: i64) -> Host {
    let idle = Resources {
        cores: Centicores::cores(idle_cores),
        memory: Kib::gib(4 * idle_cores),
        ..Resources::NONE
    };
    let total = Resources {
        cores: Centicores::cores(64),
        memory: Kib::gib(256),
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
        ledger: idle,
        idle,
        ..Host::default()
    }
}

/// A threadable layer with the tag `general`, 1 GiB a frame.
pub(crate) fn layer(id: &str, cores: i64, waiting: i64) -> Layer {
    Layer {
        id: LayerId::from(id),
        name: id.into(),
        dispatch_order: 1,
        cores_min: Centicores::cores(cores),
        memory_min: Kib::GIB,
        threadable: true,
        tags: [Tag::from("general")].into(),
        waiting,
        ..Layer::default()
    }
}

/// A job of the show `show` without caps.
pub(crate) fn job(id: &str, show: &str, priority: i64) -> WaitingJob {
    WaitingJob {
        id: JobId::from(id),
        name: id.into(),
        facility: FacilityId::from("f"),
        facility_name: "f".into(),
        show: ShowId::from(show),
        show_name: show.into(),
        folder: "folder".into(),
        priority,
        started_us: NOW_US,
        ..WaitingJob::default()
    }
}

pub(crate) fn row(job: &str, layer: Layer) -> WaitingLayer {
    WaitingLayer {
        job: JobId::from(job),
        layer,
        ..WaitingLayer::default()
    }
}

/// A subscription of the show to the allocation, in cores: size, burst, and cores in use.
pub(crate) fn subscription(
    show: &str,
    alloc: &str,
    (size, burst, cores): (i64, i64, i64),
) -> Subscription {
    Subscription {
        show: ShowId::from(show),
        show_name: show.into(),
        facility: FacilityId::from("f"),
        facility_name: "f".into(),
        alloc: AllocId::from(alloc),
        size: Centicores::cores(size),
        burst: Centicores::cores(burst),
        cores: Centicores::cores(cores),
    }
}

pub(crate) fn key(show: &str) -> ClusterKey {
    ClusterKey {
        facility: FacilityId::from("f"),
        show: ShowId::from(show),
    }
}

/// A complete reading in which the show `s` has a subscription of 1,000 cores.
pub(crate) fn complete(jobs: Vec<WaitingJob>, layers: Vec<WaitingLayer>) -> DemandRows {
    DemandRows {
        complete: true,
        jobs,
        gone_jobs: Vec::new(),
        layers,
        subscriptions: vec![subscription("s", "a", (1000, 1000, 0))],
        kept: Vec::new(),
    }
}

pub(crate) fn read(index: &DemandIndex, rows: DemandRows) -> bool {
    index.apply(index.begin_reading(), rows)
}

pub(crate) fn index_of(rows: DemandRows) -> DemandIndex {
    let index = DemandIndex::new(Vec::new());
    assert!(!read(&index, rows));
    index
}

/// Supply of these hosts, with nothing kept for GPUs.
pub(crate) fn supply(hosts: &[Host]) -> Supply {
    Supply::of(hosts, |_| Resources::NONE, &Reservations::default())
}

pub(crate) fn rules(order: Order) -> PickRules {
    PickRules {
        order: OrderRules {
            order,
            ..OrderRules::default()
        },
        frames: 10_000,
        layer_frames: 10_000,
        layers: 1_000,
        cores_follow_memory: false,
        replica: ReplicaPlace::ONLY,
    }
}

/// Input of a pick now, with no layer that backs off.
pub(crate) fn input<'a>(supply: &'a Supply, rules: &'a PickRules) -> PickInput<'a> {
    PickInput {
        supply,
        rules,
        now: Instant::now(),
        now_us: NOW_US,
        is_set_aside: &|_| false,
    }
}

/// A pick of the show in the order of shares.
pub(crate) fn pick(index: &DemandIndex, show: &str, hosts: &[Host]) -> Pick {
    index.pick(&key(show), &input(&supply(hosts), &rules(Order::Share)))
}

/// Layers of a pick with their frames.
pub(crate) fn frames(pick: &Pick) -> Vec<(&str, u32)> {
    let layers = pick.layers.iter();
    layers
        .map(|picked| (picked.layer.as_str(), picked.frames))
        .collect()
}

/// Frames of a pick in all.
pub(crate) fn total(pick: &Pick) -> u32 {
    pick.layers.iter().map(|picked| picked.frames).sum()
}
