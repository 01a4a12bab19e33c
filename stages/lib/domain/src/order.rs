//! Order of jobs inside a show: which job is served next.
//!
//! Every rank is computed from rows and a time, so replicas that read the same rows agree, and a
//! restart forgets no wait. The lowest rank is served first.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::units::Centicores;

/// Upper bound of a weight. Even one centicore divided by it is a normal number, so ranks stay distinct.
const HEAVIEST: f64 = 1e300;

/// Rule by which the jobs of a show are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Shares in proportion to weight: the job with the fewest cores for its weight is next.
    #[default]
    Share,
    /// Strict priority, then age.
    Priority,
    /// Age.
    Fifo,
}

impl Order {
    const ALL: [Self; 3] = [Self::Share, Self::Priority, Self::Fifo];

    /// Name of the order in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Priority => "priority",
            Self::Fifo => "fifo",
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown order {0:?}, expected share, priority or fifo")]
pub struct UnknownOrder(String);

impl FromStr for Order {
    type Err = UnknownOrder;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|order| order.name() == name);
        found.ok_or_else(|| UnknownOrder(name.to_owned()))
    }
}

/// Agings without a core after which a job goes first.
const OVERDUE: f64 = 3.0;

/// Settings of the order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OrderRules {
    /// Rule in force.
    pub order: Order,
    /// Exponent of the priority in a job's weight. Used by [`Order::Share`].
    pub priority_exponent: f64,
    /// Time without a core that doubles a job's weight; `None` or zero switches aging off. Used by
    /// [`Order::Share`].
    pub aging: Option<Duration>,
}

impl Default for OrderRules {
    /// Shares, an exponent of 1.5 and ten minutes.
    fn default() -> Self {
        Self {
            order: Order::Share,
            priority_exponent: 1.5,
            aging: Some(Duration::from_secs(600)),
        }
    }
}

/// Facts of a job that decide its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `job_resource.int_priority`, higher first.
    pub priority: i64,
    /// `job.ts_started`, in microseconds since 1970.
    pub started_us: i64,
    /// Time since which the job has had no core, in microseconds since 1970; `None` while it has cores.
    pub idle_since_us: Option<i64>,
}

impl OrderRules {
    /// Weight of a job at `now_us`: `max(1, priority)` to the power of the exponent, doubled for every
    /// [`aging`](Self::aging) that the job has been without a core. At least 1 and finite.
    pub fn weight(&self, standing: &Standing, now_us: i64) -> f64 {
        let doublings = self.doublings(standing, now_us);
        bounded(self.weight_by_priority(standing) * doublings.exp2())
    }

    /// Key by which jobs are served, lowest first, when the job holds `held` centicores, running and asked for.
    /// In [`Order::Share`] it is what the job would have for its weight with one more core.
    ///
    /// In [`Order::Share`], aging decides who gets a first core. Further cores follow the priority
    /// alone: otherwise a job that waited for hours would take a whole farm in one turn and keep it. A job that
    /// has waited for three agings goes before all that have not, whatever their priorities.
    pub fn rank(&self, standing: &Standing, held: i64, now_us: i64) -> Rank {
        let mut rank = Rank {
            share: 0,
            weight: Reverse(0),
            priority: Reverse(0),
            started_us: standing.started_us.min(now_us),
        };
        match self.order {
            Order::Share => {
                let has_none = held <= 0;
                let is_overdue = has_none && self.doublings(standing, now_us) >= OVERDUE;
                let weight = if has_none {
                    self.weight(standing, now_us)
                } else {
                    self.weight_by_priority(standing)
                };
                let after = held.max(0).saturating_add(Centicores::CORE.0);
                let share = if is_overdue {
                    0.0
                } else {
                    after as f64 / weight
                };
                (rank.share, rank.weight) = (share.to_bits(), Reverse(weight.to_bits()));
            }
            Order::Priority => rank.priority = Reverse(standing.priority),
            Order::Fifo => {}
        }
        rank
    }

    /// Returns true if a job that holds `held` centicores may have a core before a job of rank `last`, although its own
    /// rank is higher: for its weight it has no more than the other would have with that core. Only shares can be
    /// that close; the other orders are strict, and so are first cores.
    pub fn is_within_a_core(&self, standing: &Standing, held: i64, last: &Rank) -> bool {
        let share = held as f64 / self.weight_by_priority(standing);
        self.order == Order::Share && held > 0 && share <= f64::from_bits(last.share)
    }

    fn weight_by_priority(&self, standing: &Standing) -> f64 {
        bounded((standing.priority.max(1) as f64).powf(self.priority_exponent))
    }

    /// Agings that the job has been without a core. A wait that begins in the future is none.
    fn doublings(&self, standing: &Standing, now_us: i64) -> f64 {
        let Some((since, aging)) = standing.idle_since_us.zip(self.aging) else {
            return 0.0;
        };
        if aging.is_zero() {
            return 0.0;
        }
        let waited = now_us.saturating_sub(since).max(0);
        waited as f64 / (aging.as_secs_f64() * 1e6)
    }
}

/// The weight between 1 and [`HEAVIEST`]; 1 if it is not a number.
const fn bounded(weight: f64) -> f64 {
    weight.max(1.0).min(HEAVIEST)
}

/// Place of a job in the order; the lowest is served first. Jobs of equal rank are ordered by the
/// caller, by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Centicores for each unit of weight, lower first. Bits of a float: floats of one sign are ordered as their
    /// bits are.
    share: u64,
    /// Weight, higher first. Bits of a float.
    weight: Reverse<u64>,
    /// Priority, higher first.
    priority: Reverse<i64>,
    /// Start of the job in microseconds since 1970, earlier first.
    started_us: i64,
}

#[cfg(test)]
mod tests;
