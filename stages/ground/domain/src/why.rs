//! Why a frame does not run: the first rule that keeps it waiting, in the order in which the scheduler
//! asks, as one sentence for the artist who waits.
//!
//! It decides nothing about bookings; it reads the same numbers and uses the same arithmetic
//! ([`reserve`](crate::fit::reserve)). Invariants: there always is an answer, whatever the rows hold;
//! and the answer "it can run" is given only when a host is found that the arithmetic accepts.

mod caps;
mod contradictions;
mod facts;
mod hosts;
mod systems;
mod tagged;
mod words;

#[cfg(test)]
mod left_out;
mod limits;
#[cfg(test)]
mod order;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::fit::{FitRules, Misfit};
use crate::host::Host;
use crate::ids::HostId;
use crate::tags::Tag;
use crate::units::Centicores;

pub use contradictions::{Contradiction, LedgerFault, WaitingCount};
pub use facts::{CapFacts, Counts, Facts, FrameFacts, LayerFacts, LimitFacts, SubscriptionFacts};
pub use tagged::TaggedHosts;

/// What the scheduler that answers knows besides the rows: how it was set up, and what it has seen.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// How it fits frames to hosts.
    pub rules: &'a FitRules,
    /// The only facility it serves, by name; none if it serves all.
    pub facility: Option<&'a str>,
    /// Tags for which it books nothing.
    pub ignored_tags: &'a [Tag],
    /// Hosts it leaves out because launches failed on them, and for how long yet.
    pub resting_hosts: &'a HashMap<HostId, Duration>,
}

impl Here<'_> {
    /// Whether it books anything for this tag.
    fn serves(&self, tag: &Tag) -> bool {
        !self.ignored_tags.contains(tag)
    }
}

/// What is there to wait for, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The show is switched off.
    ShowInactive,
    /// Cuebot books this show by itself.
    ShowNotManaged,
    /// This scheduler serves another facility only; this is its name.
    OtherFacility(String),
    /// The job is not pending.
    JobState(String),
    /// Somebody paused the job.
    JobPaused,
    /// The frame is in another state than waiting.
    FrameState(FrameFacts),
    /// No frame waits.
    NothingWaits(Counts),
    /// This scheduler books nothing for any of the layer's tags.
    TagsIgnored,
    /// The layer must not start yet.
    StartsLater {
        /// How long from now.
        wait: Duration,
        /// Why, if somebody said so.
        reason: Option<String>,
    },
    /// The show may use no allocation of the job's facility.
    NoSubscription,
    /// Every subscription is used up; this is the one with the most left.
    Burst(SubscriptionFacts),
    /// Hosts have room, and a frame there would take more than the subscription has left.
    BurstOnHost {
        /// The subscription.
        subscription: SubscriptionFacts,
        /// What a frame would take, which memory and thread mode can make more than it asks for.
        takes: Centicores,
    },
    /// The folder's cores are used up.
    FolderCores(CapFacts),
    /// The folder's GPUs are used up.
    FolderGpus(CapFacts),
    /// The job's cores are used up.
    JobCores {
        /// The job's cap.
        cap: CapFacts,
        /// What must be left of it, in centicores.
        needs: i64,
    },
    /// The job's GPUs are used up.
    JobGpus(CapFacts),
    /// A limit has no room.
    Limit(Box<LimitFacts>),
    /// The layer names no tags.
    NamesNoTags,
    /// No open host carries a tag of the layer; these are the tags that were looked for.
    NoTag(Vec<Tag>),
    /// Hosts with the tag are in allocations the show may not use.
    TagElsewhere {
        /// How many.
        hosts: usize,
    },
    /// None of the hosts offers the operating system.
    NoOs {
        /// How many have the tag.
        hosts: usize,
        /// Operating systems that these offer, the most common one first.
        offered: Vec<Arc<str>>,
    },
    /// The hosts take threadable layers only.
    ThreadMode {
        /// How many have tag and system.
        hosts: usize,
    },
    /// No host is big enough, even when nothing runs on it.
    TooSmall(TooSmall),
    /// Hosts are big enough, and all are busy.
    Busy {
        /// How many would fit when idle.
        fitting: usize,
    },
    /// Rows contradict each other, and it would run if they did not.
    Contradiction(Contradiction),
    /// Hosts have room, and all of them rest after failed launches.
    HostsRest {
        /// How many.
        hosts: usize,
        /// When the first comes back.
        rest: Duration,
    },
    /// A host has room, and a frame there would take more than the cap still admits.
    CapTooTight(Misfit),
    /// A launch was refused for good, and the layer rests.
    Rests(Duration),
    /// Nothing keeps it.
    CanRun {
        /// Frames of its show that are served before it.
        ahead: i64,
        /// Hosts with room now.
        hosts: usize,
    },
}

/// What the hosts have too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooSmall {
    /// Whole cores.
    Cores {
        /// What a frame needs, in centicores.
        needs: Centicores,
        /// What the biggest host has.
        biggest: Centicores,
    },
    /// Memory in KiB.
    Memory {
        /// What a frame needs.
        needs: i64,
        /// What the biggest host has.
        biggest: i64,
    },
    /// GPUs.
    Gpus {
        /// What a frame needs.
        needs: i64,
        /// What the biggest host has.
        biggest: i64,
    },
    /// GPU memory in KiB.
    GpuMemory {
        /// What a frame needs.
        needs: i64,
        /// What the biggest host has.
        biggest: i64,
    },
    /// Each is there, but not on one host.
    Together,
}

/// An answer: which layer it is about, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was asked about, as people call it.
    pub subject: String,
    /// The layer the answer is about, if it is about one of several.
    pub layer: Option<String>,
    /// The reason.
    pub why: Why,
    /// The reason as a sentence.
    pub sentence: String,
}

/// Finds the first rule that keeps the subject of the facts from running. Of a job with several
/// layers the answer is about the first one that can run, or else the first that has waiting frames.
#[must_use]
pub fn why(facts: &Facts, hosts: &[Host], here: &Here<'_>) -> Answer {
    let (layer, why) = decide(facts, hosts, here);
    let why = contradictions::counters(facts, layer, &why).map_or(why, Why::Contradiction);
    let named = layer.filter(|_| facts.layers.len() > 1);
    Answer {
        subject: facts.subject.clone(),
        layer: named.map(|layer| layer.layer.name.to_string()),
        sentence: words::sentence(facts, layer, &why, here),
        why,
    }
}

fn decide<'a>(facts: &'a Facts, hosts: &[Host], here: &Here<'_>) -> (Option<&'a LayerFacts>, Why) {
    if let Some(why) = above_layers(facts, here) {
        return (None, why);
    }
    let mut first = None;
    for layer in facts.layers.iter().filter(|one| one.counts.waiting > 0) {
        let why = of_layer(facts, layer, hosts, here);
        if matches!(why, Why::CanRun { .. }) {
            return (Some(layer), why);
        }
        first.get_or_insert((Some(layer), why));
    }
    first.unwrap_or_else(|| (None, Why::NothingWaits(counted(facts))))
}

/// The frames of all layers asked about, by state.
fn counted(facts: &Facts) -> Counts {
    let all = facts.layers.iter().map(|layer| layer.counts);
    all.fold(Counts::default(), Counts::plus)
}

/// What needs nothing any more, or never did: no rule keeps it, so its own state is the answer, even
/// where its job is paused or over.
fn over_or_under_way(facts: &Facts) -> Option<Why> {
    let Some(frame) = &facts.frame else {
        return facts
            .layers
            .iter()
            .all(|layer| layer.counts.waiting <= 0)
            .then(|| Why::NothingWaits(counted(facts)));
    };
    let settled = ["RUNNING", "SUCCEEDED", "DEAD", "EATEN", "CHECKPOINT"];
    settled
        .contains(&frame.state.as_str())
        .then(|| Why::FrameState(frame.clone()))
}

/// The rules that are the same for all layers of a job.
fn above_layers(facts: &Facts, here: &Here<'_>) -> Option<Why> {
    if let Some(why) = over_or_under_way(facts) {
        return Some(why);
    }
    if !facts.show_active {
        return Some(Why::ShowInactive);
    }
    if !facts.show_managed {
        return Some(Why::ShowNotManaged);
    }
    if let Some(ours) = here.facility.filter(|ours| *ours != facts.facility_name) {
        return Some(Why::OtherFacility(ours.to_owned()));
    }
    if facts.job_state != "PENDING" {
        return Some(Why::JobState(facts.job_state.clone()));
    }
    if facts.paused {
        return Some(Why::JobPaused);
    }
    let frame = facts.frame.as_ref()?;
    (frame.state != "WAITING").then(|| Why::FrameState(frame.clone()))
}

fn of_layer(facts: &Facts, layer: &LayerFacts, hosts: &[Host], here: &Here<'_>) -> Why {
    let tags = &layer.layer.tags;
    if tags.is_empty() {
        return Why::NamesNoTags;
    }
    if !tags.iter().any(|tag| here.serves(tag)) {
        return Why::TagsIgnored;
    }
    if let Some(wait) = layer.starts_in {
        return Why::StartsLater {
            wait,
            reason: layer.start_reason.clone(),
        };
    }
    if let Some(rest) = layer.rests {
        return Why::Rests(rest);
    }
    if let Some(why) = caps::full(facts, layer) {
        return why;
    }
    match hosts::look(facts, layer, hosts, here) {
        Ok(open) => Why::CanRun {
            ahead: caps::ahead(facts, layer),
            hosts: open,
        },
        Err(why) => why,
    }
}
