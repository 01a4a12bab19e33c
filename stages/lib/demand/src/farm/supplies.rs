//! The resources that a view weighs waiting frames against: idle, backing off, and those of whole hosts.

use std::collections::HashSet;

use cue_domain::{Host, LayerId, Resources};

use super::values::FarmInput;
use crate::gpus::{GpuWork, kept_for_gpus};
use crate::reservations::Reservations;
use crate::supply::Supply;

/// Supplies that the reasons are found with.
pub(crate) struct Supplies<'a> {
    /// Idle resources as picks use them.
    pub(crate) idle: Supply,
    /// Idle resources of hosts that back off.
    pub(crate) backing_off: Supply,
    /// Resources of all hosts if nothing ran on them.
    pub(crate) whole: &'a Supply,
    /// Layers that hosts are reserved for.
    pub(crate) owners: HashSet<LayerId>,
}

impl<'a> Supplies<'a> {
    pub(super) fn of(input: &FarmInput<'a>, work: &[GpuWork], reservations: &Reservations) -> Self {
        let backs_off = |host: &&Host| input.host_backoffs.contains_key(&host.id);
        let kept = |host: &Host| kept_for_gpus(host, work);
        let ready = input.hosts.iter().filter(|host| !backs_off(host));
        let others = input.hosts.iter().filter(backs_off);
        Self {
            idle: Supply::of(ready, kept, reservations),
            backing_off: Supply::of(others, |_| Resources::NONE, &Reservations::default()),
            whole: input.whole,
            owners: reservations
                .iter()
                .map(|(_, reserved)| reserved.owner.clone())
                .collect(),
        }
    }
}
