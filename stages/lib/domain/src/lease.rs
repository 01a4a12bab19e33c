//! Leases: values that go back to their lender.
//!
//! Dropping a [`Lease`] gives the value back, for any reason of the drop: an error, a panic, a closed channel.
//! [`Lease::keep`] is the only other way to end the loan.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Takes back what it lent.
pub trait Lender<T>: Send + Sync {
    /// Takes a value back when its lease is dropped. It must not block and must not panic.
    fn give_back(&self, thing: T);
}

/// A value on loan.
pub struct Lease<T> {
    thing: Option<T>,
    lender: Arc<dyn Lender<T>>,
}

impl<T> Lease<T> {
    /// Lends `thing`.
    pub fn new(thing: T, lender: Arc<dyn Lender<T>>) -> Self {
        Self {
            thing: Some(thing),
            lender,
        }
    }

    /// Returns true if the thing goes back to exactly this lender.
    pub fn is_from(&self, lender: &Arc<dyn Lender<T>>) -> bool {
        Arc::ptr_eq(&self.lender, lender)
    }

    /// Ends the loan: the caller owns the thing, and the lender is not called.
    #[must_use]
    pub fn keep(mut self) -> T {
        match self.thing.take() {
            Some(thing) => thing,
            // The option is emptied only here and in `drop`, and both consume the lease.
            None => unreachable!("a lease holds its thing until it is consumed"),
        }
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.thing {
            Some(thing) => thing,
            None => unreachable!("a lease holds its thing until it is consumed"),
        }
    }
}

impl<T> DerefMut for Lease<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.thing {
            Some(thing) => thing,
            None => unreachable!("a lease holds its thing until it is consumed"),
        }
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        if let Some(thing) = self.thing.take() {
            self.lender.give_back(thing);
        }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lease").field(&self.thing).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Shelf(Mutex<Vec<u32>>);

    impl Lender<u32> for Shelf {
        fn give_back(&self, thing: u32) {
            self.0.lock().unwrap().push(thing);
        }
    }

    #[test]
    fn a_dropped_lease_gives_back_and_a_kept_one_does_not() {
        let shelf = Arc::new(Shelf::default());
        drop(Lease::new(1, shelf.clone()));
        assert_eq!(Lease::new(2, shelf.clone()).keep(), 2);
        assert_eq!(*shelf.0.lock().unwrap(), [1]);
    }

    #[test]
    fn a_panic_gives_back() {
        let shelf = Arc::new(Shelf::default());
        let lease = Lease::new(7, shelf.clone());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = lease;
            panic!("on purpose");
        }));
        assert!(result.is_err());
        assert_eq!(*shelf.0.lock().unwrap(), [7]);
    }
}
