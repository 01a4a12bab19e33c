//! Capacity that several stages share, in units: reserved before work begins, released by drop.
//!
//! Invariant: reserved units never exceed the whole. A task that waits for capacity holds nothing that others need to
//! release theirs, or a full pipeline deadlocks.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bounded number of units. Clones share them.
#[derive(Clone, Debug)]
pub struct Capacity {
    units: Arc<Semaphore>,
    whole: u32,
}

/// Units of a [`Capacity`], released by drop.
#[derive(Debug)]
pub struct Reserved(Option<OwnedSemaphorePermit>);

impl Capacity {
    /// A capacity of this many units.
    pub fn new(units: u32) -> Self {
        Self {
            units: Arc::new(Semaphore::new(units as usize)),
            whole: units,
        }
    }

    /// Waits for this many units, first come, first served. A number above the whole is read as the whole.
    pub async fn reserve(&self, units: u32) -> Reserved {
        let units = units.min(self.whole);
        // The semaphore is private and never closed, so there always is a permit.
        Reserved(Arc::clone(&self.units).acquire_many_owned(units).await.ok())
    }
}

impl Reserved {
    /// Releases the units above this number.
    pub fn shrink_to(&mut self, units: u32) {
        if let Some(permit) = &mut self.0 {
            let surplus = permit.num_permits().saturating_sub(units as usize);
            drop(permit.split(surplus));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn units_are_bounded_and_released_in_parts_or_by_drop() {
        let capacity = Capacity::new(10);
        let free = || capacity.units.available_permits();
        let mut first = capacity.reserve(7).now_or_never().unwrap();
        assert!(
            capacity.reserve(4).now_or_never().is_none(),
            "three are free"
        );
        first.shrink_to(6);
        let second = capacity.reserve(4).now_or_never().unwrap();
        assert_eq!(free(), 0);
        first.shrink_to(9);
        assert_eq!(free(), 0, "it does not grow");
        drop((first, second));
        assert_eq!(free(), 10);
        let all = capacity.reserve(99).now_or_never().unwrap();
        assert_eq!(free(), 0, "more than there are is all of them");
        drop(all);
        assert_eq!(free(), 10);
    }
}
