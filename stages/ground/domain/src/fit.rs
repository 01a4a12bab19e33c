//! Reservation arithmetic: what a frame of a layer takes of a host.
//!
//! The arithmetic is Cuebot's (contract, 8.2), without its load clamp and without the units of
//! its stranded-core pickup. It is exact in centicores until the very end, where the cores are
//! rounded up: RQD refuses a fraction of a core (contract, 11.3).
//!
//! Invariant: what is returned fits what is idle, its cores are whole and at least one, and a
//! threadable layer never gets fewer than it asks for unless its own `int_cores_max` says so.
//! Any number a row can hold is answered, with a reservation or with the reason against it.

use std::sync::Arc;

use crate::host::{Host, ThreadMode};
use crate::layer::Layer;
use crate::units::{Centicores, Kib, Resources};

/// What a farm decides about reservations.
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

/// Why a frame does not fit a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Too few idle cores.
    #[error("the frame needs {needed}, the host has {idle} idle")]
    Cores {
        /// What the frame would need, in centicores.
        needed: Centicores,
        /// What is idle, in centicores.
        idle: Centicores,
    },
    /// Too little idle memory.
    #[error("the frame needs {needed} of memory, the host has {idle} idle")]
    Memory {
        /// `int_mem_min` of the layer, in KiB.
        needed: Kib,
        /// What is idle, in KiB.
        idle: Kib,
    },
    /// Too few idle GPUs.
    #[error("the frame needs {needed} GPUs, the host has {idle} idle")]
    Gpus {
        /// `int_gpus_min` of the layer.
        needed: i64,
        /// How many are idle.
        idle: i64,
    },
    /// Too little idle GPU memory.
    #[error("the frame needs {needed} of GPU memory, the host has {idle} idle")]
    GpuMemory {
        /// `int_gpu_mem_min` of the layer, in KiB.
        needed: Kib,
        /// What is idle, in KiB.
        idle: Kib,
    },
    /// The layer asks for a whole host, and this one is in use.
    #[error("the frame needs a fully idle host, this one has {idle} of {total} idle")]
    NotIdle {
        /// What is idle, in centicores.
        idle: Centicores,
        /// What the host has, in centicores.
        total: Centicores,
    },
    /// The host takes threadable layers only, and this layer is not.
    #[error("the host's thread mode is ALL and the layer is not threadable")]
    ThreadMode,
    /// The reservation is more than the job may still take. It is not cut to that.
    #[error("the frame would take {needed}, the job may take {rest} more")]
    JobCap {
        /// What the frame would take of this host, in centicores.
        needed: Centicores,
        /// What the job's caps still admit, in centicores.
        rest: Centicores,
    },
    /// The host does not offer the operating system the job demands.
    #[error("the host does not offer the job's operating system")]
    Os,
}

impl Misfit {
    /// The name of the dimension, to label metrics with.
    #[must_use]
    pub const fn dimension(&self) -> &'static str {
        match self {
            Self::Cores { .. } => "cores",
            Self::Memory { .. } => "memory",
            Self::Gpus { .. } => "gpus",
            Self::GpuMemory { .. } => "gpu_memory",
            Self::NotIdle { .. } => "not_idle",
            Self::ThreadMode => "thread_mode",
            Self::JobCap { .. } => "job_cap",
            Self::Os => "os",
        }
    }
}

/// What one frame of `layer` takes of `host` as it is idle now. `job_rest` is what the caps above
/// the job still admit, in centicores; `None` is unlimited.
pub fn reserve(
    layer: &Layer,
    host: &Host,
    rules: &FitRules,
    job_rest: Option<Centicores>,
) -> Result<Resources, Misfit> {
    if host.thread_mode == ThreadMode::All && !layer.threadable {
        return Err(Misfit::ThreadMode);
    }
    let (memory, gpus, gpu_memory) = needs_beside_cores(layer, &host.idle)?;
    let cores = exact_cores(layer, host, rules)?.rounded_up();
    // Rounding up saturates at the largest number, which is no whole core.
    if cores > host.idle.cores || cores.0 % 100 != 0 {
        return Err(Misfit::Cores {
            needed: cores,
            idle: host.idle.cores,
        });
    }
    match job_rest {
        Some(rest) if cores > rest => Err(Misfit::JobCap {
            needed: cores,
            rest,
        }),
        _ => Ok(Resources {
            cores,
            memory,
            gpus,
            gpu_memory,
        }),
    }
}

/// Whether the host offers the operating system a job demands; `None` demands none.
pub fn check_os(host: &Host, wanted: Option<&str>) -> Result<(), Misfit> {
    if host.offers_os(wanted) {
        Ok(())
    } else {
        Err(Misfit::Os)
    }
}

/// The least that [`reserve`] can return for the layer on any host, in centicores: what a cap
/// must at least admit before a host is worth looking for.
#[must_use]
pub fn least_cores(layer: &Layer) -> Centicores {
    if !layer.threadable || layer.cores_min < Centicores::CORE {
        return Centicores::CORE;
    }
    layer.cores_min.min(growth_bound(layer)).rounded_up()
}

/// Memory, GPUs and GPU memory do not grow: the minimum is what is reserved.
fn needs_beside_cores(layer: &Layer, idle: &Resources) -> Result<(Kib, i64, Kib), Misfit> {
    // A negative minimum in a row must not hand the host more than it has.
    let memory = layer.memory_min.max(Kib(0));
    let gpus = layer.gpus_min.max(0);
    let gpu_memory = layer.gpu_memory_min.max(Kib(0));
    if memory > idle.memory {
        return Err(Misfit::Memory {
            needed: memory,
            idle: idle.memory,
        });
    }
    if gpus > idle.gpus {
        return Err(Misfit::Gpus {
            needed: gpus,
            idle: idle.gpus,
        });
    }
    if gpu_memory > idle.gpu_memory {
        return Err(Misfit::GpuMemory {
            needed: gpu_memory,
            idle: idle.gpu_memory,
        });
    }
    Ok((memory, gpus, gpu_memory))
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
        // One core beside those that are to be left.
        let needed = Centicores(min.0.saturating_neg().saturating_add(Centicores::CORE.0));
        return Err(Misfit::Cores { needed, idle });
    }
    Ok(cores)
}

/// `int_cores_min` is one core or more: that, grown by thread mode and memory.
fn grown(layer: &Layer, host: &Host, rules: &FitRules) -> Result<Centicores, Misfit> {
    let (min, idle) = (layer.cores_min, host.idle.cores);
    if idle < min {
        return Err(Misfit::Cores { needed: min, idle });
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
            return Err(Misfit::Cores {
                needed: cores,
                idle,
            });
        }
    }
    cores = cores.max(min).min(growth_bound(layer));
    if cores > idle {
        if variable && whole == Centicores::CORE {
            return Err(Misfit::Cores {
                needed: cores,
                idle,
            });
        }
        // With a fraction of a core idle, the whole ones can be fewer than the layer's minimum.
        // It is kept, and rounding it up then says that it does not fit.
        cores = whole.max(min);
    }
    Ok(cores)
}

/// Whether the layer takes every whole idle core: a selfish service, or memory left stranded.
fn takes_all(layer: &Layer, host: &Host, rules: &FitRules) -> bool {
    let left = host.idle.memory.0.saturating_sub(layer.memory_min.0.max(0));
    layer.threadable
        && (Kib(left) <= rules.stranded_memory
            || layer
                .services
                .iter()
                .any(|service| rules.selfish_services.contains(service)))
}

/// As many cores as the frame's share of memory stands for. The share is of what is idle, over
/// all cores of the host, as Cuebot has it.
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

/// `int_cores_max`, or no bound.
fn growth_bound(layer: &Layer) -> Centicores {
    layer
        .cores_max
        .filter(|max| max.0 > 0)
        .unwrap_or(Centicores(i64::MAX))
}

#[cfg(test)]
mod tests;
