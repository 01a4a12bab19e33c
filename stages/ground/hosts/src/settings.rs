//! What a farm decides about the host index: the order in which hosts are tried, and how long
//! one may be on loan. Every combination is valid.

use std::time::Duration;

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

/// The settings of a [`HostIndex`](crate::HostIndex).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexSettings {
    /// The order in which hosts are tried.
    pub strategy: Saturation,
    /// After how long a host that does not come back is taken back.
    pub lease_timeout: Duration,
}

impl Default for IndexSettings {
    /// The default order, and five minutes: far longer than a batch can take.
    fn default() -> Self {
        Self {
            strategy: Saturation::default(),
            lease_timeout: Duration::from_secs(300),
        }
    }
}
