//! Moments on a clock that also goes on while the machine sleeps.
//!
//! [`std::time::Instant`] stands still while a machine is suspended. The database does not sleep with it, and
//! another replica may take back meanwhile what this one has booked, so ages of bookings are measured here.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
/// Elsewhere the monotonic clock is the nearest there is; on macOS it goes on during sleep.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A moment since the machine was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The present moment.
    pub fn now() -> Self {
        let time = clock_gettime(CLOCK);
        // Neither part is ever negative on this clock.
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    /// Time that has passed since this moment, sleep of the machine included.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ordered_and_go_on() {
        let first = Moment::now();
        let later = first + Duration::from_millis(1);
        assert!(later > first);
        while Moment::now() < later {
            std::hint::spin_loop();
        }
        assert!(first.elapsed() >= Duration::from_millis(1));
    }
}
