//! Answers to the question why a frame does not run: the first rule that keeps it waiting, in the order in which the
//! scheduler asks, as one sentence.
//!
//! It decides nothing about bookings; it reads the same numbers and uses the same arithmetic
//! ([`reserve`](crate::fit::reserve)). Invariants: there is an answer for any rows;
//! and the answer "it can run" is given only when a host is found that the arithmetic accepts.

mod caps;
mod change;
mod contradictions;
mod counters;
mod facts;
mod held;
mod hosts;
mod limits;
mod queued;
mod reason;
mod reserved;
mod setbacks;
mod systems;
mod tagged;
mod unread;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::health::BookingTrouble;
use crate::host::Host;
use crate::pause::Pause;
use crate::text::printable;

pub use change::{Change, ChangeError};
pub use contradictions::{Contradiction, LedgerFault, WaitingCount};
pub use facts::{
    CapFacts, Counts, Facts, FrameFacts, LayerFacts, LimitFacts, Scheduler, SubscriptionFacts,
};
pub use held::HeldRow;
pub use queued::{OrderFacts, Queued, ShareFacts, ShowShare};
pub use reason::{Dimension, Lack, Why};
pub use reserved::{ReadyIn, ReservationFacts, ReservedHosts};
pub use tagged::TaggedHosts;
pub use unread::{Fact, Unread};

use setbacks::paused;
use words::Sentence;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Subject of the question, as people call it.
    pub subject: String,
    /// The layer of the answer, if the subject has several.
    pub layer: Option<String>,
    /// The reason.
    pub why: Why,
    /// The reason as a sentence.
    pub sentence: String,
}

impl Answer {
    /// Replaces an answer that nothing keeps the subject, or only a failed attempt, while every booking
    /// fails.
    pub fn blame_everything(&mut self, trouble: &BookingTrouble) {
        if matches!(self.why, Why::CanRun { .. } | Why::SetAside(_)) {
            self.why = Why::BookingFails(trouble.clone());
            self.sentence = printable(&format!("{} waits because {trouble}.", self.about()));
        }
    }

    /// Replaces an answer about hosts, shares and order, or about a failed attempt, while booking is paused: nothing
    /// that these say would be tried.
    pub fn blame_pause(&mut self, pause: &Pause, remaining: Duration) {
        if self.why.reason().is_for_hosts() || matches!(self.why, Why::SetAside(_)) {
            self.sentence = printable(&format!("{} {}.", self.about(), paused(pause, remaining)));
            self.why = Why::BookingPaused {
                pause: pause.clone(),
                remaining,
            };
        }
    }

    fn about(&self) -> String {
        match &self.layer {
            Some(layer) => format!("{}: layer {layer}", self.subject),
            None => self.subject.clone(),
        }
    }
}

/// Finds the first rule that keeps the subject of the facts from running. Of a job with several
/// layers the answer is about the first one that can run, or else the first that has waiting frames.
pub fn why(facts: &Facts, hosts: &[Host], scheduler: &Scheduler<'_>) -> Answer {
    let (layer, why) = decide(facts, hosts, scheduler);
    let why = counters::contradiction(facts, layer, &why).map_or(why, Why::Contradiction);
    let named = layer.filter(|_| facts.layers.len() > 1);
    let sentence = Sentence {
        facts,
        layer,
        scheduler,
    };
    Answer {
        subject: facts.subject.clone(),
        layer: named.map(|layer| layer.layer.name.to_string()),
        sentence: sentence.of(&why),
        why,
    }
}

/// Hosts that could run a frame of the layer if nothing ran on them.
pub fn able_hosts<'h>(
    facts: &Facts,
    layer: &LayerFacts,
    hosts: &'h [Host],
    scheduler: &Scheduler<'_>,
) -> Vec<&'h Host> {
    hosts::able(facts, layer, hosts, scheduler).unwrap_or_default()
}

fn decide<'a>(
    facts: &'a Facts,
    hosts: &[Host],
    scheduler: &Scheduler<'_>,
) -> (Option<&'a LayerFacts>, Why) {
    if let Some(why) = above_layers(facts, scheduler) {
        return (None, why);
    }
    let mut first = None;
    for layer in facts.layers.iter().filter(|layer| layer.counts.waiting > 0) {
        let why = of_layer(facts, layer, hosts, scheduler);
        if matches!(why, Why::CanRun { .. }) {
            return (Some(layer), why);
        }
        first.get_or_insert((Some(layer), why));
    }
    first.unwrap_or_else(|| (None, Why::NothingWaits(counted(facts))))
}

/// Frames of all layers of the subject, by state.
fn counted(facts: &Facts) -> Counts {
    let all = facts.layers.iter().map(|layer| layer.counts);
    all.fold(Counts::default(), Counts::plus)
}

/// State of a subject that waits for nothing. No rule keeps it, so its own state is the answer, even
/// where its job is paused or over.
fn own_state(facts: &Facts) -> Option<Why> {
    let Some(frame) = &facts.frame else {
        let mut layers = facts.layers.iter();
        let nothing_waits = layers.all(|layer| layer.counts.waiting <= 0);
        return nothing_waits.then(|| Why::NothingWaits(counted(facts)));
    };
    let settled = ["RUNNING", "SUCCEEDED", "DEAD", "EATEN", "CHECKPOINT"];
    let is_settled = settled.contains(&frame.state.as_str());
    is_settled.then(|| Why::FrameState(frame.clone()))
}

/// The first rule that keeps all layers of the job.
fn above_layers(facts: &Facts, scheduler: &Scheduler<'_>) -> Option<Why> {
    if let Some(why) = own_state(facts) {
        return Some(why);
    }
    if !facts.show_active {
        return Some(Why::ShowInactive);
    }
    if !facts.show_managed {
        return Some(Why::ShowNotManaged);
    }
    let facility = scheduler.facility;
    if let Some(ours) = facility.filter(|ours| *ours != facts.facility_name) {
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

/// The first rule that keeps the layer, or none.
fn of_layer(facts: &Facts, layer: &LayerFacts, hosts: &[Host], scheduler: &Scheduler<'_>) -> Why {
    let tags = &layer.layer.tags;
    if tags.is_empty() {
        return Why::NamesNoTags;
    }
    if !tags.iter().any(|tag| scheduler.serves(tag)) {
        return Why::TagsIgnored;
    }
    if let Some(wait) = layer.starts_in {
        let reason = layer.start_reason.clone();
        return Why::StartsLater { wait, reason };
    }
    if let Some(set_aside) = &layer.set_aside {
        return Why::SetAside(set_aside.clone());
    }
    if let Some(why) = caps::full(facts, layer) {
        return why;
    }
    if facts.lacks(Fact::Hosts) {
        return Why::HostsUnread;
    }
    match hosts::look(facts, layer, hosts, scheduler) {
        Err(why) => why,
        Ok(hosts) => {
            let ahead = caps::ahead(facts, layer);
            let queued = layer.queued.clone().map(Why::Queued);
            let held = layer.held.clone().map(Why::Held);
            queued.or(held).unwrap_or(Why::CanRun { ahead, hosts })
        }
    }
}
