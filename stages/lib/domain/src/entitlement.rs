//! Entitlements: the division of an allocation's idle cores among the shows that could use them.
//!
//! The order is OpenCue's own tier, so the numbers that CueGUI shows explain the division: a core goes
//! to the show with the lowest tier, and the tier is computed again before the next core is given.
//!
//! Invariants: no show gets more than it wants or goes above its burst, and no core stays idle that a
//! show could use. Any number a row can hold is answered.

use crate::units::Centicores;

/// A show that could use cores of the allocation. All amounts are in centicores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `subscription.int_size`; 0 or less is no size.
    pub size: Centicores,
    /// `subscription.int_burst`; 0 or less admits nothing.
    pub burst: Centicores,
    /// Cores in use (`subscription.int_cores`).
    pub held: Centicores,
    /// Cores that waiting frames could use beyond those.
    pub wanted: Centicores,
}

/// Tier of a subscription with these `cores` in use: the lowest is served first.
///
/// The formula is that of the database's `tier` function, before it rounds to two decimals.
pub fn tier(size: Centicores, cores: Centicores) -> f64 {
    let (size, cores) = (size.0.max(0) as f64, cores.0.max(0) as f64);
    if size == 0.0 {
        cores / 100.0 + 1.0
    } else if cores == 0.0 {
        -size
    } else {
        cores / size
    }
}

/// Returns the centicores that each claim may take now, in the order of the claims.
///
/// The sum is at most `idle`. Claims of equal tier get the same to within a core; the first claim gets
/// the odd core. The caller divides the result by the number of replicas that spend it.
pub fn divide(idle: Centicores, claims: &[Claim]) -> Vec<Centicores> {
    let mut division = Division {
        left: idle.0.max(0),
        shares: claims.iter().map(Share::of).collect(),
    };
    division.fill();
    while division.give_core() {}
    let shares = division.shares.iter();
    shares.map(|share| Centicores(share.given)).collect()
}

/// A claim with what it has been given.
#[derive(Debug)]
struct Share {
    size: Centicores,
    held: i64,
    given: i64,
    /// Most that it may be given.
    room: i64,
}

impl Share {
    fn of(claim: &Claim) -> Self {
        // A counter that has drifted below zero opens no cap.
        let held = claim.held.0.max(0);
        let below_burst = claim.burst.0.max(0).saturating_sub(held);
        Self {
            size: claim.size,
            held,
            given: 0,
            room: claim.wanted.0.min(below_burst).max(0),
        }
    }

    const fn is_full(&self) -> bool {
        self.given >= self.room
    }

    const fn cores(&self) -> i64 {
        self.held.saturating_add(self.given)
    }

    fn tier(&self) -> f64 {
        tier(self.size, Centicores(self.cores()))
    }

    /// Whole cores in centicores that raise the tier to at least `level`, or all the room, if that is less.
    fn up_to(&self, level: f64) -> i64 {
        let size = self.size.0.max(0) as f64;
        let cores = if size == 0.0 {
            (level - 1.0) * 100.0
        } else {
            level * size
        };
        let steps = ((cores - self.cores() as f64) / 100.0).ceil().max(0.0);
        let room = self.room.saturating_sub(self.given);
        (steps as i64).saturating_mul(100).min(room)
    }
}

#[derive(Debug)]
struct Division {
    /// Centicores that are not given yet.
    left: i64,
    shares: Vec<Share>,
}

impl Division {
    /// Gives one core, or the remaining part of a core, to the share with the lowest tier. Returns false if nothing
    /// is left or no share has room.
    fn give_core(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        let open = self.shares.iter_mut().filter(|share| !share.is_full());
        let tiers = open.map(|share| (share.tier(), share));
        let lowest = tiers.min_by(|(a, _), (b, _)| a.total_cmp(b));
        let Some((_, share)) = lowest else {
            return false;
        };
        let amount = share
            .room
            .saturating_sub(share.given)
            .min(self.left)
            .min(100);
        share.given = share.given.saturating_add(amount);
        self.left = self.left.saturating_sub(amount);
        true
    }

    /// Raises all shares to the highest level that is affordable. About one core a share is left then.
    ///
    /// The tier of a show without cores is below zero and leaps at its first core. Every level above
    /// zero includes that core, so such shows are still served before all others.
    fn fill(&mut self) {
        // Floats of one sign are ordered as their bits are, so the bits can be halved.
        let (mut affordable, mut too_high) = (0_u64, f64::MAX.to_bits());
        while too_high - affordable > 1 {
            let middle = affordable + (too_high - affordable) / 2;
            if self.costs(f64::from_bits(middle)) <= i128::from(self.left) {
                affordable = middle;
            } else {
                too_high = middle;
            }
        }
        let level = f64::from_bits(affordable);
        for share in &mut self.shares {
            let amount = share.up_to(level).min(self.left);
            share.given = share.given.saturating_add(amount);
            self.left = self.left.saturating_sub(amount);
        }
    }

    /// Centicores that it takes to raise all shares to `level`.
    fn costs(&self, level: f64) -> i128 {
        let amounts = self.shares.iter().map(|share| share.up_to(level));
        amounts.map(i128::from).sum()
    }
}

#[cfg(test)]
mod tests;
