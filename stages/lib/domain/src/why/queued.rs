//! Policy that keeps a layer waiting although hosts have room for it: the share of its show, the order inside the
//! show, and the trial of a layer of which nobody knows the memory yet.
//!
//! Only a scheduler that runs knows it, from its mirror of the rows.

use std::fmt;
use std::sync::Arc;

use crate::entitlement::tier;
use crate::ids::AllocId;
use crate::text::{cores, many};
use crate::units::Centicores;
use crate::wait_reason::WaitReason;

/// Policy that serves others before a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queued {
    /// The memory that its frames use is not known, and as many of them run as may until it is.
    Trial {
        /// Frames that run or are being booked.
        running: i64,
        /// Most frames of a trial.
        most: i64,
    },
    /// Hosts with room keep it for waiting work with GPUs.
    GpuProtected,
    /// Its show is entitled to none of the idle cores, which go to shows of lower tiers.
    Share(Box<ShareFacts>),
    /// The idle cores of its show go to layers that are served before it.
    Order(OrderFacts),
}

/// Division of an allocation's idle cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareFacts {
    /// The allocation.
    pub alloc: AllocId,
    /// Its idle cores, in centicores.
    pub idle: Centicores,
    /// The show of the layer.
    pub own: ShowShare,
    /// Shows that are served before it, the lowest tier first.
    pub first: Vec<ShowShare>,
}

/// Share of a show in an allocation. Amounts are in centicores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowShare {
    /// Name of the show.
    pub show: Arc<str>,
    /// Size of its subscription.
    pub size: Centicores,
    /// Cores in use.
    pub held: Centicores,
    /// Idle cores that it may use now.
    pub entitled: Centicores,
}

impl ShowShare {
    /// Tier of the subscription; the lowest is served first.
    pub fn tier(&self) -> f64 {
        tier(self.size, self.held)
    }
}

/// Layers of the show that are served before a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// Idle cores that the show may use now, in centicores.
    pub entitled: Centicores,
    /// The layer that is served first, as `JOB/LAYER`.
    pub first: String,
    /// Number of layers.
    pub layers: usize,
    /// Number of their jobs.
    pub jobs: usize,
}

impl Queued {
    /// The reason without its facts.
    pub(super) const fn reason(&self) -> WaitReason {
        match self {
            Self::Trial { .. } => WaitReason::Trial,
            Self::GpuProtected => WaitReason::GpuProtected,
            Self::Share(_) => WaitReason::Share,
            Self::Order(_) => WaitReason::Order,
        }
    }

    /// Predicate of the sentence.
    pub(super) fn predicate(&self, show: &str, alloc: &str) -> String {
        match self {
            Self::Trial { running, most } => format!(
                "waits because the memory that its frames use is not known yet: {running} of them run, and no more \
                 than {most} may until one has ended or its memory is reported"
            ),
            Self::GpuProtected => {
                "waits because the hosts with room keep their cores and memory for waiting work \
                                   with GPUs"
                    .to_owned()
            }
            Self::Share(share) => share.predicate(alloc),
            Self::Order(order) => format!(
                "waits because other layers of show {show} are served first: the {} that the show may use now {} to {} \
                 of {}, first of all {}",
                idle(order.entitled),
                go(order.entitled),
                many(order.layers, "layer"),
                many(order.jobs, "job"),
                order.first
            ),
        }
    }
}

impl ShareFacts {
    fn predicate(&self, alloc: &str) -> String {
        let first = self.first.first();
        let first = first.map_or_else(String::new, ShowShare::to_string);
        let others = match self.first.len().saturating_sub(1) {
            0 => String::new(),
            others => format!(" and {}", many(others, "other show")),
        };
        format!(
            "waits because its show has its share of allocation {alloc}: {}; the {} there {} to {first}{others}",
            self.own,
            idle(self.idle),
            go(self.idle),
        )
    }
}

impl fmt::Display for ShowShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (show, held, size) = (&self.show, cores(self.held.0), cores(self.size.0));
        let tier = self.tier();
        write!(
            f,
            "show {show} (size {size}, in use {held}, tier {tier:.2})"
        )
    }
}

fn idle(amount: Centicores) -> String {
    match amount {
        Centicores::CORE => "1 idle core".to_owned(),
        Centicores(amount) => format!("{} idle cores", cores(amount)),
    }
}

const fn go(amount: Centicores) -> &'static str {
    if amount.0 == Centicores::CORE.0 {
        "goes"
    } else {
        "go"
    }
}
