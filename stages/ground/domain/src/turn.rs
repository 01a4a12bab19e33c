//! A turn's ticket: it rides in every message of the turn, and when the last copy is dropped the
//! turn is over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A depth in the jobs of a cluster, in their order of service: so many jobs, and of the job after them
/// so many layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Depth {
    /// Jobs.
    pub jobs: u32,
    /// Layers of the job after them.
    pub layers: u32,
}

impl Depth {
    /// The first job.
    pub const FRONT: Self = Self { jobs: 0, layers: 0 };

    /// So many whole jobs.
    #[must_use]
    pub const fn of_jobs(jobs: u32) -> Self {
        Self { jobs, layers: 0 }
    }

    /// Whether it is that of the first job.
    #[must_use]
    pub const fn is_front(self) -> bool {
        self.jobs == 0 && self.layers == 0
    }

    /// As much further as was seen from here.
    #[must_use]
    pub const fn and(self, seen: Self) -> Self {
        Self {
            jobs: self.jobs.saturating_add(seen.jobs),
            layers: match seen.jobs {
                0 => self.layers.saturating_add(seen.layers),
                _ => seen.layers,
            },
        }
    }
}

/// What a turn did, counted by the stages while it passes through them.
#[derive(Debug, Default)]
pub struct Tally {
    jobs: AtomicU64,
    layers: AtomicU64,
    wanted: AtomicU64,
    placed: AtomicU64,
    booked: AtomicU64,
    launched: AtomicU64,
    refused: AtomicU64,
    failed: AtomicBool,
    unasked: AtomicBool,
    tried: AtomicBool,
    gains: AtomicU64,
    passed: OnceLock<Depth>,
}

impl Tally {
    /// Counts jobs found, and layers in them.
    pub fn found(&self, jobs: u64, layers: u64) {
        self.jobs.fetch_add(jobs, Ordering::Relaxed);
        self.layers.fetch_add(layers, Ordering::Relaxed);
    }

    /// Counts frames that the turn would book if nothing were in the way.
    pub fn wanted(&self, frames: u64) {
        self.wanted.fetch_add(frames, Ordering::Relaxed);
    }

    /// Counts frames for which a host was picked.
    pub fn placed(&self, frames: u64) {
        self.placed.fetch_add(frames, Ordering::Relaxed);
    }

    /// Counts frames booked in the database.
    pub fn booked(&self, frames: u64) {
        self.booked.fetch_add(frames, Ordering::Relaxed);
    }

    /// Counts frames that RQD accepted.
    pub fn launched(&self, frames: u64) {
        self.launched.fetch_add(frames, Ordering::Relaxed);
    }

    /// Counts placements that a cap refused.
    pub fn refused(&self, frames: u64) {
        self.refused.fetch_add(frames, Ordering::Relaxed);
    }

    /// Marks the turn as failed: something of it ended in an error.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Marks the turn as one that asked for no jobs, because no host had anything to give to them.
    pub fn unasked(&self) {
        self.unasked.store(true, Ordering::Relaxed);
    }

    /// Notes how often hosts had come to have something to give when the turn asked for its jobs.
    pub fn asked_at(&self, gains: u64) {
        self.gains.store(gains, Ordering::Relaxed);
    }

    /// Notes that for some layer there seemed to be a host, so that it was tried.
    pub fn tried(&self) {
        self.tried.store(true, Ordering::Relaxed);
    }

    /// Notes that the turn looked this far from where it began, and that there may be more behind.
    /// The first note counts.
    pub fn saw_only(&self, seen: Depth) {
        self.passed.get_or_init(|| seen);
    }

    /// What has been counted so far.
    #[must_use]
    pub fn end(&self) -> TurnEnd {
        TurnEnd {
            jobs: self.jobs.load(Ordering::Relaxed),
            layers: self.layers.load(Ordering::Relaxed),
            wanted: self.wanted.load(Ordering::Relaxed),
            placed: self.placed.load(Ordering::Relaxed),
            booked: self.booked.load(Ordering::Relaxed),
            launched: self.launched.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            unasked: self.unasked.load(Ordering::Relaxed),
            tried: self.tried.load(Ordering::Relaxed),
            gains: self.gains.load(Ordering::Relaxed),
            passed: self.passed.get().copied().unwrap_or(Depth::FRONT),
        }
    }
}

/// What a turn came to.
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
    /// Frames RQD accepted.
    pub launched: u64,
    /// Placements refused by a cap.
    pub refused: u64,
    /// Whether something of the turn ended in an error.
    pub failed: bool,
    /// Whether no jobs were asked for, because no host had anything to give to them.
    pub unasked: bool,
    /// Whether some layer was tried, because there seemed to be a host for it.
    pub tried: bool,
    /// How often hosts had come to have something to give when it asked for its jobs.
    pub gains: u64,
    /// How far the turn has looked from where it began, if there may be more behind; nothing if it saw
    /// all there is.
    pub passed: Depth,
}

impl TurnEnd {
    /// Whether less than half of what the turn would have booked was booked.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.booked < self.wanted.div_ceil(2)
    }

    /// Why the turn ended, in the words of traces: those of [`TurnEnd::reason`], and `no_host` for a turn
    /// that only saw that no host had anything to give.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        if self.unasked && !self.failed {
            "no_host"
        } else {
            self.reason()
        }
    }

    /// Why the turn ended, in the words of `scheduler_pass_terminated_reason_total`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        if self.booked > 0 {
            "booked"
        } else if self.failed {
            "query_error"
        } else if self.jobs == 0 && !self.unasked {
            "no_jobs"
        } else {
            "saturated"
        }
    }
}

type OnLast = Box<dyn FnOnce(TurnEnd) + Send>;

struct Inner {
    tally: Tally,
    trace: OnceLock<u64>,
    on_last: Mutex<Option<OnLast>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let slot = self
            .on_last
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(on_last) = slot.take() {
            on_last(self.tally.end());
        }
    }
}

/// One copy of a turn's ticket. A copy that is dropped by a panic marks the turn as failed.
#[derive(Clone)]
pub struct Ticket(Arc<Inner>);

impl Drop for Ticket {
    fn drop(&mut self) {
        // What panicked could not say so itself.
        if std::thread::panicking() {
            self.fail();
        }
    }
}

impl Ticket {
    /// Opens a turn. `on_last` runs once, when the last copy is dropped; it must not block.
    pub fn open(on_last: impl FnOnce(TurnEnd) + Send + 'static) -> Self {
        Self(Arc::new(Inner {
            tally: Tally::default(),
            trace: OnceLock::new(),
            on_last: Mutex::new(Some(Box::new(on_last))),
        }))
    }

    /// The same turn, whose trace has a root by this number, if anybody traces it. The first number
    /// that is given counts.
    #[must_use]
    pub fn in_trace(self, root: Option<u64>) -> Self {
        if let Some(root) = root {
            self.0.trace.get_or_init(|| root);
        }
        self
    }

    /// The number of the root of the turn's trace, by which a stage finds its own span in it.
    #[must_use]
    pub fn trace(&self) -> Option<u64> {
        self.0.trace.get().copied()
    }

    /// Whether both are copies of one ticket.
    #[must_use]
    pub fn same_turn(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::ops::Deref for Ticket {
    type Target = Tally;

    fn deref(&self) -> &Tally {
        &self.0.tally
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ticket").field(&self.0.tally).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_a_job_count_until_the_job_is_behind() {
        let mut depth = Depth::of_jobs(3);
        for (seen, wanted) in [((0, 400), (3, 400)), ((0, 400), (3, 800)), ((2, 0), (5, 0))] {
            let [seen, wanted] = [seen, wanted].map(|(jobs, layers)| Depth { jobs, layers });
            depth = depth.and(seen);
            assert_eq!(depth, wanted);
        }
        assert!(
            Depth::of_jobs(1)
                > Depth {
                    jobs: 0,
                    layers: 900
                }
        );
    }

    #[test]
    fn a_turn_ends_once_with_the_last_copy_of_its_ticket() {
        let (tell, told) = std::sync::mpsc::channel();
        let ticket = Ticket::open(move |end| tell.send(end).unwrap());
        let copy = ticket.clone();
        ticket.found(1, 2);
        drop(ticket);
        assert!(told.try_recv().is_err());
        copy.booked(3);
        drop(copy);
        let end = told.recv().unwrap();
        assert_eq!(
            (end.jobs, end.layers, end.booked, end.reason()),
            (1, 2, 3, "booked")
        );
        assert!(told.recv().is_err(), "the callback is gone after it ran");
    }

    #[test]
    fn a_turn_that_asked_nothing_is_saturated_and_not_without_jobs() {
        let ticket = Ticket::open(|end| {
            assert_eq!((end.reason(), end.outcome()), ("saturated", "no_host"));
        });
        ticket.unasked();
        drop(ticket);
        let asked = TurnEnd::default();
        assert_eq!((asked.reason(), asked.outcome()), ("no_jobs", "no_jobs"));
    }

    #[test]
    fn a_turn_of_which_something_panicked_has_failed() {
        let (tell, told) = std::sync::mpsc::channel();
        let ticket = Ticket::open(move |end| tell.send(end).unwrap());
        ticket.found(1, 2);
        let worker = std::thread::spawn(move || {
            let item = ticket;
            assert!(item.trace().is_some(), "a stage that panics on its item");
        });
        worker.join().unwrap_err();
        let end = told.recv().unwrap();
        assert_eq!((end.failed, end.reason()), (true, "query_error"));
    }
}
