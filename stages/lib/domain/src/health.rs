//! Booking health: detects that every booking fails, and the reason.
//!
//! The stages record the outcomes of their steps. A step that every booking needs is failing when it failed
//! several times in a row over a second or more, and nothing was booked since. A layer that fails while others are
//! booked is at fault by itself, and its failures say nothing about other layers.
//!
//! A failure is evidence for thirty seconds. When nothing is tried any more, the failure is either tested
//! again ([`BookingHealth::retest`]) or forgotten.
//!
//! Invariants: no clock of its own; one successful booking ends every failure; the memory is bounded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::ids::LayerId;

mod failure;
#[cfg(test)]
mod tests;

pub use failure::{BookingTrouble, Failure, Retest, Scope, Step};

/// Failures in a row from which on a step is failing.
const FAILURES: u32 = 3;

/// Least time between the first and the last of these failures. A blip fails several workers at once.
const SPAN: Duration = Duration::from_secs(1);

/// Age from which a failure says nothing about the present.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Time without an attempt after which the cause of a failure is tested.
const IDLE: Duration = Duration::from_secs(3);

/// Age from which the failures of a layer are forgotten.
const LAYER_FORGOTTEN: Duration = Duration::from_secs(1_800);

/// Layers remembered at most.
const LAYERS: usize = 10_000;

/// Failures of a step in a row.
#[derive(Debug)]
struct Streak {
    first: Instant,
    last: Instant,
    /// Time of the last failure, or of the last test that found its cause still there.
    evidence: Instant,
    failures: u32,
    /// Layers that failed, two at most.
    layers: BTreeSet<LayerId>,
    everything: bool,
    failure: Failure,
}

impl Streak {
    fn is_failing(&self, now: Instant) -> bool {
        self.failures >= FAILURES
            && self.last.saturating_duration_since(self.first) >= SPAN
            && (self.everything || self.layers.len() > 1)
            && now.saturating_duration_since(self.evidence) < FORGOTTEN
    }
}

/// Failures of a layer since it was last booked.
#[derive(Debug)]
struct LayerFailures {
    last: Instant,
    /// Others were booked between two of them.
    at_fault: bool,
}

#[derive(Debug, Default)]
struct State {
    streaks: BTreeMap<Step, Streak>,
    layers: HashMap<LayerId, LayerFailures>,
    booked: Option<Instant>,
}

/// The booking health of a pipeline. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct BookingHealth(Arc<Mutex<State>>);

impl BookingHealth {
    /// Records that a step failed; `layers` are the layers that it was about, if any.
    pub fn failed(
        &self,
        step: Step,
        layers: &[LayerId],
        failure: impl Into<Failure>,
        now: Instant,
    ) {
        let failure = failure.into();
        let mut state = self.0.lock();
        let suspects = state.blame(layers, now);
        if suspects.is_empty() && !layers.is_empty() {
            return;
        }
        let everything = layers.is_empty() || failure.scope == Scope::Everything;
        let old = state.streaks.remove(&step);
        let old = old.filter(|old| now.saturating_duration_since(old.evidence) < FORGOTTEN);
        let mut streak = old.unwrap_or_else(|| Streak {
            first: now,
            last: now,
            evidence: now,
            failures: 0,
            layers: BTreeSet::new(),
            everything: false,
            failure: failure.clone(),
        });
        (streak.last, streak.evidence) = (now, now);
        streak.failures = streak.failures.saturating_add(1);
        streak.everything |= everything;
        streak.failure = failure;
        for layer in suspects {
            if streak.layers.len() < 2 {
                streak.layers.insert(layer.clone());
            }
        }
        state.streaks.insert(step, streak);
    }

    /// Records that a step succeeded. A booking is recorded by [`BookingHealth::booked`].
    pub fn succeeded(&self, step: Step) {
        self.0.lock().streaks.remove(&step);
    }

    /// Records that frames of these layers were booked.
    pub fn booked(&self, layers: &[LayerId], now: Instant) {
        let mut state = self.0.lock();
        if state.failing(now).is_some() {
            // Everything failed until now, so the failures of these layers are no fault of theirs.
            state.layers.clear();
        }
        state.streaks.clear();
        state.booked = Some(now);
        if !state.layers.is_empty() {
            for layer in layers {
                state.layers.remove(layer);
            }
        }
    }

    /// The reason why nothing can be booked, if that is so: the first step that fails.
    pub fn trouble(&self, now: Instant) -> Option<BookingTrouble> {
        let state = self.0.lock();
        let (step, streak) = state.failing(now)?;
        Some(BookingTrouble {
            step,
            statement: streak.failure.statement,
            code: streak.failure.code.clone(),
            message: streak.failure.message.clone(),
            since: now.saturating_duration_since(streak.first),
            failures: streak.failures,
        })
    }

    /// Test that is due because a step is failing and nothing is tried any more, and the statement that
    /// failed last.
    pub fn retest(&self, now: Instant) -> Option<(Retest, &'static str)> {
        let state = self.0.lock();
        let (_, streak) = state.failing(now)?;
        let idle = now.saturating_duration_since(streak.last) >= IDLE;
        let failure = &streak.failure;
        (idle && failure.retest != Retest::None).then_some((failure.retest, failure.statement))
    }

    /// Records the result of the test that [`retest`](Self::retest) returned.
    pub fn retested(&self, cause_is_gone: bool, now: Instant) {
        let mut state = self.0.lock();
        let Some((step, _)) = state.failing(now) else {
            return;
        };
        if cause_is_gone {
            state.streaks.remove(&step);
        } else if let Some(streak) = state.streaks.get_mut(&step) {
            streak.evidence = now;
        }
    }
}

impl State {
    fn failing(&self, now: Instant) -> Option<(Step, &Streak)> {
        let mut failing = self.streaks.iter();
        let (step, streak) = failing.find(|(_, streak)| streak.is_failing(now))?;
        Some((*step, streak))
    }

    /// Records failures of layers. Returns the layers that are not at fault by themselves.
    fn blame<'a>(&mut self, layers: &'a [LayerId], now: Instant) -> Vec<&'a LayerId> {
        if self.layers.len() >= LAYERS {
            self.layers
                .retain(|_, layer| now.saturating_duration_since(layer.last) < LAYER_FORGOTTEN);
        }
        let mut suspects = Vec::new();
        for layer in layers {
            if let Some(known) = self.layers.get_mut(layer) {
                known.at_fault &= now.saturating_duration_since(known.last) < LAYER_FORGOTTEN;
                known.at_fault |= self.booked.is_some_and(|booked| booked >= known.last);
                known.last = now;
                if known.at_fault {
                    continue;
                }
            } else if self.layers.len() < LAYERS {
                let failures = LayerFailures {
                    last: now,
                    at_fault: false,
                };
                self.layers.insert(layer.clone(), failures);
            }
            suspects.push(layer);
        }
        suspects
    }
}
