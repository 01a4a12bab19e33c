//! Drawing by lot: the one source of chance in a plan.
//!
//! Invariant: what is drawn depends on the seed and on the order of the draws, on nothing else.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use uuid::Builder;

use super::seeded::Named;
use super::spec::Span;

/// The source of everything drawn.
#[derive(Debug)]
pub(super) struct Draw(StdRng);

impl Draw {
    /// Everything that follows is decided by `seed`.
    pub(super) fn from_seed(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A whole number less than `n`, which must not be 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n.max(1))
    }

    /// A random UUID in lower case.
    pub(super) fn id(&mut self) -> String {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// A new row of this name.
    pub(super) fn named(&mut self, name: String) -> Named {
        Named {
            id: self.id(),
            name,
        }
    }

    /// A number of the span.
    pub(super) fn within(&mut self, span: Span) -> i64 {
        self.0.random_range(span.min..=span.max.max(span.min))
    }

    /// True with probability `share`.
    pub(super) fn hits(&mut self, share: f64) -> bool {
        self.0.random_bool(share.clamp(0.0, 1.0))
    }

    /// One of the choices, if there are any.
    pub(super) fn of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        (!choices.is_empty()).then(|| &choices[self.below(choices.len())])
    }
}
