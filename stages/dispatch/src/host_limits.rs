//! Limits of a host, as its answers to one batch show them.
//!
//! Invariant: nothing is sent to a host after it has failed to answer a launch of the batch.

use cue_domain::Centicores;
use cue_domain::blame::Answer;
use parking_lot::Mutex;

use crate::sent::Sent;

/// Limits of one host, for the launches of one batch.
#[derive(Debug, Default)]
pub(crate) struct PerHostLimits(Mutex<Limits>);

#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    /// The host is silent, or says that it takes nothing.
    nothing: bool,
    /// The host had no room for this many centicores.
    less_than: Option<i64>,
}

impl PerHostLimits {
    /// The reason not to send a frame of this size, if there is one.
    pub(crate) fn refuses(&self, cores: Centicores) -> Option<Answer> {
        let limits = *self.0.lock();
        if limits.nothing {
            return Some(Answer::Unfit);
        }
        let no_room = limits.less_than.is_some_and(|least| cores.0 >= least);
        no_room.then_some(Answer::NoRoom(cores))
    }

    /// Records the outcome of a launch.
    pub(crate) fn record(&self, sent: Sent) {
        let mut limits = self.0.lock();
        match sent {
            Sent::Dead(Some(Answer::NoRoom(cores))) => {
                let least = limits.less_than.map_or(cores.0, |least| least.min(cores.0));
                limits.less_than = Some(least);
            }
            Sent::Dead(Some(Answer::Unfit)) | Sent::Unknown { silent: true } => {
                limits.nothing = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_room_still_takes_smaller_frames_and_an_unfit_one_takes_none() {
        let limits = PerHostLimits::default();
        let cores = |n: i64| Centicores(n * 100);
        assert_eq!(limits.refuses(cores(4)), None);
        limits.record(Sent::Accepted);
        limits.record(Sent::Dead(Some(Answer::Refused)));
        limits.record(Sent::Unknown { silent: false });
        assert_eq!(limits.refuses(cores(4)), None);
        limits.record(Sent::Dead(Some(Answer::NoRoom(cores(4)))));
        limits.record(Sent::Dead(Some(Answer::NoRoom(cores(8)))));
        assert_eq!(limits.refuses(cores(4)), Some(Answer::NoRoom(cores(4))));
        assert_eq!(limits.refuses(cores(3)), None);
        limits.record(Sent::Unknown { silent: true });
        assert_eq!(limits.refuses(cores(1)), Some(Answer::Unfit));
    }
}
