//! The gate of a host: what it takes, as far as its answers to one batch say it.
//!
//! Invariant: nothing is sent to a host after it has failed to answer a launch of the batch.

use std::sync::{Mutex, PoisonError};

use cue_domain::Centicores;
use cue_domain::blame::Answer;

use crate::launch::Sent;

/// The readiness of a host of a batch, as far as its answers to this batch show it.
#[derive(Debug, Default)]
pub(crate) struct HostGate(Mutex<Takes>);

#[derive(Clone, Copy, Debug, Default)]
struct Takes {
    /// It is silent, or says that it takes nothing.
    nothing: bool,
    /// It had no room for this many centicores.
    less_than: Option<i64>,
}

impl HostGate {
    /// The reason not to send a frame of this size, if there is one.
    pub(crate) fn refuses(&self, cores: Centicores) -> Option<Answer> {
        let takes = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if takes.nothing {
            return Some(Answer::Unfit);
        }
        let no_room = takes.less_than.is_some_and(|least| cores.0 >= least);
        no_room.then_some(Answer::NoRoom(cores))
    }

    pub(crate) fn heard(&self, sent: Sent) {
        let mut takes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Sent::Dead(Some(Answer::NoRoom(cores))) => {
                let least = takes.less_than.map_or(cores.0, |least| least.min(cores.0));
                takes.less_than = Some(least);
            }
            Sent::Dead(Some(Answer::Unfit)) | Sent::Unknown { silent: true } => {
                takes.nothing = true;
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
        let gate = HostGate::default();
        let cores = |n: i64| Centicores(n * 100);
        assert_eq!(gate.refuses(cores(4)), None);
        gate.heard(Sent::Accepted);
        gate.heard(Sent::Dead(Some(Answer::Refused)));
        gate.heard(Sent::Unknown { silent: false });
        assert_eq!(gate.refuses(cores(4)), None);
        gate.heard(Sent::Dead(Some(Answer::NoRoom(cores(4)))));
        gate.heard(Sent::Dead(Some(Answer::NoRoom(cores(8)))));
        assert_eq!(gate.refuses(cores(4)), Some(Answer::NoRoom(cores(4))));
        assert_eq!(gate.refuses(cores(3)), None);
        gate.heard(Sent::Unknown { silent: true });
        assert_eq!(gate.refuses(cores(1)), Some(Answer::Unfit));
    }
}
