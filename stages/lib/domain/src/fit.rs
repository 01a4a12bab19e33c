//! Reservation arithmetic: the resources that a frame of a layer takes of a host.
//!
//! The arithmetic is Cuebot's (OPENCUE.md, Reservation), without its load clamp and without the units of
//! its stranded-core pickup. It is exact in centicores until the very end, where the cores are
//! rounded up: RQD refuses a fraction of a core (OPENCUE.md, Reservation).
//!
//! Invariant: a reservation fits the idle resources, its cores are whole and at least one, and a
//! threadable layer never gets fewer than it asks for unless its own `int_cores_max` says so.
//! Any number a row can hold is answered, with a reservation or with the reason against it.

use std::sync::Arc;

use crate::host::{Host, ThreadMode};
use crate::layer::Layer;
use crate::units::{Centicores, Kib, Resources};

/// Rules of a farm about reservations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitRules {
    /// Services whose threadable layers take all whole idle cores of a host.
    pub selfish_services: Vec<Arc<str>>,
    /// A frame that would leave no more memory than this takes all whole idle cores too, for no
    /// other frame could use them. In KiB.
    pub stranded_memory: Kib,
}

impl Default for FitRules {
    /// No selfish services, and Cuebot's 1.5 GiB.
    fn default() -> Self {
        Self {
            selfish_services: Vec::new(),
            stranded_memory: Kib(1_572_864),
        }
    }
}

/// An amount of which a host has too little idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short<T> {
    /// Amount that the frame needs.
    pub needed: T,
    /// Idle amount of the host.
    pub idle: T,
}

/// Reason for which a frame does not fit a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Too few idle cores.
    #[error("the frame needs {}, the host has {} idle", .0.needed, .0.idle)]
    Cores(Short<Centicores>),
    /// Too little idle memory.
    #[error("the frame needs {} of memory, the host has {} idle", .0.needed, .0.idle)]
    Memory(Short<Kib>),
    /// Too few idle GPUs.
    #[error("the frame needs {} GPUs, the host has {} idle", .0.needed, .0.idle)]
    Gpus(Short<i64>),
    /// Too little idle GPU memory.
    #[error("the frame needs {} of GPU memory, the host has {} idle", .0.needed, .0.idle)]
    GpuMemory(Short<Kib>),
    /// The layer asks for a whole host, and this one is in use.
    #[error("the frame needs a fully idle host, this one has {idle} of {total} idle")]
    NotIdle {
        /// Idle cores, in centicores.
        idle: Centicores,
        /// All cores of the host, in centicores.
        total: Centicores,
    },
    /// The host takes threadable layers only, and this layer is not.
    #[error("the host's thread mode is ALL and the layer is not threadable")]
    ThreadMode,
    /// The reservation is more than the job may still take. It is not cut to that.
    #[error("the frame would take {needed}, the job may take {remaining} more")]
    JobCap {
        /// Cores that the frame would take of this host, in centicores.
        needed: Centicores,
        /// Cores that the job's caps still admit, in centicores.
        remaining: Centicores,
    },
}

/// Resources that one frame of `layer` takes of `host` as it is idle now. `job_remaining` is the number of
/// centicores that the caps above the job still admit; `None` is unlimited.
pub fn reserve(
    layer: &Layer,
    host: &Host,
    rules: &FitRules,
    job_remaining: Option<Centicores>,
) -> Result<Resources, Misfit> {
    if host.thread_mode == ThreadMode::All && !layer.threadable {
        return Err(Misfit::ThreadMode);
    }
    let takes = without_cores(layer, &host.idle)?;
    let cores = exact_cores(layer, host, rules)?.rounded_up();
    // Rounding up saturates at the largest number, which is no whole core.
    if cores > host.idle.cores || cores.0 % 100 != 0 {
        return Err(short_of_cores(cores, host.idle.cores));
    }
    match job_remaining {
        Some(remaining) if cores > remaining => Err(Misfit::JobCap {
            needed: cores,
            remaining,
        }),
        _ => Ok(Resources { cores, ..takes }),
    }
}

/// The least that [`reserve`] can return for the layer on any host, in centicores. A cap must admit it before a host
/// is worth looking for.
pub fn least_cores(layer: &Layer) -> Centicores {
    if !layer.threadable || layer.cores_min < Centicores::CORE {
        return Centicores::CORE;
    }
    layer.cores_min.min(growth_bound(layer)).rounded_up()
}

/// Resources of a frame without its cores. They do not grow: the minimum is reserved.
fn without_cores(layer: &Layer, idle: &Resources) -> Result<Resources, Misfit> {
    // A negative minimum in a row must not hand the host more than it has.
    let takes = Resources {
        cores: Centicores(0),
        memory: layer.memory_min.max(Kib(0)),
        gpus: layer.gpus_min.max(0),
        gpu_memory: layer.gpu_memory_min.max(Kib(0)),
    };
    if takes.memory > idle.memory {
        let (needed, idle) = (takes.memory, idle.memory);
        return Err(Misfit::Memory(Short { needed, idle }));
    }
    if takes.gpus > idle.gpus {
        let (needed, idle) = (takes.gpus, idle.gpus);
        return Err(Misfit::Gpus(Short { needed, idle }));
    }
    if takes.gpu_memory > idle.gpu_memory {
        let (needed, idle) = (takes.gpu_memory, idle.gpu_memory);
        return Err(Misfit::GpuMemory(Short { needed, idle }));
    }
    Ok(takes)
}

const fn short_of_cores(needed: Centicores, idle: Centicores) -> Misfit {
    Misfit::Cores(Short { needed, idle })
}

/// The reservation before it is rounded, at least one centicore.
fn exact_cores(layer: &Layer, host: &Host, rules: &FitRules) -> Result<Centicores, Misfit> {
    let cores = match layer.cores_min.0 {
        100.. => grown(layer, host, rules)?,
        1..=99 => Centicores::CORE,
        _ => whole_host(layer.cores_min, host)?,
    };
    Ok(if layer.threadable {
        cores
    } else {
        cores.min(Centicores::CORE)
    })
}

/// `min` is 0 or negative: all cores of a fully idle host, or all but that many.
fn whole_host(min: Centicores, host: &Host) -> Result<Centicores, Misfit> {
    let (idle, total) = (host.idle.cores, host.total.cores);
    if idle < total {
        return Err(Misfit::NotIdle { idle, total });
    }
    let cores = Centicores(total.0.saturating_add(min.0));
    if cores.0 <= 0 {
        // One core in addition to those that must stay idle.
        let needed = Centicores(min.0.saturating_neg().saturating_add(Centicores::CORE.0));
        return Err(short_of_cores(needed, idle));
    }
    Ok(cores)
}

/// `int_cores_min` is one core or more: that, grown by thread mode and memory.
fn grown(layer: &Layer, host: &Host, rules: &FitRules) -> Result<Centicores, Misfit> {
    let (min, idle) = (layer.cores_min, host.idle.cores);
    if idle < min {
        return Err(short_of_cores(min, idle));
    }
    let whole = Centicores::cores(idle.whole());
    let variable = host.thread_mode == ThreadMode::Variable && layer.threadable;
    let mut cores = if host.thread_mode == ThreadMode::All || takes_all(layer, host, rules) {
        whole
    } else if layer.threadable {
        span_by_memory(layer, host)
    } else {
        min
    };
    if variable && cores <= Centicores::cores(2) {
        cores = Centicores::cores(2);
        if cores > idle {
            return Err(short_of_cores(cores, idle));
        }
    }
    cores = cores.max(min).min(growth_bound(layer));
    if cores > whole {
        if variable && whole == Centicores::CORE {
            return Err(short_of_cores(cores, idle));
        }
        // With a fraction of a core idle, the whole ones can be fewer than the layer's minimum.
        // It is kept, and rounding it up then says that it does not fit.
        cores = whole.max(min);
    }
    Ok(cores)
}

/// Returns true if the layer takes every whole idle core: a selfish service, or memory left stranded.
fn takes_all(layer: &Layer, host: &Host, rules: &FitRules) -> bool {
    let left = host.idle.memory.0.saturating_sub(layer.memory_min.0.max(0));
    layer.threadable
        && (Kib(left) <= rules.stranded_memory
            || layer
                .services
                .iter()
                .any(|service| rules.selfish_services.contains(service)))
}

/// Cores in proportion to the frame's share of memory. The share is of the idle memory, over
/// all cores of the host, as in Cuebot.
fn span_by_memory(layer: &Layer, host: &Host) -> Centicores {
    let per_core = host.idle.memory.0 / host.total.cores.whole().max(1);
    if per_core <= 0 {
        // Less than one KiB a core: the frame needs them all, and is cut to the idle ones.
        return Centicores(i64::MAX);
    }
    let (need, per_core) = (i128::from(layer.memory_min.0.max(0)), i128::from(per_core));
    let rounded_half_up = (2 * need + per_core) / (2 * per_core);
    Centicores::cores(i64::try_from(rounded_half_up).unwrap_or(i64::MAX))
}

/// `int_cores_max` in whole cores, at least one, or no bound. Cores are given whole, so a fraction of the
/// maximum cannot be used.
pub(crate) fn growth_bound(layer: &Layer) -> Centicores {
    layer
        .cores_max
        .filter(|max| max.0 > 0)
        .map_or(Centicores(i64::MAX), |max| {
            Centicores::cores(max.whole().max(1))
        })
}

#[cfg(test)]
mod tests;
