//! Rows that contradict each other: a host's ledger, its procs and its report; a counter and its frames.
//!
//! Nobody sets these right by itself, and until somebody does the scheduler goes by the row that it
//! reads. Invariant: a contradiction is the answer only where the job would run without it.

mod words;

use super::facts::{Facts, LayerFacts};
use super::{Here, Why};
use crate::fit::reserve;
use crate::host::Host;
use crate::ids::{HostId, LayerId};
use crate::units::Resources;

/// Rows that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Hosts have room by their ledgers, and report less free memory than a frame takes.
    Memory {
        /// Number of them.
        hosts: usize,
        /// The most that may be booked on one of them, in KiB.
        free: i64,
        /// True if all of them report less than [`MemoryReport::LEAST`](crate::MemoryReport::LEAST).
        low: bool,
    },
    /// A host would have room if its ledger were what its procs leave.
    Ledger {
        /// The host.
        fault: LedgerFault,
        /// Number of further ones.
        others: usize,
    },
    /// A counter of waiting frames is wrong, so nobody looks for the frames or finds none.
    Counter {
        /// The layer whose counter it is; none if it is the job's.
        layer: Option<String>,
        /// Its value.
        counted: i64,
        /// The layer's waiting frames.
        waiting: i64,
    },
}

/// A host whose ledger is not what its procs leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFault {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub name: String,
    /// Idle resources by the ledger.
    pub ledger: Resources,
    /// The host's total less what its procs hold.
    pub left: Resources,
}

/// A layer's waiting frames: as its counter and its job's say, and as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingCount {
    /// The layer.
    pub layer: LayerId,
    /// The counter of the layer.
    pub counted: i64,
    /// The counter of the job, which is about all of its layers.
    pub counted_in_job: i64,
    /// The layer's waiting frames.
    pub waiting: i64,
}

/// The host whose ledger is to blame that none of these `hosts` has room, if there is one.
pub(super) fn ledger(
    facts: &Facts,
    layer: &LayerFacts,
    hosts: &[&Host],
    here: &Here<'_>,
) -> Option<Contradiction> {
    let has_room = |fault: &LedgerFault| {
        hosts.iter().any(|host| {
            let sound = Host {
                idle: fault.left.at_most(&host.total),
                ..(*host).clone()
            };
            host.id == fault.host && reserve(&layer.layer, &sound, here.rules, None).is_ok()
        })
    };
    let mut faults = facts.ledger_faults.iter().filter(|fault| has_room(fault));
    let first = faults.next()?.clone();
    let others = faults.count();
    Some(Contradiction::Ledger {
        fault: first,
        others,
    })
}

/// The answer instead of `why`, if the counters of waiting frames make that untrue.
pub(super) fn counters(
    facts: &Facts,
    layer: Option<&LayerFacts>,
    why: &Why,
) -> Option<Contradiction> {
    let of = |layer: &LayerFacts| {
        let mut counts = facts.waiting_counts.iter();
        counts.find(|count| count.layer == layer.layer.id)
    };
    match why {
        Why::NothingWaits(_) => {
            let layers = facts.layers.iter();
            let mut found = layers.filter_map(|layer| Some((layer, of(layer)?)));
            let (layer, count) =
                found.find(|(_, count)| count.counted <= 0 && count.waiting > 0)?;
            Some(Contradiction::Counter {
                layer: Some(layer.layer.name.to_string()),
                counted: count.counted,
                waiting: count.waiting,
            })
        }
        Why::CanRun { .. } => {
            let layer = layer?;
            let count = of(layer)?;
            let of_layer = count.waiting <= 0;
            let wrong = of_layer || count.counted_in_job <= 0;
            wrong.then(|| Contradiction::Counter {
                layer: of_layer.then(|| layer.layer.name.to_string()),
                counted: if of_layer {
                    count.counted
                } else {
                    count.counted_in_job
                },
                waiting: count.waiting,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
