//! The plan of a batch, as its booking reads it.

use cue_domain::Booking;
use cue_domain::messages::TurnPart;

use crate::stage::Dispatch;

/// A plan, and the stage that books it.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) stage: &'a Dispatch,
    pub(crate) part: &'a TurnPart,
    /// The bookings, in order of service.
    pub(crate) bookings: &'a [Booking],
}

impl<'a> Plan<'a> {
    /// Returns true if hosts are called, so that the facts that they are sent must be read.
    pub(crate) const fn launches(&self) -> bool {
        !self.stage.settings.dry_run
    }

    /// The bookings with these indices.
    pub(crate) fn these(&self, indices: &[usize]) -> Vec<&'a Booking> {
        let indices = indices.iter();
        indices
            .filter_map(|index| self.bookings.get(*index))
            .collect()
    }
}
