//! Settings of the host index: the order in which hosts that fit are lent, and the longest loan. Every
//! combination is valid.

use std::num::NonZeroUsize;
use std::time::Duration;

use cue_domain::score::Weights;

/// The order in which hosts are tried (OPENCUE.md, Strategies).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturation {
    /// True if the host with the fewest idle cores comes first, false if the host with the most.
    pub core: bool,
    /// True if, among hosts with equally many idle cores, the host with the least idle memory comes
    /// first, false if the host with the most.
    pub memory: bool,
}

impl Default for Saturation {
    /// Fewest idle cores first, then most idle memory.
    fn default() -> Self {
        Self {
            core: true,
            memory: false,
        }
    }
}

/// Most hosts that are scored, and the weight of each resource (OPENCUE.md, Strategies).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epvm {
    /// Weight of each kind of waste.
    pub weights: Weights,
    /// Hosts that fit and are scored at most, fewest idle cores first.
    pub max_candidates: NonZeroUsize,
}

impl Default for Epvm {
    /// The default weights, and 500 hosts.
    fn default() -> Self {
        Self {
            weights: Weights::default(),
            max_candidates: NonZeroUsize::MIN.saturating_add(499),
        }
    }
}

/// Rule by which one of the hosts that fit is lent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ranking {
    /// The first host in this order.
    Saturation(Saturation),
    /// The host with the lowest score.
    Epvm(Epvm),
}

impl Ranking {
    /// Order in which hosts are looked at.
    pub(crate) const fn order(&self) -> Saturation {
        match self {
            Self::Saturation(order) => *order,
            Self::Epvm(_) => Saturation {
                core: true,
                memory: true,
            },
        }
    }
}

impl Default for Ranking {
    fn default() -> Self {
        Self::Saturation(Saturation::default())
    }
}

/// The settings of a [`HostIndex`](crate::HostIndex).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IndexSettings {
    /// Rule by which one of the hosts that fit is lent.
    pub strategy: Ranking,
    /// Time after which a host that does not come back is taken back.
    pub lease_timeout: Duration,
    /// Seed of the order of hosts that are equal to the strategy. Replicas have different ones, so that they do not try
    /// the same hosts first; 0 is the order in which the hosts were read.
    pub seed: u64,
}

impl Default for IndexSettings {
    /// The default order, and five minutes: far longer than a batch can take.
    fn default() -> Self {
        Self {
            strategy: Ranking::default(),
            seed: 0,
            lease_timeout: Duration::from_secs(300),
        }
    }
}
