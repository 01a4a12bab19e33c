//! Launches that no host has acknowledged yet.
//!
//! From its commit on, a booked frame is a [`PendingLaunch`]. It ends in one of three ways, each by a call: its host
//! acknowledged it, it was taken back, or its proc is gone. Everything else (an unknown outcome, a panic, an aborted
//! drain, a database that was away) drops it, and it comes back here, for the loop that settles. An acknowledgement
//! stays here too, until the database has it.
//!
//! Invariant: a launch is in one place: held, with its host's unknown ones, or among the
//! acknowledged. Memory is bounded by the frames in flight and the procs on hosts that do not answer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::{FrameId, Lease, Lender, ProcId};
use cue_rqd::TracePoint;
use cue_store::Unlaunched;
use parking_lot::Mutex;

use crate::late::LateLaunches;
use crate::open_launch::Launch;

/// Pause before a host that answered is asked about what is still open.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Longest pause between two questions to a host that does not answer; the first is [`ASK_AGAIN`].
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// A launch that somebody holds. Dropped, it counts as one of unknown outcome.
#[derive(Debug)]
#[must_use]
pub struct PendingLaunch {
    lease: Lease<Launch>,
    book: Arc<PendingLaunches>,
}

impl PendingLaunch {
    /// Its booking, host and trace.
    pub fn launch(&self) -> &Launch {
        &self.lease
    }

    /// Records that the launch certainly does not run.
    pub fn mark_dead(&mut self) {
        self.lease.dead = true;
    }

    /// Sets the span of the launch.
    pub(crate) fn set_trace(&mut self, trace: TracePoint) {
        self.lease.trace = trace;
    }

    /// Ends it: its host acknowledged it, which must be recorded.
    pub fn acknowledged(self) {
        let Unlaunched { proc, frame, .. } = self.lease.keep().booking;
        let mut state = self.book.0.lock();
        state.held.remove(&proc);
        state.acknowledged.insert(proc, frame);
    }

    /// Ends it: the booking was taken back. If the request may still be on its way, the host is asked later whether it
    /// arrived.
    pub fn taken_back(self, may_arrive: bool) {
        let launch = self.lease.keep();
        let mut state = self.book.0.lock();
        state.held.remove(&launch.booking.proc);
        if may_arrive {
            state.late.add(launch, Instant::now());
        }
    }

    /// Ends it: the proc is gone. Cuebot or another process has released it.
    pub fn gone(self) {
        self.taken_back(false);
    }
}

/// The launches of a host whose outcome is unknown, and when it is asked about them.
#[derive(Debug)]
struct HostQuestion {
    launches: HashMap<ProcId, Launch>,
    /// Launches that it is being asked about.
    asking: usize,
    /// Questions in a row that it did not answer.
    failures: u32,
    due: Instant,
}

impl HostQuestion {
    fn unresolved(&self) -> usize {
        self.launches.len() + self.asking
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    held: HashSet<ProcId>,
    unknown: HashMap<Arc<str>, HostQuestion>,
    acknowledged: HashMap<ProcId, FrameId>,
    pub(crate) late: LateLaunches,
}

/// The pending launches of this process.
#[derive(Debug, Default)]
pub struct PendingLaunches(pub(crate) Mutex<State>);

impl Lender<Launch> for PendingLaunches {
    fn give_back(&self, launch: Launch) {
        let mut state = self.0.lock();
        state.held.remove(&launch.booking.proc);
        let host = Arc::clone(&launch.booking.host);
        let question = state.unknown.entry(host).or_insert_with(|| HostQuestion {
            launches: HashMap::new(),
            asking: 0,
            failures: 0,
            due: Instant::now(),
        });
        question
            .launches
            .insert(launch.booking.proc.clone(), launch);
    }
}

impl PendingLaunches {
    /// Holds a launch: a booking that was committed just now, or was found forgotten. `None` when
    /// it is here already.
    #[must_use]
    pub fn hold(self: &Arc<Self>, launch: Launch) -> Option<PendingLaunch> {
        if !self.0.lock().hold(&launch.booking.proc) {
            return None;
        }
        Some(self.pending(launch))
    }

    pub(crate) fn pending(self: &Arc<Self>, launch: Launch) -> PendingLaunch {
        PendingLaunch {
            lease: Lease::new(launch, self.clone()),
            book: Arc::clone(self),
        }
    }

    /// Number of launches whose outcome is unknown, those that a host is being asked about included.
    pub fn unresolved(&self) -> usize {
        let state = self.0.lock();
        state.unknown.values().map(HostQuestion::unresolved).sum()
    }

    /// The same of one host, by name.
    pub fn unresolved_on(&self, host: &str) -> usize {
        let state = self.0.lock();
        let question = state.unknown.get(host);
        question.map_or(0, HostQuestion::unresolved)
    }

    /// The procs of all launches that are here or held: nobody else's to find.
    pub fn procs(&self) -> Vec<ProcId> {
        let state = self.0.lock();
        let unknown = state.unknown.values().flat_map(|host| host.launches.keys());
        let known = state.held.iter().chain(state.acknowledged.keys());
        known.chain(unknown).cloned().collect()
    }

    /// Takes the launches of hosts that are due at `now`, of `most` hosts, those that answered last time
    /// first.
    pub(crate) fn take_due_hosts(
        &self,
        now: Instant,
        most: usize,
    ) -> Vec<(Arc<str>, HashMap<ProcId, Launch>)> {
        let mut state = self.0.lock();
        let mut due: Vec<_> = state
            .unknown
            .iter()
            .filter(|(_, host)| host.asking == 0 && !host.launches.is_empty() && host.due <= now)
            .map(|(name, host)| (host.failures, host.due, Arc::clone(name)))
            .collect();
        due.sort_unstable();
        due.truncate(most);
        let mut taken = Vec::with_capacity(due.len());
        for (_, _, name) in due {
            let Some(host) = state.unknown.get_mut(&name) else {
                continue;
            };
            let launches = std::mem::take(&mut host.launches);
            host.asking = launches.len();
            state.held.extend(launches.keys().cloned());
            taken.push((name, launches));
        }
        taken
    }

    /// Records that the host was asked, and whether it answered: one that is silent is asked less often.
    pub(crate) fn answered(&self, host: &Arc<str>, answer: bool, now: Instant) {
        let mut state = self.0.lock();
        let Some(question) = state.unknown.get_mut(host) else {
            return;
        };
        question.asking = 0;
        if question.launches.is_empty() {
            state.unknown.remove(host);
            return;
        }
        if answer {
            question.failures = 0;
            question.due = now + ASK_AGAIN;
        } else {
            let doubled = 1_u32.checked_shl(question.failures).unwrap_or(u32::MAX);
            question.failures = question.failures.saturating_add(1);
            question.due = now + ASK_AGAIN.saturating_mul(doubled).min(LONGEST_BACKOFF);
        }
    }

    /// Makes every host due at once, however silent it was.
    pub fn all_due(&self, now: Instant) {
        for question in self.0.lock().unknown.values_mut() {
            question.due = now;
        }
    }

    /// Acknowledged launches that the database does not know of yet, in the order of their procs.
    pub(crate) fn unrecorded(&self) -> Vec<(ProcId, FrameId)> {
        let state = self.0.lock();
        let sorted: BTreeMap<&ProcId, &FrameId> = state.acknowledged.iter().collect();
        let owned = sorted.into_iter();
        owned
            .map(|(proc, frame)| (proc.clone(), frame.clone()))
            .collect()
    }

    /// The database knows of these by now.
    pub(crate) fn recorded<'a>(&self, procs: impl Iterator<Item = &'a ProcId>) {
        let mut state = self.0.lock();
        for proc in procs {
            state.acknowledged.remove(proc);
        }
    }
}

impl State {
    fn hold(&mut self, proc: &ProcId) -> bool {
        let known = self.acknowledged.contains_key(proc)
            || self
                .unknown
                .values()
                .any(|host| host.launches.contains_key(proc));
        !known && self.held.insert(proc.clone())
    }
}

#[cfg(test)]
mod tests;
