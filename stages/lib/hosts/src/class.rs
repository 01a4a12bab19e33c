//! Classes of hosts: everything that decides whether a layer fits, except idle cores and memory.
//!
//! Hosts of one class share core buckets, so a search skips all hosts at once that cannot serve the
//! layer: too few idle GPUs, another operating system, in use although the layer needs a whole host,
//! threadable layers only.
//!
//! Invariant: of two hosts of one class with equally many whole idle cores, the one with more memory
//! takes no more cores for a frame, if no fraction of a core is idle on them. If that host is refused
//! for anything but its GPU memory, so is the other.

use std::sync::Arc;

use cue_domain::host::ThreadMode;
use cue_domain::{FacilityId, Host, Kib, Layer};

/// Properties that hosts share whose core buckets are shared. The order has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostClass {
    /// Idle GPUs.
    gpus: i64,
    /// Idle GPU memory in GiB, rounded up. Nearly every host would be a class of its own by the exact amount.
    gpu_gib: u64,
    /// All cores of the host, in centicores: a frame's share of memory is measured by them.
    cores: i64,
    /// True if no core is in use.
    untouched: bool,
    /// True if no fraction of a core is idle.
    pub(crate) whole: bool,
    threads: u8,
    os: Arc<[Arc<str>]>,
    facility: FacilityId,
}

impl HostClass {
    pub(crate) fn of(host: &Host) -> Self {
        Self {
            gpus: host.idle.gpus,
            gpu_gib: gib(host.idle.gpu_memory),
            cores: host.total.cores.0,
            untouched: host.idle.cores >= host.total.cores,
            whole: host.idle.cores.0 % 100 == 0,
            threads: threads(host.thread_mode),
            os: Arc::clone(&host.os),
            facility: host.facility.clone(),
        }
    }

    /// Returns true if GPUs or GPU memory are idle on hosts of this class.
    pub(crate) const fn has_gpus(&self) -> bool {
        self.gpus > 0 || self.gpu_gib > 0
    }

    pub(crate) fn is_in(&self, facility: &FacilityId) -> bool {
        self.facility == *facility
    }

    /// Returns true if a host of this class may serve a layer of a job that demands this system.
    pub(crate) fn may_serve(&self, layer: &Layer, os: Option<&str>) -> bool {
        // The minimum of a layer that needs a whole host is 0 or negative (OPENCUE.md, Tables).
        let whole_host = layer.cores_min.0 <= 0;
        self.gpus >= layer.gpus_min.max(0)
            && self.gpu_gib >= gib(layer.gpu_memory_min)
            && (self.untouched || !whole_host)
            && (layer.threadable || self.threads != threads(ThreadMode::All))
            && os.is_none_or(|demanded| self.os.iter().any(|os| &**os == demanded))
    }
}

fn gib(memory: Kib) -> u64 {
    let memory = memory.0.max(0).unsigned_abs();
    memory.div_ceil(Kib::GIB.0.unsigned_abs())
}

const fn threads(mode: ThreadMode) -> u8 {
    match mode {
        ThreadMode::Auto => 0,
        ThreadMode::All => 1,
        ThreadMode::Variable => 2,
    }
}
