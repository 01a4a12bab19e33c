//! Stranded cores: idle cores of hosts for whose tags frames wait, and that none of these frames can use.

use std::collections::HashMap;
use std::time::Duration;

use cue_domain::{AllocId, Host, HostId, Kib, Resources, Tag};

use crate::gpus::{GpuWork, kept_for_gpus};
use crate::reservations::Reservations;
use crate::rows::Shape;
use crate::supply::asks_gpus;

/// Cause for which idle cores cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stranding {
    /// The host is reserved for a layer, and drains.
    Reserved,
    /// The host backs off after failed launches.
    HostBacksOff,
    /// The cores are kept for work with GPUs.
    GpuProtected,
    /// The host has less memory idle than any of the frames needs.
    Memory,
    /// The host has fewer cores idle than any of the frames that its memory admits needs.
    Cores,
}

impl Stranding {
    /// Every cause.
    pub const ALL: [Self; 5] = [
        Self::Reserved,
        Self::HostBacksOff,
        Self::GpuProtected,
        Self::Memory,
        Self::Cores,
    ];

    /// Code of the cause.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::HostBacksOff => "host_backs_off",
            Self::GpuProtected => "gpu_protected",
            Self::Memory => "memory",
            Self::Cores => "cores",
        }
    }
}

/// Least resources that frames of one shape need, without GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Need {
    cores: i64,
    memory: Kib,
}

/// Least needs of frames that wait for hosts, by allocation and tag: no need of a list is above another one in both
/// dimensions.
#[derive(Clone, Debug, Default)]
pub(super) struct LeastNeeds(HashMap<AllocId, HashMap<Tag, Vec<Need>>>);

impl LeastNeeds {
    /// Adds the need of a shape that waits in these allocations. Frames with GPUs need special hosts and do not count.
    pub(super) fn need(&mut self, shape: &Shape, allocs: &[AllocId], least: i64) {
        let layer = &shape.layer;
        if asks_gpus(layer) {
            return;
        }
        let need = Need {
            cores: if layer.cores_min.0 > 0 { least } else { 100 },
            memory: layer.memory_min,
        };
        for alloc in allocs {
            for tag in layer.tags.iter() {
                self.insert(alloc, tag, need);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (alloc, by_tag) in &other.0 {
            for (tag, needs) in by_tag {
                for need in needs {
                    self.insert(alloc, tag, *need);
                }
            }
        }
    }

    fn insert(&mut self, alloc: &AllocId, tag: &Tag, need: Need) {
        let covers = |a: &Need, b: &Need| a.cores <= b.cores && a.memory <= b.memory;
        // Most needs are covered, and then no key is copied.
        let known = self.0.get(alloc).and_then(|by_tag| by_tag.get(tag));
        if known.is_some_and(|known| known.iter().any(|known| covers(known, &need))) {
            return;
        }
        let by_tag = self.0.entry(alloc.clone()).or_default();
        let known = by_tag.entry(tag.clone()).or_default();
        known.retain(|known| !covers(&need, known));
        known.push(need);
    }

    /// Needs of frames that wait for hosts with the tags of this one.
    fn of<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a Need> {
        let by_tag = self.0.get(&host.alloc);
        let tags = host.tags.iter();
        tags.filter_map(move |tag| by_tag?.get(tag)).flatten()
    }
}

/// Cause for which the host's idle cores are of no use to frames that wait for its tags; `None` if it has no idle
/// core, if no frame waits for it, or if one could use it.
pub(super) fn stranding(
    host: &Host,
    needs: &LeastNeeds,
    work: &[GpuWork],
    reservations: &Reservations,
    backoffs: &HashMap<HostId, Duration>,
) -> Option<Stranding> {
    if host.idle.cores.whole() <= 0 || needs.of(host).next().is_none() {
        return None;
    }
    if reservations.of(&host.id).is_some() {
        return Some(Stranding::Reserved);
    }
    let has_room = |idle: &Resources| {
        let mut needs = needs.of(host);
        needs.any(|need| need.cores <= idle.cores.0 && need.memory <= idle.memory)
    };
    if !has_room(&host.idle) {
        let has_memory = needs.of(host).any(|need| need.memory <= host.idle.memory);
        return Some(if has_memory {
            Stranding::Cores
        } else {
            Stranding::Memory
        });
    }
    if backoffs.contains_key(&host.id) {
        return Some(Stranding::HostBacksOff);
    }
    let left = host.idle.minus(&kept_for_gpus(host, work));
    (!has_room(&left)).then_some(Stranding::GpuProtected)
}
