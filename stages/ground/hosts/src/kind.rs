//! Kinds of hosts: everything that decides whether a layer fits, save idle cores and memory.
//!
//! Hosts of one kind stand together, so that a layer passes over all those at once that it can
//! never use: with too few idle GPUs, of another operating system, in use when it wants a whole
//! host, for threaded layers only.
//!
//! Invariant: of two hosts of one kind with as many whole idle cores, the one with more memory
//! takes no more cores for a frame, if no fraction of a core is idle on them. So when that one is
//! refused for anything but its GPU memory, the other is too.

use std::sync::Arc;

use cue_domain::host::ThreadMode;
use cue_domain::{Host, Kib, Layer};

/// What hosts have in common that stand on one ladder. The order has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    /// Idle GPUs.
    gpus: i64,
    /// The magnitude of idle GPU memory, see [`magnitude`].
    gpu_memory: u32,
    /// All cores of the host, in centicores: a frame's share of memory is measured by them.
    cores: i64,
    /// Whether no core is in use.
    untouched: bool,
    /// Whether there is no fraction of a core idle.
    pub(crate) whole: bool,
    threads: u8,
    os: Arc<[Arc<str>]>,
}

impl Kind {
    pub(crate) fn of(host: &Host) -> Self {
        Self {
            gpus: host.idle.gpus,
            gpu_memory: magnitude(host.idle.gpu_memory),
            cores: host.total.cores.0,
            untouched: host.idle.cores >= host.total.cores,
            whole: host.idle.cores.0 % 100 == 0,
            threads: threads(host.thread_mode),
            os: Arc::clone(&host.os),
        }
    }

    /// Whether hosts of this kind have idle GPUs or GPU memory.
    pub(crate) fn has_gpus(&self) -> bool {
        self.gpus > 0 || self.has_gpu_memory()
    }

    pub(crate) const fn has_gpu_memory(&self) -> bool {
        self.gpu_memory > magnitude(Kib(0))
    }

    /// Whether any host of this kind can serve a layer of a job that demands this system.
    pub(crate) fn may_serve(&self, layer: &Layer, os: Option<&str>) -> bool {
        // The minimum of a layer that wants a whole host is 0 or negative (contract, 8.1).
        let whole_host = layer.cores_min.0 <= 0;
        self.gpus >= layer.gpus_min.max(0)
            && self.gpu_memory >= magnitude(layer.gpu_memory_min.max(Kib(0)))
            && (self.untouched || !whole_host)
            && (layer.threadable || self.threads != threads(ThreadMode::All))
            && os.is_none_or(|wanted| self.os.iter().any(|os| &**os == wanted))
    }
}

/// Grows with the amount, and takes few values: idle GPU memory is also what hosts report as free,
/// and a kind for each number would be one for each host.
const fn magnitude(memory: Kib) -> u32 {
    match memory.0 {
        ..0 => 0,
        0 => 1,
        some => some.ilog2() + 2,
    }
}

const fn threads(mode: ThreadMode) -> u8 {
    match mode {
        ThreadMode::Auto => 0,
        ThreadMode::All => 1,
        ThreadMode::Variable => 2,
    }
}
