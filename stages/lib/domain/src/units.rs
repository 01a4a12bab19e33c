//! Amounts: centicores, KiB, whole GPUs, and the four of them together.
//!
//! Arithmetic saturates: a corrupt row can hold any 64-bit number, and then its frame does not fit.

use std::fmt;

use crate::text::{cores, gib, many};

/// An amount of cores in hundredths: 100 is one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Centicores(pub i64);

impl Centicores {
    /// One whole core.
    pub const CORE: Self = Self(100);

    /// `n` whole cores.
    pub const fn cores(n: i64) -> Self {
        Self(n.saturating_mul(100))
    }

    /// Number of whole cores, rounded down; 0 for a negative amount.
    pub const fn whole(self) -> i64 {
        if self.0 < 0 { 0 } else { self.0 / 100 }
    }

    /// The amount rounded up to whole cores, in centicores.
    pub(crate) const fn rounded_up(self) -> Self {
        if self.0 <= 0 {
            return Self(0);
        }
        Self(
            (self.0 / 100)
                .saturating_add((self.0 % 100 != 0) as i64)
                .saturating_mul(100),
        )
    }

    /// Whole cores with as many decimals as there are, as in `2.5 cores`.
    #[must_use]
    pub fn words(self) -> String {
        let noun = if self.0 == 100 { "core" } else { "cores" };
        format!("{} {noun}", cores(self.0))
    }
}

impl fmt::Display for Centicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} centicores", self.0)
    }
}

/// An amount of memory in KiB. OpenCue writes "KB" and means this (OPENCUE.md, Words and units).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kib(pub i64);

impl Kib {
    /// One GiB.
    pub const GIB: Self = Self(1_048_576);

    /// `n` GiB.
    pub const fn gib(n: i64) -> Self {
        Self(n.saturating_mul(1_048_576))
    }
}

impl fmt::Display for Kib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB", self.0)
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.cores.words(), gib(self.memory.0))?;
        if self.gpus != 0 || self.gpu_memory.0 != 0 {
            let gpus = many(self.gpus, "GPU");
            write!(f, ", {gpus} with {}", gib(self.gpu_memory.0))?;
        }
        Ok(())
    }
}

/// Cores, memory, GPUs and GPU memory of a host, or of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resources {
    /// Cores, in centicores.
    pub cores: Centicores,
    /// Memory, in KiB.
    pub memory: Kib,
    /// Whole GPUs.
    pub gpus: i64,
    /// GPU memory, in KiB.
    pub gpu_memory: Kib,
}

impl Resources {
    /// Nothing of anything.
    pub const NONE: Self = Self {
        cores: Centicores(0),
        memory: Kib(0),
        gpus: 0,
        gpu_memory: Kib(0),
    };

    /// Returns true if all four amounts fit into `room`.
    pub(crate) fn fits_in(&self, room: &Self) -> bool {
        self.cores <= room.cores
            && self.memory <= room.memory
            && self.gpus <= room.gpus
            && self.gpu_memory <= room.gpu_memory
    }

    /// The smaller of both, amount by amount.
    pub fn at_most(&self, bound: &Self) -> Self {
        self.zip(bound, i64::min)
    }

    /// The sum, amount by amount.
    pub fn plus(&self, other: &Self) -> Self {
        self.zip(other, i64::saturating_add)
    }

    /// The difference, amount by amount; it may go below zero.
    pub fn minus(&self, other: &Self) -> Self {
        self.zip(other, i64::saturating_sub)
    }

    /// Number of times that the amounts of `each` fit, by the scarcest of them; amounts of 0 or less always fit.
    pub fn times(&self, each: &Self) -> i64 {
        let amounts = [
            (self.cores.0, each.cores.0),
            (self.memory.0, each.memory.0),
            (self.gpus, each.gpus),
            (self.gpu_memory.0, each.gpu_memory.0),
        ];
        let needed = amounts.into_iter().filter(|(_, each)| *each > 0);
        let times = needed.map(|(amount, each)| amount / each).min();
        times.unwrap_or(i64::MAX)
    }

    fn zip(&self, other: &Self, of: fn(i64, i64) -> i64) -> Self {
        Self {
            cores: Centicores(of(self.cores.0, other.cores.0)),
            memory: Kib(of(self.memory.0, other.memory.0)),
            gpus: of(self.gpus, other.gpus),
            gpu_memory: Kib(of(self.gpu_memory.0, other.gpu_memory.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_up_reaches_the_next_whole_core_and_never_overflows() {
        for (from, to) in [
            (-50, 0),
            (0, 0),
            (1, 100),
            (99, 100),
            (100, 100),
            (101, 200),
            (150, 200),
        ] {
            assert_eq!(Centicores(from).rounded_up(), Centicores(to), "{from}");
        }
        assert_eq!(Centicores(i64::MAX).rounded_up(), Centicores(i64::MAX));
        assert_eq!(Centicores(i64::MIN).rounded_up(), Centicores(0));
    }

    #[test]
    fn resources_fit_only_when_every_amount_fits() {
        let room = Resources {
            cores: Centicores(100),
            memory: Kib(10),
            gpus: 1,
            gpu_memory: Kib(5),
        };
        assert!(room.fits_in(&room));
        for over in [
            Resources {
                cores: Centicores(101),
                ..room
            },
            Resources {
                memory: Kib(11),
                ..room
            },
            Resources { gpus: 2, ..room },
            Resources {
                gpu_memory: Kib(6),
                ..room
            },
        ] {
            assert!(!over.fits_in(&room));
        }
    }

    #[test]
    fn amounts_are_printed_in_cores_and_gib() {
        let mut takes = Resources {
            cores: Centicores(100),
            memory: Kib::gib(4),
            ..Resources::NONE
        };
        assert_eq!(takes.to_string(), "1 core and 4 GiB");
        (takes.cores, takes.gpus, takes.gpu_memory) = (Centicores(250), 1, Kib(1_572_864));
        assert_eq!(takes.to_string(), "2.5 cores and 4 GiB, 1 GPU with 1.5 GiB");
    }
}
