//! A turn's ticket: it rides in every message of the turn, and when the last copy is dropped the
//! turn is over.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{AllocId, Centicores, JobId, LayerId};

/// Frames of one layer that one transaction of a turn booked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookedLayer {
    /// The layer.
    pub layer: LayerId,
    /// Its job.
    pub job: JobId,
    /// Frames.
    pub frames: u64,
    /// Cores by allocation, in centicores.
    pub cores: Vec<(AllocId, Centicores)>,
}

/// Counts of a turn, kept by the stages while it passes through them.
#[derive(Debug, Default)]
pub struct TurnCounters(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    end: TurnEnd,
    layers: Vec<BookedLayer>,
    jobs: HashSet<JobId>,
}

impl TurnCounters {
    /// Counts jobs found, and layers in them.
    pub fn found(&self, jobs: u64, layers: u64) {
        let end = &mut self.0.lock().end;
        end.jobs += jobs;
        end.layers += layers;
    }

    /// Counts frames that the turn would book if nothing were in the way.
    pub fn wanted(&self, frames: u64) {
        self.0.lock().end.wanted += frames;
    }

    /// Counts frames for which a host was picked.
    pub fn placed(&self, frames: u64) {
        self.0.lock().end.placed += frames;
    }

    /// Counts frames of a layer that were booked in the database, and keeps what they took.
    pub fn booked(&self, booked: BookedLayer) {
        let mut counts = self.0.lock();
        counts.end.booked += booked.frames;
        if booked.frames > 0 && counts.jobs.insert(booked.job.clone()) {
            counts.end.dispatched_jobs += 1;
        }
        counts.layers.push(booked);
    }

    /// Counts frames that their hosts accepted.
    pub fn launched(&self, frames: u64) {
        self.0.lock().end.launched += frames;
    }

    /// Counts launches that failed.
    pub fn launches_failed(&self, launches: u64) {
        self.0.lock().end.launches_failed += launches;
    }

    /// Counts placements that a cap refused.
    pub fn refused(&self, frames: u64) {
        self.0.lock().end.refused += frames;
    }

    /// Marks the turn as failed: something of it ended in an error.
    pub fn fail(&self) {
        self.0.lock().end.failed = true;
    }

    /// Records that jobs wait and no idle host can run any of them.
    pub fn found_no_host(&self) {
        self.0.lock().end.no_host = true;
    }

    /// Records that the turn left idle cores to other shows which could use them.
    pub fn was_limited(&self) {
        self.0.lock().end.limited = true;
    }

    /// The counts so far.
    pub fn end(&self) -> TurnEnd {
        self.0.lock().end
    }
}

/// Outcome of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnEnd {
    /// Jobs the query found.
    pub jobs: u64,
    /// Layers in them.
    pub layers: u64,
    /// Frames it would have booked if nothing had been in the way: its share of what waits.
    pub wanted: u64,
    /// Frames for which a host was picked.
    pub placed: u64,
    /// Frames booked.
    pub booked: u64,
    /// Jobs of which frames were booked.
    pub dispatched_jobs: u64,
    /// Frames RQD accepted.
    pub launched: u64,
    /// Launches that failed.
    pub launches_failed: u64,
    /// Placements refused by a cap.
    pub refused: u64,
    /// Something of the turn ended in an error.
    pub failed: bool,
    /// Jobs wait and no idle host can run any of them.
    pub no_host: bool,
    /// Idle cores were left to other shows which could use them.
    pub limited: bool,
}

impl TurnEnd {
    /// Reason for the turn's end, as traces name it: that of [`TurnEnd::reason`], and `no_host` if no idle
    /// host could run anything.
    pub const fn outcome(&self) -> &'static str {
        if self.no_host && !self.failed && self.booked == 0 {
            "no_host"
        } else {
            self.reason()
        }
    }

    /// Reason for the turn's end, in the words of `scheduler_pass_terminated_reason_total`.
    pub const fn reason(&self) -> &'static str {
        if self.booked > 0 {
            "booked"
        } else if self.failed {
            "query_error"
        } else if self.jobs == 0 && !self.no_host {
            "no_jobs"
        } else {
            "saturated"
        }
    }
}

type OnLast = Box<dyn FnOnce(TurnEnd, Vec<BookedLayer>) + Send>;

struct Inner {
    counters: TurnCounters,
    on_last: Mutex<Option<OnLast>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(on_last) = self.on_last.get_mut().take() {
            let counts = std::mem::take(self.counters.0.get_mut());
            on_last(counts.end, counts.layers);
        }
    }
}

/// One copy of a turn's ticket. A copy that is dropped by a panic marks the turn as failed.
#[derive(Clone)]
pub struct TurnTicket(Arc<Inner>);

impl Drop for TurnTicket {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail();
        }
    }
}

impl TurnTicket {
    /// Opens a turn. `on_last` runs once, with the booked layers, when the last copy is dropped; it must not block.
    pub fn open(on_last: impl FnOnce(TurnEnd, Vec<BookedLayer>) + Send + 'static) -> Self {
        Self(Arc::new(Inner {
            counters: TurnCounters::default(),
            on_last: Mutex::new(Some(Box::new(on_last))),
        }))
    }
}

impl std::ops::Deref for TurnTicket {
    type Target = TurnCounters;

    fn deref(&self) -> &TurnCounters {
        &self.0.counters
    }
}

impl std::fmt::Debug for TurnTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TurnTicket").field(&self.0.counters).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_once_with_the_last_copy_of_its_ticket() {
        let (ended, ends) = std::sync::mpsc::channel();
        let ticket = TurnTicket::open(move |end, _| ended.send(end).unwrap());
        let copy = ticket.clone();
        ticket.found(1, 2);
        drop(ticket);
        assert!(ends.try_recv().is_err());
        for (job, frames) in [("a", 3), ("b", 1), ("a", 2), ("c", 0)] {
            copy.booked(BookedLayer {
                job: job.into(),
                frames,
                ..BookedLayer::default()
            });
        }
        drop(copy);
        let end = ends.recv().unwrap();
        assert_eq!((end.jobs, end.layers, end.reason()), (1, 2, "booked"));
        assert_eq!((end.booked, end.dispatched_jobs), (6, 2), "each job once");
        assert!(ends.recv().is_err(), "the callback is gone after it ran");
    }

    #[test]
    fn a_turn_without_a_host_is_saturated_and_not_without_jobs() {
        let ticket = TurnTicket::open(|end, _| {
            assert_eq!((end.reason(), end.outcome()), ("saturated", "no_host"));
        });
        ticket.found_no_host();
        drop(ticket);
        let idle = TurnEnd::default();
        assert_eq!((idle.reason(), idle.outcome()), ("no_jobs", "no_jobs"));
    }

    #[test]
    fn a_turn_of_which_something_panicked_has_failed() {
        let (ended, ends) = std::sync::mpsc::channel();
        let ticket = TurnTicket::open(move |end, _| ended.send(end).unwrap());
        ticket.found(1, 2);
        let worker = std::thread::spawn(move || {
            let item = ticket;
            assert!(item.end().failed, "a stage that panics on its item");
        });
        worker.join().unwrap_err();
        let end = ends.recv().unwrap();
        assert_eq!((end.failed, end.reason()), (true, "query_error"));
    }
}
