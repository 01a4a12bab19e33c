//! Supply: the idle resources of hosts, summed up by allocation and tag.
//!
//! For each allocation and tag it keeps the sum of the idle resources and the Pareto front of the hosts: none of them
//! has less of everything than another. A layer that fits no host of the front fits no host at all.
//! While few hosts are idle, as on a full farm, the room for frames of a layer is counted host by host. While
//! they are many, the sum bounds the frames that a pick asks for, and some may find no host.

mod room;

use std::collections::{HashMap, HashSet};

use cue_domain::fit::{FitRules, least_cores, reserve};
use cue_domain::host::ThreadMode;
use cue_domain::{AllocId, Centicores, Host, HostId, Kib, Layer, Resources, Tag};

use crate::reservations::{Reservations, Reserved};

/// Idle resources that a pick may use.
#[derive(Clone, Debug, Default)]
pub struct Supply {
    places: HashMap<AllocId, Place>,
    reserved: Vec<(Host, Reserved)>,
    /// Hosts that are not reserved, while they are few.
    few: Vec<HostId>,
}

/// Hosts of one allocation.
#[derive(Clone, Debug, Default)]
struct Place {
    idle: Resources,
    by_tag: HashMap<Tag, Tagged>,
}

/// Hosts of one allocation that carry one tag.
#[derive(Clone, Debug, Default)]
struct Tagged {
    /// For layers without GPUs: resources that are kept for work with GPUs are left out.
    plain: Front,
    /// For layers that ask for GPUs or GPU memory.
    gpu: Front,
}

#[derive(Clone, Debug, Default)]
struct Front {
    sum: Resources,
    best: Vec<Host>,
    count: usize,
    /// All hosts, while they are few.
    few: Vec<Host>,
}

/// Most hosts that are counted one by one: of one allocation and tag for their room, and in all for the layers that
/// they ran.
const FEW: usize = 32;

/// Resources that one allocation offers to a frame of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) alloc: AllocId,
    /// Least resources that the frame takes there.
    pub(crate) takes: Resources,
    /// Most resources that all its frames can take there.
    pub(crate) sum: Resources,
}

impl Supply {
    /// Supply of `hosts` as they are idle now. `kept` returns the resources of a host that must stay idle for
    /// work with GPUs.
    pub(crate) fn of<'a>(
        hosts: impl IntoIterator<Item = &'a Host>,
        kept: impl Fn(&Host) -> Resources,
        reservations: &Reservations,
    ) -> Self {
        let mut supply = Self::default();
        let mut count = 0;
        for host in hosts {
            if let Some(reserved) = reservations.of(&host.id) {
                let place = supply.places.entry(host.alloc.clone()).or_default();
                place.idle = place.idle.plus(&host.idle);
                supply.reserved.push((host.clone(), reserved.clone()));
            } else {
                supply.add(host, &kept(host));
                count += 1;
                if count <= FEW {
                    supply.few.push(host.id.clone());
                }
            }
        }
        if count > FEW {
            supply.few.clear();
        }
        supply
    }

    /// Idle hosts that are not reserved; none if they are many.
    pub(crate) fn few_hosts(&self) -> &[HostId] {
        &self.few
    }

    /// Reserved hosts with idle cores.
    pub(crate) fn reserved(&self) -> &[(Host, Reserved)] {
        &self.reserved
    }

    /// Returns true if some reserved host of the allocation has room for a frame of the layer.
    pub(crate) fn fits_reserved(&self, layer: &Layer, os: Option<&str>, alloc: &AllocId) -> bool {
        let mut of_alloc = self.reserved.iter();
        of_alloc.any(|(host, _)| host.alloc == *alloc && takes_of(layer, os, host).is_some())
    }

    fn add(&mut self, host: &Host, kept: &Resources) {
        let place = self.places.entry(host.alloc.clone()).or_default();
        place.idle = place.idle.plus(&positive(&host.idle));
        let has_gpus = host.idle.gpus > 0 || host.idle.gpu_memory.0 > 0;
        let mut plain = host.clone();
        plain.idle = host.idle.minus(kept);
        for tag in host.tags.iter() {
            let tagged = place.by_tag.entry(tag.clone()).or_default();
            if plain.idle.cores.whole() > 0 {
                tagged.plain.add(&plain);
            }
            if has_gpus {
                tagged.gpu.add(host);
            }
        }
    }

    /// Idle resources of an allocation.
    pub(crate) fn idle(&self, alloc: &AllocId) -> Resources {
        self.places
            .get(alloc)
            .map_or(Resources::NONE, |place| place.idle)
    }

    /// Allocations with idle hosts.
    pub(crate) fn allocs(&self) -> impl Iterator<Item = &AllocId> {
        self.places.keys()
    }

    /// Offers to a frame of the layer by the allocation `alloc`: `None` if no idle host there can run it.
    pub(crate) fn offer(&self, layer: &Layer, os: Option<&str>, alloc: &AllocId) -> Option<Offer> {
        let place = self.places.get(alloc)?;
        let asks_gpus = asks_gpus(layer);
        let fronts: Vec<&Front> = layer
            .tags
            .iter()
            .filter_map(|tag| place.by_tag.get(tag))
            .map(|tagged| {
                if asks_gpus {
                    &tagged.gpu
                } else {
                    &tagged.plain
                }
            })
            .collect();
        let takes = fronts.iter().find_map(|front| front.least(layer, os))?;
        let sum = if fronts.iter().all(|front| front.count <= FEW) {
            room(&fronts, layer, os)
        } else {
            let sums = fronts.iter().map(|front| front.sum);
            let sum = sums.fold(Resources::NONE, |sum, of_front| sum.plus(&of_front));
            sum.at_most(&place.idle)
        };
        Some(Offer {
            alloc: alloc.clone(),
            takes,
            sum,
        })
    }
}

/// Resources that frames of the layer can take of these hosts, each host counted once.
fn room(fronts: &[&Front], layer: &Layer, os: Option<&str>) -> Resources {
    let mut seen = HashSet::new();
    let mut room = Resources::NONE;
    for host in fronts.iter().flat_map(|front| &front.few) {
        if !seen.insert(&host.id) {
            continue;
        }
        let Some(takes) = least_of(layer, os, host) else {
            continue;
        };
        let frames = host.idle.times(&takes);
        let all = |takes: i64| takes.max(0).saturating_mul(frames);
        room = room.plus(&Resources {
            cores: Centicores(all(takes.cores.0)),
            memory: Kib(all(takes.memory.0)),
            gpus: all(takes.gpus),
            gpu_memory: Kib(all(takes.gpu_memory.0)),
        });
    }
    room
}

/// Returns true if the layer's frames use GPUs or GPU memory.
pub(crate) fn asks_gpus(layer: &Layer) -> bool {
    layer.gpus_min > 0 || layer.gpu_memory_min.0 > 0
}

impl Front {
    fn add(&mut self, host: &Host) {
        self.sum = self.sum.plus(&positive(&host.idle));
        self.count += 1;
        if self.count <= FEW {
            self.few.push(host.clone());
        } else {
            self.few.clear();
        }
        if self.best.iter().any(|known| dominates(known, host)) {
            return;
        }
        self.best.retain(|known| !dominates(host, known));
        self.best.push(host.clone());
    }

    /// Least resources that a frame of the layer takes of a host, if any host can run it.
    fn least(&self, layer: &Layer, os: Option<&str>) -> Option<Resources> {
        self.best.iter().find_map(|host| least_of(layer, os, host))
    }
}

/// Returns true if the host has a tag of the layer and the operating system, and takes layers of its threading.
pub(crate) fn admits(host: &Host, layer: &Layer, os: Option<&str>) -> bool {
    host.offers_os(os)
        && host.tags.iter().any(|tag| layer.tags.contains(tag))
        && (layer.threadable || host.thread_mode != ThreadMode::All)
}

/// Least resources that a frame of the layer takes of the host, if the host admits the layer and has room.
pub(crate) fn takes_of(layer: &Layer, os: Option<&str>, host: &Host) -> Option<Resources> {
    admits(host, layer, os).then(|| least_of(layer, os, host))?
}

fn least_of(layer: &Layer, os: Option<&str>, host: &Host) -> Option<Resources> {
    if !host.offers_os(os) {
        return None;
    }
    let takes = reserve(layer, host, &FitRules::default(), None).ok()?;
    let cores = if layer.cores_min.0 > 0 {
        least_cores(layer)
    } else {
        takes.cores
    };
    Some(Resources { cores, ..takes })
}

/// The amounts, none of them below zero: a host that lacks memory takes none from the others.
fn positive(idle: &Resources) -> Resources {
    idle.minus(&idle.at_most(&Resources::NONE))
}

/// Returns true if every frame that fits `other` fits `host`.
fn dominates(host: &Host, other: &Host) -> bool {
    host.total.cores == other.total.cores
        && host.thread_mode == other.thread_mode
        && host.os == other.os
        && host.idle.at_most(&other.idle) == other.idle
        && (is_steady(host) || host.idle.memory == other.idle.memory)
}

/// Returns true if a frame that fits the host fits it with more memory, too. A host that gives threadable
/// layers at least two cores refuses a frame with a small share of its memory when it has one core left, but
/// not a frame that would grow beyond two and is bounded to one.
fn is_steady(host: &Host) -> bool {
    host.thread_mode != ThreadMode::Variable || host.idle.cores >= Centicores::cores(2)
}
