//! Blame: the host or layer that backs off after a launch that a host did not accept.
//!
//! Many refusals do not say whose fault they are: a host that takes nothing and a layer that no host
//! can run look the same at first. So answers are remembered for two minutes, by host and by layer. A
//! layer is to blame if several hosts refuse it and none accepts it, or if a host refuses it and accepts
//! others. A host that refuses several layers and accepts none is to blame
//! for all of them. Lack of room is nobody's fault: the host stays in use, and only the room
//! that it did not have backs off.
//!
//! Invariant: a function of the answers and their times; every answer that is neither an acceptance
//! nor the fault of a third party makes a host or a layer back off, so nothing is retried in a tight loop.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::units::Centicores;

/// Answers older than this say nothing about the present.
const WINDOW: Duration = Duration::from_secs(120);

/// Distinct others that must agree before a host or a layer is to blame without further evidence.
const SEVERAL: usize = 2;

/// The answer of a host to a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It accepted.
    Accepted,
    /// It has no room for these cores, though its row promises them.
    NoRoom(Centicores),
    /// It takes nothing at present, and says so: locked, not up, shutting down. Or it is silent.
    Unfit,
    /// It refused, and does not say whose fault that is.
    Refused,
}

/// A launch and its answer.
#[derive(Clone, Debug)]
pub struct Outcome<H, L> {
    /// The host.
    pub host: H,
    /// The layer of the frame.
    pub layer: L,
    /// The host's answer.
    pub answer: Answer,
}

/// The backoff of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostBackoff {
    /// Another session holds its row: it backs off for a moment.
    Held,
    /// The database may refuse its row: it backs off for a moment, and the refused frames are tried elsewhere.
    Refused,
    /// Only the room that it did not have backs off, in centicores.
    Room(Centicores),
    /// The whole host backs off.
    Whole,
}

/// The hosts and layers that back off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<H: Ord, L: Ord> {
    /// These hosts.
    pub hosts: BTreeMap<H, HostBackoff>,
    /// These layers.
    pub layers: BTreeSet<L>,
}

/// Answers of one side, by the other side.
#[derive(Debug)]
struct Record<K> {
    /// Hosts or layers that accepted, and when last.
    accepted: HashMap<K, Instant>,
    /// Hosts or layers that refused since they last accepted.
    refused: HashMap<K, Refusals>,
}

#[derive(Clone, Copy, Debug)]
struct Refusals {
    last: Instant,
    /// Number of moments at which it refused. Outcomes that are judged together are of one moment.
    times: u32,
}

impl<K> Default for Record<K> {
    fn default() -> Self {
        Self {
            accepted: HashMap::new(),
            refused: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash + Clone> Record<K> {
    fn record(&mut self, other: &K, accepted: bool, now: Instant) {
        if accepted {
            self.refused.remove(other);
            self.accepted.insert(other.clone(), now);
        } else {
            let first = Refusals {
                last: now,
                times: 1,
            };
            let refusals = self.refused.entry(other.clone()).or_insert(first);
            if refusals.last != now {
                refusals.last = now;
                refusals.times = refusals.times.saturating_add(1);
            }
        }
    }

    fn forget_old(&mut self, now: Instant) -> bool {
        let fresh = |at: &Instant| now.saturating_duration_since(*at) < WINDOW;
        self.accepted.retain(|_, at| fresh(at));
        self.refused.retain(|_, refusals| fresh(&refusals.last));
        !self.accepted.is_empty() || !self.refused.is_empty()
    }

    /// Others accept, though not `other`.
    fn is_accepted_but_for(&self, other: &K) -> bool {
        self.accepted
            .keys()
            .any(|key| key != other && !self.refused.contains_key(key))
    }
}

/// Recent answers. Bounded by the hosts and layers that were tried within two minutes.
#[derive(Debug)]
pub struct Blame<H, L> {
    hosts: HashMap<H, Record<L>>,
    layers: HashMap<L, Record<H>>,
}

impl<H, L> Default for Blame<H, L> {
    fn default() -> Self {
        Self {
            hosts: HashMap::new(),
            layers: HashMap::new(),
        }
    }
}

impl<H, L> Blame<H, L>
where
    H: Eq + Hash + Ord + Clone,
    L: Eq + Hash + Ord + Clone,
{
    /// Records the outcomes of launches at `now`, all at once, and returns the hosts and layers that back off for
    /// them.
    pub fn judge(&mut self, outcomes: &[Outcome<H, L>], now: Instant) -> Verdict<H, L> {
        self.hosts.retain(|_, record| record.forget_old(now));
        self.layers.retain(|_, record| record.forget_old(now));
        for outcome in outcomes {
            self.record(outcome, now);
        }
        let mut verdict = Verdict {
            hosts: BTreeMap::new(),
            layers: BTreeSet::new(),
        };
        let mut refused = BTreeSet::new();
        for Outcome {
            host,
            layer,
            answer,
        } in outcomes
        {
            match answer {
                Answer::Accepted => {}
                Answer::NoRoom(cores) => {
                    let entry = verdict.hosts.entry(host.clone());
                    let room = entry.or_insert(HostBackoff::Room(Centicores(0)));
                    if let HostBackoff::Room(missing) = room {
                        missing.0 = missing.0.saturating_add(cores.0.max(0));
                    }
                }
                Answer::Unfit => {
                    verdict.hosts.insert(host.clone(), HostBackoff::Whole);
                }
                Answer::Refused => {
                    refused.insert((host, layer));
                }
            }
        }
        for (host, layer) in refused {
            let (blames_host, blames_layer) = self.to_blame(host, layer);
            if blames_host {
                verdict.hosts.insert(host.clone(), HostBackoff::Whole);
            }
            if blames_layer {
                verdict.layers.insert(layer.clone());
            }
        }
        verdict
    }

    fn record(&mut self, outcome: &Outcome<H, L>, now: Instant) {
        let accepted = match outcome.answer {
            Answer::Accepted => true,
            Answer::Refused => false,
            // They say nothing about the layer, and of the host nothing that a record is needed for.
            Answer::NoRoom(_) | Answer::Unfit => return,
        };
        let (host, layer) = (&outcome.host, &outcome.layer);
        let of_host = self.hosts.entry(host.clone()).or_default();
        of_host.record(layer, accepted, now);
        let of_layer = self.layers.entry(layer.clone()).or_default();
        of_layer.record(host, accepted, now);
    }

    /// Returns true for the host, the layer or both if they are to blame for a recorded refusal.
    fn to_blame(&self, host: &H, layer: &L) -> (bool, bool) {
        let of_host = self.hosts.get(host);
        let of_layer = self.layers.get(layer);
        let refuses_several = of_host.is_some_and(|host| host.refused.len() >= SEVERAL);
        let refused_by_several = of_layer.is_some_and(|layer| layer.refused.len() >= SEVERAL);
        let host_is_used = of_host.is_some_and(|host| host.is_accepted_but_for(layer));
        let layer_is_run = of_layer.is_some_and(|layer| layer.is_accepted_but_for(host));
        match (host_is_used, layer_is_run) {
            // The host runs others and nobody runs the layer.
            (true, false) => (false, true),
            // The layer runs elsewhere and the host runs nothing else.
            (false, true) => (true, false),
            // Each works with others: this pair does not, and the layer has other hosts.
            (true, true) => (refuses_several, !refuses_several),
            (false, false) => match (refuses_several, refused_by_several) {
                (false, true) => (false, true),
                (true, false) => (true, false),
                (true, true) => (true, true),
                // There is no evidence for either: first the host backs off, so that the layer is tried
                // elsewhere, then the layer, so that others are tried on the host.
                (false, false) => {
                    let refusals = of_host.and_then(|host| host.refused.get(layer));
                    let again = refusals.is_some_and(|refusals| refusals.times > 1);
                    (!again, again)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
