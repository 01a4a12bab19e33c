//! A booked batch: its frames, each with its pending launch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cue_domain::{Booking, HostId, HostIdle, LaunchLayer, LayerId};
use cue_rqd::TracePoint;
use cue_store::{Moment, Unlaunched};

use crate::open_launch::Launch;
use crate::pending::PendingLaunch;
use crate::plan::Plan;

/// The part of a plan that is booked in the database.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The frames that were booked.
    pub(crate) frames: Vec<BookedFrame>,
    /// Facts that their launches share.
    pub(crate) facts: BatchFacts,
    /// Idle resources of the hosts of the plan, where they were seen under a lock.
    pub(crate) idle: HashMap<HostId, HostIdle>,
    /// Hosts on which a cap or another rule refused a frame. Contention does not count.
    pub(crate) refused: HashSet<HostId>,
    /// Hosts whose row somebody else holds.
    pub(crate) taken: HashSet<HostId>,
}

impl Batch {
    /// Adds what a later transaction booked of the same plan.
    pub(crate) fn merge(&mut self, later: Self) {
        let mut facts = later.facts;
        if self.frames.is_empty() {
            std::mem::swap(&mut self.facts, &mut facts);
        }
        self.facts.layers.extend(facts.layers);
        self.frames.extend(later.frames);
        self.idle.extend(later.idle);
        self.refused.extend(later.refused);
        self.taken.extend(later.taken);
    }

    /// The layers of which frames were booked, each once.
    pub(crate) fn layers(&self) -> HashSet<&LayerId> {
        let frames = self.frames.iter();
        frames.map(|frame| &frame.booking.layer.id).collect()
    }
}

/// Facts that all launches of a batch share.
#[derive(Debug)]
pub(crate) struct BatchFacts {
    /// Facts of their layers that RQD is sent.
    pub(crate) layers: HashMap<LayerId, Arc<LaunchLayer>>,
    /// The moment when the booking began, by our clock and by the database's.
    pub(crate) booked: BookedAt,
    /// Launches begin before this, or not at all: later, another process may have found the
    /// bookings forgotten and taken them back.
    pub(crate) launch_by: Moment,
    /// Name of their show.
    pub(crate) show: Arc<str>,
}

/// A moment by two clocks: a host is sent the time of the database, which does not depend on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BookedAt {
    pub(crate) ours: Moment,
    /// Milliseconds since 1970.
    pub(crate) database_ms: i64,
}

impl BookedAt {
    /// The present by the database's clock, in milliseconds since 1970.
    pub(crate) fn now_ms(self) -> i64 {
        let since = i64::try_from(self.ours.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.database_ms.saturating_add(since)
    }
}

/// A booked frame.
#[derive(Debug)]
pub(crate) struct BookedFrame {
    pub(crate) booking: Booking,
    /// `None` in a dry run, which launches nothing.
    pub(crate) pending: Option<PendingLaunch>,
}

impl BookedFrame {
    /// A frame that was booked, or may have been; `version` is what the booking left.
    pub(crate) fn new(booking: &Booking, version: i32, plan: Plan<'_>) -> Self {
        let launch = || Launch {
            booking: Unlaunched {
                frame: booking.frame.id.clone(),
                version,
                proc: booking.proc.clone(),
                host: Arc::clone(&booking.host.name),
            },
            trace: TracePoint::default(),
            dead: false,
        };
        let pending = plan.launches().then(|| plan.stage.pending.hold(launch()));
        Self {
            booking: booking.clone(),
            pending: pending.flatten(),
        }
    }

    /// Records that the launch certainly does not run.
    pub(crate) fn mark_dead(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.mark_dead();
        }
    }
}
