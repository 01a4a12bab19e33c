//! Bookings that are neither launched nor taken back yet.
//!
//! From its commit on, a booked frame carries a lease on its debt. A launch that RQD accepted ends
//! the loan; so does an undo. Everything else (an unknown outcome, a panic, an aborted drain, a
//! database that was away) drops the lease, and the debt comes here, for [`Settle`](crate::Settle).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cue_domain::{Lease, Lender, ProcId};
use cue_rqd::TracePoint;
use cue_store::Unlaunched;

/// When a host is asked again about a launch that was taken back in doubt.
const ASK_AGAIN: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// A booking that must be found launched, or be taken back.
#[derive(Clone, Debug)]
pub struct Debt {
    /// What would be taken back.
    pub booking: Unlaunched,
    /// The host that knows.
    pub host: Arc<str>,
    /// Where its launch is told, if it was tried.
    pub trace: TracePoint,
}

/// A launch that was taken back because the host did not know it. A request that was stuck on its
/// way may still arrive; then the frame runs without a booking and must be killed.
#[derive(Clone, Debug)]
pub(crate) struct Doubt {
    pub(crate) debt: Debt,
    since: Instant,
    asked: usize,
}

#[derive(Debug, Default)]
struct State {
    debts: HashMap<ProcId, Debt>,
    /// The procs of debts that are being looked at: they are known, and nobody else's to find.
    examined: HashSet<ProcId>,
    doubts: Vec<Doubt>,
}

/// The debts of this process: at most the frames in flight, and the procs on hosts that do not
/// answer.
#[derive(Debug, Default)]
pub struct Debts(Mutex<State>);

impl Lender<Debt> for Debts {
    /// A debt that is here already, because two loops looked at the same booking, is not kept twice.
    fn give_back(&self, debt: Debt) {
        let mut state = self.lock();
        state.examined.remove(&debt.booking.proc);
        state.debts.entry(debt.booking.proc.clone()).or_insert(debt);
    }
}

impl Debts {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the debt of a booking that was committed just now.
    #[must_use]
    pub fn lend(self: &Arc<Self>, debt: Debt) -> Lease<Debt> {
        Lease::new(debt, self.clone())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().debts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The procs of all of them, with those that are being looked at.
    pub(crate) fn procs(&self) -> HashSet<ProcId> {
        let state = self.lock();
        let open = state.debts.keys().chain(&state.examined);
        open.cloned().collect()
    }

    /// Forgets the debts of procs that are `gone`.
    pub(crate) fn forget(&self, gone: impl Fn(&ProcId) -> bool) {
        self.lock().debts.retain(|proc, _| !gone(proc));
    }

    /// Takes all of them, to look at. What is not given back is to be [`done`](Self::done).
    pub(crate) fn take_all(self: &Arc<Self>) -> Vec<Lease<Debt>> {
        let all = {
            let mut state = self.lock();
            let all = std::mem::take(&mut state.debts);
            state.examined.extend(all.keys().cloned());
            all
        };
        all.into_values().map(|debt| self.lend(debt)).collect()
    }

    /// These have been looked at, and are no debts any more.
    pub(crate) fn done<'a>(&self, procs: impl IntoIterator<Item = &'a ProcId>) {
        let mut state = self.lock();
        for proc in procs {
            state.examined.remove(proc);
        }
    }

    /// Remembers a launch that was taken back in doubt.
    pub(crate) fn doubt(&self, debt: Debt) {
        let since = Instant::now();
        self.lock().doubts.push(Doubt {
            debt,
            since,
            asked: 0,
        });
    }

    /// The launches whose host is to be asked again at `now`. Each is asked a few times and then
    /// forgotten.
    pub(crate) fn due_doubts(&self, now: Instant) -> Vec<Debt> {
        let mut due = Vec::new();
        self.lock().doubts.retain_mut(|doubt| {
            let Some(wait) = ASK_AGAIN.get(doubt.asked) else {
                return false;
            };
            if now.saturating_duration_since(doubt.since) >= *wait {
                doubt.asked += 1;
                due.push(doubt.debt.clone());
            }
            doubt.asked < ASK_AGAIN.len()
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debt(name: &str) -> Debt {
        let booking = Unlaunched {
            frame: name.into(),
            version: 1,
            proc: name.into(),
        };
        Debt {
            booking,
            host: "h".into(),
            trace: TracePoint::default(),
        }
    }

    #[test]
    fn a_dropped_loan_is_a_debt_and_a_kept_one_is_not() {
        let debts = Arc::new(Debts::default());
        drop(debts.lend(debt("a")));
        let _ended = debts.lend(debt("b")).keep();
        assert_eq!(debts.procs(), HashSet::from([ProcId::from("a")]));
        let taken = debts.take_all();
        assert!(debts.is_empty());
        drop(taken);
        assert_eq!(debts.len(), 1);
    }

    #[test]
    fn a_debt_that_is_looked_at_is_known_and_never_kept_twice() {
        let debts = Arc::new(Debts::default());
        drop(debts.lend(debt("a")));
        drop(debts.lend(debt("b")));
        let taken = debts.take_all();
        let both = HashSet::from([ProcId::from("a"), ProcId::from("b")]);
        assert_eq!(debts.procs(), both, "nobody else is to find them");
        // Another loop has found one of them all the same.
        drop(debts.lend(debt("a")));
        for one in taken {
            if one.booking.proc.as_str() == "b" {
                let _settled = one.keep();
            }
        }
        debts.done(&[ProcId::from("a"), ProcId::from("b")]);
        assert_eq!(
            (debts.len(), debts.procs()),
            (1, HashSet::from(["a".into()]))
        );
    }

    #[test]
    fn a_doubt_is_asked_about_three_times_and_then_forgotten() {
        let debts = Debts::default();
        debts.doubt(debt("a"));
        let now = Instant::now();
        let asked: Vec<usize> = [0, 1, 3, 4, 11, 12, 31, 60]
            .into_iter()
            .map(|seconds| debts.due_doubts(now + Duration::from_secs(seconds)).len())
            .collect();
        assert_eq!(asked, [0, 0, 1, 0, 1, 0, 1, 0]);
        assert!(debts.lock().doubts.is_empty());
    }
}
