//! The reservation loop: keeps hosts for layers that fit nowhere yet.
//!
//! It asks the database only while some layer is blocked, and only for the procs of hosts that could serve
//! one. Everything is computed afresh from rows each time, so a restart forgets nothing and replicas agree.
//!
//! Invariant: at most a twentieth of the time goes into it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use cue_demand::{BlockedLayer, DemandIndex, Reservations, Reserved};
use cue_domain::fit::least_cores;
use cue_domain::reservation::{Blocked, Candidate, Proc, expected_end, reserve};
use cue_domain::why::ReadyIn;
use cue_domain::{Centicores, Host, HostId, Kib, Layer, LayerId, Resources};
use cue_flow::{BoxError, Family, Tick, now_us};
use cue_hosts::HostIndex;
use cue_store::{HostProc, HostProcs, Store, StoreError};
use prometheus::{IntGauge, Registry};

/// Time between two rounds while no layer is blocked.
const EVERY: Duration = Duration::from_secs(1);

/// Time between two rounds while layers are blocked.
const BLOCKED_EVERY: Duration = Duration::from_millis(250);

/// Blocked layers that may reserve hosts at a time.
const MOST_LAYERS: usize = 50;

/// Hosts whose procs are read, at most.
const MOST_HOSTS: usize = 2_000;

/// Reservations may need at most the farm's cores divided by this; one reservation is always made.
const PARTS: i64 = 10;

/// Expected run of a frame while no layer has a finished one.
const UNKNOWN_RUN: Duration = Duration::from_secs(600);

/// The loop.
pub struct Reserving {
    store: Store,
    demand: DemandIndex,
    hosts: HostIndex,
    after: Duration,
    reserved: IntGauge,
}

impl Reserving {
    /// A loop that reserves hosts for layers which are blocked for `after`.
    pub fn new(
        store: Store,
        (demand, hosts): (DemandIndex, HostIndex),
        after: Duration,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let help = "Hosts that are kept for layers which fit nowhere yet";
        let reserved = IntGauge::declare(registry, "scheduler_reserved_hosts", help, ())?;
        Ok(Self {
            store,
            demand,
            hosts,
            after,
            reserved,
        })
    }

    /// Reserves hosts once. Returns the time until the next round.
    async fn round(&self) -> Result<Duration, StoreError> {
        let idle = self.hosts.idle_hosts();
        // A host that is reserved already does not count: its owner stays blocked until it runs.
        let supply = self.demand.supply(&idle);
        let mut blocked = self.demand.blocked(&supply, self.after, now_us());
        blocked.truncate(MOST_LAYERS);
        let reservations = if blocked.is_empty() {
            Reservations::default()
        } else {
            self.reserve(&blocked).await?
        };
        let count = reservations.iter().count();
        self.reserved.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.demand.reserve(reservations);
        Ok(if blocked.is_empty() {
            EVERY
        } else {
            BLOCKED_EVERY
        })
    }

    async fn reserve(&self, blocked: &[BlockedLayer]) -> Result<Reservations, StoreError> {
        let hosts = self.hosts.hosts();
        let total = hosts.iter().map(|host| host.total.cores.0);
        let total = Centicores(total.fold(0, i64::saturating_add));
        let hosts = serving(blocked, hosts);
        let ids: Vec<HostId> = hosts.iter().map(|(host, _)| host.id.clone()).collect();
        let mut procs = self.store.host_procs(&ids).await?;
        let now = Instant::now();
        let guessed = without_runs(&procs);
        let candidates = candidates(hosts, &mut procs);
        let totals: HashMap<HostId, i64> = candidates
            .iter()
            .map(|found| (found.host.clone(), found.total.cores.0))
            .collect();
        let asked: Vec<Blocked> = blocked.iter().map(asks).collect();
        let owners: HashMap<&LayerId, &BlockedLayer> = blocked
            .iter()
            .map(|layer| (&layer.layer.id, layer))
            .collect();
        let reserved = reserve(&asked, &candidates).into_iter();
        // Cores gather on reserved hosts, about half of them idle until all are.
        let mut left = (total.0 / PARTS).max(1);
        let reserved = reserved.take_while(|found| {
            let needs = owners
                .get(&found.owner)
                .map_or(0, |owner| owner.needs.cores.0);
            let needs = if needs > 0 {
                needs
            } else {
                totals.get(&found.host).copied().unwrap_or(0)
            };
            let fits = left > 0;
            left = left.saturating_sub(needs);
            fits
        });
        let reserved = reserved.filter_map(|found| {
            let reserved = Reserved {
                cluster: owners.get(&found.owner)?.cluster.clone(),
                owner: found.owner,
                ready_at: now + found.ready_in,
                is_guess: guessed.contains(&found.host),
            };
            Some((found.host, reserved))
        });
        Ok(Reservations::new(reserved.collect()))
    }
}

/// A host that is expected to have room first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedRoom {
    /// The host.
    pub host: HostId,
    /// Time until it has room.
    pub ready_in: ReadyIn,
}

/// The first of these hosts that is expected to have room for a frame of the layer, `None` if none ever has, and the
/// number of procs on these hosts that no report names.
pub async fn expected_room(
    store: &Store,
    hosts: &[&Host],
    layer: &Layer,
) -> Result<(Option<ExpectedRoom>, usize), StoreError> {
    let hosts: Vec<(Host, Vec<usize>)> = hosts
        .iter()
        .take(MOST_HOSTS)
        .map(|host| ((*host).clone(), vec![0]))
        .collect();
    let ids: Vec<HostId> = hosts.iter().map(|(host, _)| host.id.clone()).collect();
    let mut procs = store.host_procs(&ids).await?;
    let whole_host = layer.cores_min.0 <= 0;
    let asked = Blocked {
        layer: layer.id.clone(),
        needs: Resources {
            cores: if whole_host {
                layer.cores_min
            } else {
                least_cores(layer)
            },
            memory: Kib(layer.memory_min.0.max(0)),
            gpus: layer.gpus_min.max(0),
            gpu_memory: Kib(layer.gpu_memory_min.0.max(0)),
        },
        whole_host,
        frames: 1,
        waited: Duration::ZERO,
    };
    let guessed = without_runs(&procs);
    let all = procs.values().flat_map(|found| &found.procs);
    let unreported = all.filter(|found| found.is_unreported).count();
    let first = reserve(&[asked], &candidates(hosts, &mut procs)).into_iter();
    let first = first.min_by(|a, b| a.ready_in.cmp(&b.ready_in));
    let first = first.map(|found| ExpectedRoom {
        ready_in: ReadyIn {
            time: found.ready_in,
            is_guess: guessed.contains(&found.host),
        },
        host: found.host,
    });
    Ok((first, unreported))
}

/// The hosts that run a frame of a layer without a finished run.
fn without_runs(procs: &HashMap<HostId, HostProcs>) -> HashSet<HostId> {
    let is_guess = |found: &HostProc| found.runs.is_none() && !found.is_unreported;
    let hosts = procs.iter();
    let hosts = hosts.filter(|(_, found)| found.procs.iter().any(is_guess));
    hosts.map(|(host, _)| host.clone()).collect()
}

fn candidates(
    hosts: Vec<(Host, Vec<usize>)>,
    procs: &mut HashMap<HostId, HostProcs>,
) -> Vec<Candidate> {
    let usual = usual_run(procs);
    let hosts = hosts.into_iter();
    let found = hosts.filter_map(|(host, serves)| {
        let found = procs.remove(&host.id)?;
        Some(candidate(host, serves, found, usual))
    });
    found.collect()
}

fn candidate(host: Host, serves: Vec<usize>, found: HostProcs, usual: Duration) -> Candidate {
    // A proc that no report names has no run that ends.
    let procs = found.procs.into_iter().filter(|found| !found.is_unreported);
    let procs = procs.map(|found| Proc {
        layer: found.layer,
        holds: found.holds,
        ends_in: expected_end(found.runs, found.elapsed, usual),
    });
    Candidate {
        host: host.id,
        total: host.total,
        // The index saw the host at another moment than its procs.
        idle: found.idle,
        procs: procs.collect(),
        serves,
    }
}

fn asks(blocked: &BlockedLayer) -> Blocked {
    Blocked {
        layer: blocked.layer.id.clone(),
        needs: blocked.needs,
        whole_host: blocked.layer.cores_min.0 <= 0,
        frames: blocked.frames,
        waited: blocked.waited,
    }
}

/// The hosts that could serve blocked layers, with the indexes of these; those with the most idle cores first.
fn serving(blocked: &[BlockedLayer], hosts: Vec<Host>) -> Vec<(Host, Vec<usize>)> {
    let mut hosts = hosts;
    hosts.sort_by(|a, b| b.idle.cores.cmp(&a.idle.cores).then(a.id.cmp(&b.id)));
    let serving = hosts.into_iter().map(|host| {
        let layers = blocked.iter().enumerate();
        let serves = layers.filter(|(_, layer)| layer.could_run_on(&host));
        let serves = serves.map(|(index, _)| index).collect();
        (host, serves)
    });
    let serving = serving.filter(|(_, serves): &(Host, Vec<usize>)| !serves.is_empty());
    serving.take(MOST_HOSTS).collect()
}

/// Median of the mean runs of the layers that run.
fn usual_run(hosts: &HashMap<HostId, HostProcs>) -> Duration {
    let mut seen = HashSet::new();
    let procs = hosts.values().flat_map(|host| &host.procs);
    let mut means: Vec<Duration> = procs
        .filter(|found| seen.insert(&found.layer))
        .filter_map(|found| Some(found.runs?.mean))
        .collect();
    means.sort_unstable();
    means.get(means.len() / 2).copied().unwrap_or(UNKNOWN_RUN)
}

impl Tick for Reserving {
    const NAME: &'static str = "reservations";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        let pause = self.round().await?;
        Ok(pause.max(began.elapsed() * 19))
    }
}
