//! The policy of a plan: hosts that are open to a layer, and its share of each.

use std::sync::Arc;
use std::time::Instant;

use cue_demand::{GpuWork, Reservations, kept_for_gpus};
use cue_domain::fit::least_cores;
use cue_domain::messages::{LockedLayer, TurnPart};
use cue_domain::{Host, HostId, Resources};

/// Divisor of a host: a layer takes at most one part while others could use the remainder.
const PARTS: i64 = 4;

/// Frames of a host that a layer may always take.
const FRAMES: i64 = 8;

/// A round of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Layers keep within their share of a host, and take only hosts that run them or that are reserved and open
    /// to them.
    Warm,
    /// Layers keep within their share of a host.
    Spread,
    /// Remaining frames take resources that no other layer could use.
    Leftover,
}

/// The turn and the state of the farm that a plan obeys.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Waiting work that asks for GPUs.
    pub gpu_work: Arc<[GpuWork]>,
    /// Hosts that are reserved.
    pub reservations: Reservations,
    /// The part of the turn that is planned.
    pub part: TurnPart,
    /// Time of the plan.
    pub now: Instant,
}

impl Policy {
    /// Returns true unless the host is reserved for another layer whose start a frame of this layer might delay.
    pub(crate) fn may_use(&self, layer: &LockedLayer, host: &Host) -> bool {
        self.reservations.may_use(
            &host.id,
            &layer.wanted.layer.id,
            layer.wanted.longest_run,
            self.now,
        )
    }

    /// Reserved hosts that the layer may use, which others may not.
    pub(crate) fn reserved_for(&self, layer: &LockedLayer) -> Vec<&HostId> {
        self.reservations
            .open_to(&layer.wanted.layer.id, layer.wanted.longest_run, self.now)
    }

    /// Returns true if another frame keeps the layer within its share of the host, where it has `placed` new frames. A
    /// reserved host has no shares, since only its owner waits for it.
    pub(crate) fn is_in_share(&self, layer: &LockedLayer, host: &Host, placed: u32) -> bool {
        if self.reservations.of(&host.id).is_some() {
            return true;
        }
        let running = layer
            .wanted
            .running_on
            .get(&host.id)
            .copied()
            .unwrap_or_default();
        let frames = i64::from(running).saturating_add(i64::from(placed)) + 1;
        let cores = least_cores(&layer.wanted.layer).0.saturating_mul(frames);
        frames <= FRAMES || cores <= host.total.cores.0 / PARTS
    }

    /// Returns true if some of the host's idle resources are kept from the layer, because other work waits for
    /// the host's GPUs.
    pub(crate) fn keeps_gpus(&self, layer: &LockedLayer, host: &Host) -> bool {
        let asks = layer.wanted.layer.gpus_min > 0 || layer.wanted.layer.gpu_memory_min.0 > 0;
        !asks && kept_for_gpus(host, &self.gpu_work) != Resources::NONE
    }

    /// Returns true if the resources that a frame takes are not kept for the host's GPUs.
    pub(crate) fn leaves_gpus(&self, layer: &LockedLayer, host: &Host, takes: &Resources) -> bool {
        if !self.keeps_gpus(layer, host) {
            return true;
        }
        let kept = kept_for_gpus(host, &self.gpu_work);
        let after = takes.plus(&kept);
        after.cores <= host.idle.cores && after.memory <= host.idle.memory
    }
}
