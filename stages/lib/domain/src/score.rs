//! The score of a host for a layer by the strategy `epvm` (OPENCUE.md, Strategies): the part of the host that
//! this layer could not use any more once the host is full of it. The lowest score wins.
//!
//! A layer that asks for no GPUs pays for the GPUs that are idle on the host, so that it leaves them
//! to layers that need them while it fits elsewhere.
//!
//! Invariant: the score is a finite number for any host and layer, and 0 for a perfect fit.

use crate::host::Host;
use crate::layer::Layer;
use crate::units::{Centicores, Kib};

/// Weight of each kind of waste. All are finite and not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// A frame's worth of cores left unusable.
    pub cores: f64,
    /// A frame's worth of memory left unusable.
    pub memory: f64,
    /// A frame's worth of GPUs left unusable by a layer that asks for some.
    pub gpus: f64,
    /// A frame's worth of GPU memory left unusable by a layer that asks for GPUs.
    pub gpu_memory: f64,
    /// An idle GPU on the host of a layer that asks for none.
    pub gpu_reservation: f64,
    /// A billion bytes of idle GPU memory on the host of a layer that asks for no GPUs.
    pub gpu_memory_reservation: f64,
}

impl Default for Weights {
    /// The retired scheduler's: 1, 1, 2, 1, 2, 2.
    fn default() -> Self {
        Self {
            cores: 1.0,
            memory: 1.0,
            gpus: 2.0,
            gpu_memory: 1.0,
            gpu_reservation: 2.0,
            gpu_memory_reservation: 2.0,
        }
    }
}

/// Cores that the caps above the layer still admit, in centicores; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Of job and folder.
    pub job: Option<Centicores>,
    /// Of the show's subscription to the host's allocation.
    pub subscription: Option<Centicores>,
}

/// The score of `host` for `layer`, which fits it.
pub fn score(layer: &Layer, host: &Host, caps: Caps, weights: &Weights) -> f64 {
    let idle = &host.idle;
    let asks = [
        (layer.cores_min.0, idle.cores.0),
        (layer.memory_min.0, idle.memory.0),
        (layer.gpus_min, idle.gpus),
        (layer.gpu_memory_min.0, idle.gpu_memory.0),
    ];
    let more = more_frames(layer, &asks, caps);
    let [cores, memory, gpus, gpu_memory] = asks.map(|(min, idle)| waste(min, idle, more));
    let of_gpus = if layer.gpus_min > 0 {
        weights.gpus * gpus + weights.gpu_memory * gpu_memory
    } else {
        weights.gpu_reservation * idle.gpus.max(0) as f64
            + weights.gpu_memory_reservation * billion_bytes(idle.gpu_memory)
    };
    weights.cores * cores + weights.memory * memory + of_gpus
}

/// Number of further frames of the layer that fit after the first, by the scarcest amount that it asks for.
fn more_frames(layer: &Layer, asks: &[(i64, i64); 4], caps: Caps) -> i64 {
    let cores = layer.cores_min.0;
    let caps = [caps.job, caps.subscription].into_iter().flatten();
    let caps = caps.map(|remaining| (cores, remaining.0.max(cores)));
    let bounds = asks.iter().copied().chain(caps);
    bounds
        .filter(|(min, _)| *min > 0)
        .map(|(min, most)| most.saturating_sub(min).div_euclid(min))
        .min()
        .unwrap_or(0)
        .max(0)
}

/// Part of an idle amount that stays unusable once `more` further frames run, in frames.
fn waste(min: i64, idle: i64, more: i64) -> f64 {
    if min <= 0 {
        return 0.0;
    }
    let left = idle
        .saturating_sub(min)
        .saturating_sub(more.saturating_mul(min));
    left as f64 / min as f64
}

fn billion_bytes(memory: Kib) -> f64 {
    memory.0.max(0) as f64 * 1024.0 / 1e9
}

#[cfg(test)]
mod tests;
