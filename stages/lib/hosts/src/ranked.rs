//! Hosts with their rank in the order of the strategy.

use std::sync::Arc;

use cue_domain::{Centicores, Host, Layer};

use crate::class::HostClass;
use crate::settings::Saturation;

/// Number of a host within its shard. It is never used again for another host.
pub(crate) type Slot = u64;

/// Rank of a host; the smallest is tried first. Ascending keys are the order of the strategy, whatever
/// the strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) cores: i64,
    pub(crate) memory: i64,
    pub(crate) slot: Slot,
}

/// A host as it is indexed. It never changes; a host that changes is replaced.
#[derive(Debug)]
pub(crate) struct RankedHost {
    pub(crate) host: Host,
    pub(crate) rank: Rank,
    pub(crate) class: HostClass,
}

impl RankedHost {
    pub(crate) fn new(host: Host, slot: Slot, order: Saturation) -> Arc<Self> {
        let rank = Rank {
            cores: key(order.core, host.idle.cores.whole()),
            memory: key(order.memory, host.idle.memory.0),
            slot,
        };
        let class = HostClass::of(&host);
        Arc::new(Self { host, rank, class })
    }
}

/// Least idle cores and memory of a host that a layer could fit, as the first and the last key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinRequirements {
    pub(crate) cores: (i64, i64),
    pub(crate) memory: (i64, i64),
}

impl MinRequirements {
    /// Requirements of a layer. One whole core must be idle in any case.
    pub(crate) fn of(layer: &Layer, order: Saturation) -> Self {
        let cores = Centicores(layer.cores_min.0.saturating_abs()).whole();
        Self {
            cores: at_least(order.core, cores.max(1)),
            memory: at_least(order.memory, layer.memory_min.0.max(0)),
        }
    }
}

/// The complement reverses the order and, unlike negation, cannot overflow.
const fn key(smallest_first: bool, amount: i64) -> i64 {
    if smallest_first { amount } else { !amount }
}

/// The first and the last key of amounts from `amount` up.
const fn at_least(smallest_first: bool, amount: i64) -> (i64, i64) {
    if smallest_first {
        (amount, i64::MAX)
    } else {
        (i64::MIN, !amount)
    }
}
