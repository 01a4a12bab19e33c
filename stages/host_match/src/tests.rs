//! Plans over a farm in memory: nothing is put where there is no room, and every search is counted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use cue_demand::Reservations;
use cue_domain::fit::FitRules;
use cue_domain::job::Headroom;
use cue_domain::limits::{HostUse, LimitRows};
use cue_domain::messages::{LockedLayer, TurnPart, WantedLayer};
use cue_domain::{
    Centicores, Cluster, ClusterKey, Host, Job, Kib, Layer, Limit, LimitId, LimitKind, Resources,
    TurnTicket, WaitingFrame,
};
use cue_hosts::{Choice, HostIndex, IndexSettings};
use prometheus::Registry;
use proptest::prelude::*;

use crate::{MatchMetrics, Planned, Policy, plan};

mod policy;

fn host(id: &str, cores: i64, gpus: i64) -> Host {
    let whole = Resources {
        cores: Centicores::cores(cores),
        memory: Kib::gib(64),
        gpus,
        ..Resources::NONE
    };
    Host {
        id: id.into(),
        name: id.into(),
        facility: "yard".to_owned().into(),
        alloc: "alloc".to_owned().into(),
        tags: Arc::new(["pool".into()]),
        os: Arc::new(["rocky9".into()]),
        total: whole,
        ledger: whole,
        idle: whole,
        ..Host::default()
    }
}

fn index_of(hosts: Vec<Host>) -> HostIndex {
    let index = HostIndex::new(IndexSettings::default());
    index.apply(index.mark(), hosts);
    index
}

fn hosts(cores: &[i64]) -> HostIndex {
    let hosts = cores.iter().enumerate();
    let hosts = hosts.map(|(n, cores)| host(&format!("h{n}"), *cores, 0));
    index_of(hosts.collect())
}

/// A layer of one job with these frames and cores, under a limit with this remainder.
fn layer(frames: usize, cores: i64, limit: Option<i64>, burst: i64) -> LockedLayer {
    let job = Job {
        id: "job".to_owned().into(),
        name: "job".into(),
        show: "show".to_owned().into(),
        facility: "yard".to_owned().into(),
        folder: "folder".to_owned().into(),
        dept: "dept".to_owned().into(),
        priority: 1,
        os: None,
        headroom: Headroom {
            subscriptions: Arc::new([("alloc".to_owned().into(), Centicores::cores(burst))]),
            ..Headroom::default()
        },
    };
    let frame = |n: usize| WaitingFrame {
        id: format!("frame-{n}").into(),
        name: "0001-render".into(),
        version: 0,
        waiting_since_ms: None,
    };
    let layer = Layer {
        id: "layer".to_owned().into(),
        name: "render".into(),
        dispatch_order: 1,
        cores_min: Centicores::cores(cores),
        memory_min: Kib::gib(1),
        tags: Arc::new(["pool".into()]),
        waiting: 1_000,
        ..Layer::default()
    };
    LockedLayer {
        wanted: WantedLayer {
            job: Arc::new(job),
            layer,
            frames: u32::try_from(frames).unwrap(),
            running_on: Arc::default(),
            longest_run: None,
            sized: None,
            is_spare: false,
            is_equal: false,
            has_more: false,
        },
        frames: (0..frames).map(frame).collect(),
        limits: limit.map(frames_left).into_iter().collect(),
    }
}

fn frames_left(left: i64) -> (LimitId, Arc<Limit>) {
    let limit = Limit::new(LimitRows {
        gates: true,
        max: Some(left),
        ..LimitRows::default()
    });
    (LimitId::from("limit"), Arc::new(limit))
}

fn put(index: &HostIndex, layers: &mut [LockedLayer], metrics: &MatchMetrics) -> Planned {
    plan(index, &FitRules::default(), &policy(), layers, metrics)
}

/// A turn that is entitled to this number of cores.
fn part(cores: i64) -> TurnPart {
    let cluster = Cluster {
        key: ClusterKey {
            facility: "yard".to_owned().into(),
            show: "show".to_owned().into(),
        },
        facility_name: "yard".into(),
        show_name: "show".into(),
    };
    TurnPart {
        cluster: Arc::new(cluster),
        ticket: TurnTicket::open(|_, _| {}),
        entitled: Arc::new([("alloc".to_owned().into(), Centicores::cores(cores))]),
        may_crowd: true,
    }
}

/// No work waits for GPUs and no host is reserved.
fn policy() -> Policy {
    Policy {
        gpu_work: Arc::new([]),
        reservations: Reservations::default(),
        part: part(1_000),
        now: Instant::now(),
    }
}

fn metrics() -> MatchMetrics {
    MatchMetrics::new(&Registry::new()).unwrap()
}

#[test]
fn a_search_that_finds_no_host_is_counted_and_one_that_needs_none_is_not() {
    let index = hosts(&[4, 4]);
    let metrics = metrics();
    let no_match = || {
        let family = metrics.checkouts();
        family.with_label_values(&["no_match"]).get()
    };
    let planned = put(&index, &mut [layer(8, 1, None, 100)], &metrics);
    assert_eq!((planned.placements.len(), no_match()), (8, 0));
    drop(planned);
    let planned = put(&index, &mut [layer(9, 1, None, 100)], &metrics);
    assert_eq!((planned.placements.len(), no_match()), (8, 1));
    drop(planned);
    let planned = put(&index, &mut [layer(9, 1, Some(3), 100)], &metrics);
    assert_eq!(
        (planned.placements.len(), no_match()),
        (3, 1),
        "the limit is in the way, not the hosts"
    );
}

#[test]
fn a_layer_without_gpus_takes_hosts_with_gpus_last_even_those_of_the_plan() {
    let index = index_of(vec![host("gpu", 8, 4), host("h0", 8, 0)]);
    let mut with_gpu = layer(1, 1, None, 100);
    with_gpu.wanted.layer.gpus_min = 1;
    let mut layers = [with_gpu, layer(8, 1, None, 100), layer(9, 1, None, 100)];
    let planned = put(&index, &mut layers, &metrics());
    let on = |number: usize| -> Vec<&str> {
        let of = planned.placements.iter().filter(|put| put.layer == number);
        of.map(|put| planned.hosts[put.host].id.as_str()).collect()
    };
    assert_eq!(on(0), ["gpu"]);
    assert_eq!(on(1), ["h0"; 8], "there is another host for them");
    assert_eq!(on(2), ["gpu"; 7], "there is none any more");
}

/// A limit by hosts with this many seats; these hosts run a frame of it already.
fn seats(cap: i64, running: &[&str]) -> (LimitId, Arc<Limit>) {
    let host = |name: &&str| HostUse {
        host: (*name).into(),
        name: (*name).to_owned(),
        pending: 1,
    };
    let limit = Limit::new(LimitRows {
        kind: LimitKind::Hosts,
        gates: true,
        max: Some(cap),
        soft: -1,
        hosts: running.iter().map(host).collect(),
        ..LimitRows::default()
    });
    (LimitId::from("seats"), Arc::new(limit))
}

/// Names of the hosts of a layer of this many one-core frames under a limit by hosts.
fn seated(index: &HostIndex, frames: usize, limit: (LimitId, Arc<Limit>)) -> Vec<String> {
    let mut layer = layer(frames, 1, None, 100);
    layer.limits = vec![limit];
    let planned = put(index, &mut [layer], &metrics());
    let on = planned.placements.iter();
    on.map(|put| planned.hosts[put.host].id.as_str().to_owned())
        .collect()
}

#[test]
fn a_limit_by_hosts_plans_no_more_new_hosts_than_it_has_seats() {
    let index = hosts(&[4, 4, 4, 4]);
    let hosts = |placed: Vec<String>| placed.into_iter().collect::<BTreeSet<_>>().len();
    for (cap, frames) in [(0, 0), (1, 4), (2, 8), (9, 16)] {
        let placed = seated(&index, 20, seats(cap, &[]));
        assert_eq!(placed.len(), frames, "{cap} seats");
        assert_eq!(hosts(placed), frames / 4);
    }
}

#[test]
fn hosts_that_hold_a_limit_are_filled_first_and_when_it_is_full_alone() {
    let index = hosts(&[8, 2, 8]);
    assert_eq!(seated(&index, 2, seats(2, &["h1"])), ["h1"; 2]);
    let three = seated(&index, 3, seats(2, &["h1"]));
    assert_eq!(three[..2], ["h1", "h1"]);
    assert_ne!(three[2], "h1", "there is a seat for another host");
    assert_eq!(seated(&index, 20, seats(1, &["h1"])), ["h1"; 2]);
    assert_eq!(seated(&index, 20, seats(1, &["elsewhere"])), [""; 0]);
}

#[test]
fn layers_of_one_batch_share_the_seats_of_a_limit() {
    let index = hosts(&[4, 4]);
    let limit = seats(1, &[]);
    let of = |frames| {
        let mut layer = layer(frames, 1, None, 100);
        layer.limits = vec![limit.clone()];
        layer
    };
    let mut layers = [of(2), of(20), layer(20, 1, None, 100)];
    let planned = put(&index, &mut layers, &metrics());
    let count = |number| {
        let of = planned.placements.iter().filter(|put| put.layer == number);
        of.count()
    };
    assert_eq!([count(0), count(1), count(2)], [2, 2, 4]);
}

#[test]
fn jobs_of_one_folder_share_what_is_left_under_its_cap() {
    let index = hosts(&[64]);
    let of_job = |name: &str| {
        let mut layer = layer(8, 1, None, 100);
        let mut job = Job::clone(&layer.wanted.job);
        job.id = name.to_owned().into();
        job.headroom.folder.cores = Some(Centicores::cores(10));
        layer.wanted.job = Arc::new(job);
        layer
    };
    let planned = put(&index, &mut [of_job("a"), of_job("b")], &metrics());
    assert_eq!(planned.placements.len(), 10);
}

#[test]
fn a_host_is_counted_by_how_it_was_chosen() {
    let metrics = metrics();
    for choice in [Choice::First, Choice::Scored(2.0), Choice::Unscored] {
        metrics.chosen(choice);
    }
    assert_eq!(metrics.scores.get_sample_count(), 1);
    assert_eq!(metrics.races_lost.get(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_plan_overfills_no_host_and_no_cap_and_gives_back_what_it_does_not_use(
        sizes in proptest::collection::vec(1..12_i64, 1..8),
        wanted in proptest::collection::vec((1..20_usize, 1..5_i64), 1..5),
        limit in proptest::option::of(0..12_i64),
        burst in 0..60_i64,
    ) {
        let index = hosts(&sizes);
        let mut layers: Vec<LockedLayer> =
            wanted.iter().map(|(frames, cores)| layer(*frames, *cores, limit, burst)).collect();
        let planned = put(&index, &mut layers, &metrics());
        let mut taken: HashMap<usize, i64> = HashMap::new();
        for placement in &planned.placements {
            *taken.entry(placement.host).or_default() += placement.reserved.cores.0;
        }
        for (host, lease) in planned.hosts.iter().enumerate() {
            let cores = taken.get(&host).copied().unwrap_or_default();
            prop_assert!(cores > 0 && cores <= lease.idle.cores.0, "{cores} on {}", lease.name);
        }
        prop_assert!(taken.values().sum::<i64>() <= burst * 100);
        if let Some(limit) = limit {
            prop_assert!(planned.placements.len() as i64 <= limit);
        }
        let left: usize = layers.iter().map(|layer| layer.frames.len()).sum();
        let all: usize = wanted.iter().map(|(frames, _)| frames).sum();
        prop_assert_eq!(planned.placements.len() + left, all, "a frame got lost or was put twice");
        prop_assert_eq!(index.stats().leased, planned.hosts.len());
        drop(planned);
        prop_assert_eq!(index.stats().leased, 0);
    }
}
