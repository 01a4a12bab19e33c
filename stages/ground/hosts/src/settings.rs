//! What a farm decides about the host index: which of the hosts that fit is lent, and how long one
//! may be on loan. Every combination is valid.

use std::num::NonZeroUsize;
use std::time::Duration;

use cue_domain::score::Weights;

/// The order in which hosts are tried (contract, 9.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturation {
    /// Whether the host with the fewest idle cores comes first; else the one with the most.
    pub core: bool,
    /// Whether, among hosts with as many idle cores, the one with the least idle memory comes
    /// first; else the one with the most.
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

/// How many hosts are scored at most, and what counts how much (contract, 9.5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epvm {
    /// What each kind of waste weighs.
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

/// Which of the hosts that fit is lent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ranking {
    /// The first one in this order.
    Saturation(Saturation),
    /// The one with the lowest score.
    Epvm(Epvm),
}

impl Ranking {
    /// The order in which hosts are looked at.
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
    /// Which of the hosts that fit is lent.
    pub strategy: Ranking,
    /// After how long a host that does not come back is taken back.
    pub lease_timeout: Duration,
}

impl Default for IndexSettings {
    /// The default order, and five minutes: far longer than a batch can take.
    fn default() -> Self {
        Self {
            strategy: Ranking::default(),
            lease_timeout: Duration::from_secs(300),
        }
    }
}
