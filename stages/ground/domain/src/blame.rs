//! Blame: which host or layer backs off after a launch that a host did not accept.
//!
//! Many refusals do not say whose fault they are: a host that takes nothing and a layer that nobody
//! can run look the same at first. So answers are remembered for a while, by host and by layer. A
//! layer that several hosts refuse and none accepts is to blame itself, and so is one that a host
//! refuses while it accepts others; a host that refuses several layers and accepts none is to blame
//! for all of them. Lack of room is nobody's fault: the host keeps what it runs, and only the room
//! that it did not have is left alone.
//!
//! Invariant: a function of the answers and their times; every answer that is neither an acceptance
//! nor somebody else's fault makes someone back off, so nothing is tried in a tight loop.

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
    /// It takes nothing at present, and says so: locked, not up, shutting down; or it is silent.
    Unfit,
    /// It refused, and does not say whose fault that is.
    Refused,
}

/// A launch, and what came of it.
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
    /// Only the room that it did not have is left alone, in centicores.
    Room(Centicores),
    /// The whole host is left alone.
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
    /// Moments at which it refused; what is judged at once is one of them.
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
    fn note(&mut self, other: &K, accepted: bool, now: Instant) {
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
    /// Takes note of the outcomes of launches at `now`, all at once, and says who backs off for them.
    pub fn judge(&mut self, outcomes: &[Outcome<H, L>], now: Instant) -> Verdict<H, L> {
        self.hosts.retain(|_, record| record.forget_old(now));
        self.layers.retain(|_, record| record.forget_old(now));
        for outcome in outcomes {
            self.note(outcome, now);
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

    fn note(&mut self, outcome: &Outcome<H, L>, now: Instant) {
        let accepted = match outcome.answer {
            Answer::Accepted => true,
            Answer::Refused => false,
            // They say nothing about the layer, and of the host nothing that a record is needed for.
            Answer::NoRoom(_) | Answer::Unfit => return,
        };
        let (host, layer) = (&outcome.host, &outcome.layer);
        let of_host = self.hosts.entry(host.clone()).or_default();
        of_host.note(layer, accepted, now);
        let of_layer = self.layers.entry(layer.clone()).or_default();
        of_layer.note(host, accepted, now);
    }

    /// Says whether the host, the layer or both are to blame for a refusal that was noted.
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
            // Each gets on with others: this pair does not, and the layer has other hosts.
            (true, true) => (refuses_several, !refuses_several),
            (false, false) => match (refuses_several, refused_by_several) {
                (false, true) => (false, true),
                (true, false) => (true, false),
                (true, true) => (true, true),
                // Nothing speaks for either: first the host backs off, so that the layer is tried
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
