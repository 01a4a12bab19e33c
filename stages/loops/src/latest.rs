//! The last reading of a loop, for those who only look.

use std::sync::Arc;

use parking_lot::Mutex;

/// The last reading of a loop; the default before the first one. Cloning shares it.
#[derive(Debug, Default)]
pub struct Latest<T>(Arc<Mutex<Arc<T>>>);

impl<T> Latest<T> {
    /// The last reading.
    pub fn read(&self) -> Arc<T> {
        Arc::clone(&self.0.lock())
    }

    /// Replaces the reading, and returns the one before.
    pub(crate) fn replace(&self, reading: T) -> Arc<T> {
        std::mem::replace(&mut *self.0.lock(), Arc::new(reading))
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
