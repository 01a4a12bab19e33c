//! Facts that are read only where an answer leaves something open, and additions to an answer.

use std::time::Instant;

use cue_demand::{PickInput, PickRules, Supply};
use cue_domain::LayerId;
use cue_domain::why::{Fact, Facts, Why, able_hosts};

use super::answer::{Place, WhyAnswer};
use super::{Explained, Known, LEDGER_FAULTS, known_or_unread};
use crate::status::ms;
use crate::words;

/// Frames that are ordered for the place of a layer, at most: a pick of more would hold the index for too long.
const MOST_FRAMES: u32 = 5_000;

impl Known {
    /// Reads what an answer leaves open, where there is such a thing, and returns true if it did.
    pub(super) async fn look_closer(&self, first: &Why, facts: &mut Facts) -> bool {
        let store = &self.store;
        match first {
            Why::NoTag(tags) => {
                let tagged = store
                    .tagged_hosts(tags, &facts.facility, self.stale_after)
                    .await;
                facts.tagged = known_or_unread(Fact::TaggedHosts, tagged, facts);
            }
            Why::Busy { .. } => {
                let found = store.ledger_faults(LEDGER_FAULTS).await;
                let found = known_or_unread(Fact::Ledgers, found, facts);
                facts.ledger_faults = found.map_or_else(Vec::new, |found| found.first);
            }
            Why::NothingWaits(_) => return self.count_waiting(facts).await,
            Why::CanRun { .. } => {
                self.count_waiting(facts).await;
                self.find_held(facts).await;
                self.find_queued(facts);
            }
            _ => return false,
        }
        true
    }

    async fn count_waiting(&self, facts: &mut Facts) -> bool {
        let Some(layer) = facts.layers.first() else {
            return false;
        };
        let counts = self.store.waiting_counts(&layer.layer.id).await;
        let counts = known_or_unread(Fact::Counters, counts, facts);
        facts.waiting_counts = counts.unwrap_or_default();
        true
    }

    /// Finds out which layers cannot be booked because another session holds a row.
    async fn find_held(&self, facts: &mut Facts) {
        let layers = facts.layers.iter().map(|layer| layer.layer.id.clone());
        let layers: Vec<LayerId> = layers.collect();
        let frame = facts.frame.as_ref().map(|frame| frame.id.as_str());
        let held = self.store.held_up_layers(&layers, frame).await;
        let mut held = known_or_unread(Fact::Locks, held, facts).unwrap_or_default();
        for layer in &mut facts.layers {
            layer.held = held.remove(&layer.layer.id);
        }
    }

    /// Finds the layers that wait because the policy serves others first. Only a pipeline that runs knows it.
    pub(super) fn find_queued(&self, facts: &mut Facts) {
        let Some(seen) = &self.seen else { return };
        let now = Instant::now();
        let input = PickInput {
            supply: &seen.demand.supply(&seen.hosts.idle_hosts()),
            rules: &self.order,
            now,
            now_us: cue_flow::now_us(),
            is_set_aside: &|layer| seen.layers.is_active(layer, now),
        };
        for layer in &mut facts.layers {
            layer.queued = seen.demand.queued(&layer.layer.id, &input);
        }
    }

    /// Adds the place of the answer's layer in the order of its show.
    pub(super) fn add_place(&self, found: &Explained, answer: &mut WhyAnswer) {
        let is_for_hosts = found.answer.why.reason().is_for_hosts();
        let Some((seen, layer)) = self
            .seen
            .as_ref()
            .zip(found.layer())
            .filter(|_| is_for_hosts)
        else {
            return;
        };
        let now = Instant::now();
        let rules = PickRules {
            frames: MOST_FRAMES,
            layers: usize::MAX,
            ..self.order.clone()
        };
        let place = seen.demand.place(
            &layer.layer.id,
            &PickInput {
                supply: &Supply::of_idle_farm(&found.hosts),
                rules: &rules,
                now,
                now_us: cue_flow::now_us(),
                is_set_aside: &|layer| seen.layers.is_active(layer, now),
            },
        );
        let Some((place, of)) = place else { return };
        answer.place = Some(Place { place, of });
        if of > 1 {
            let more = format!(" It is number {place} of {of} layers in the order of its show.");
            answer.sentence.push_str(&more);
        }
    }

    /// Adds the time at which the first of the hosts that are busy is expected to have room, if their procs can be read.
    pub(super) async fn add_expected_start(&self, found: &Explained, answer: &mut WhyAnswer) {
        let is_busy = matches!(found.answer.why, Why::Busy { .. });
        let Some(layer) = found.layer().filter(|_| is_busy) else {
            return;
        };
        let scheduler = self.scheduler(&found.host_backoffs);
        let able = able_hosts(&found.facts, layer, &found.hosts, &scheduler);
        let room = cue_loops::expected_room(&self.store, &able, &layer.layer).await;
        let Ok((room, unreported)) = room else {
            return;
        };
        if let Some(room) = room {
            let host = able.iter().find(|able| able.id == room.host);
            let name = host.map_or("one of them", |host| &*host.name);
            let (ready_in, basis) = (words::age(room.ready_in.time), room.ready_in.basis());
            let more = format!(
                " Host {name} is expected to have room in about {ready_in}, {basis}, if nobody else takes it."
            );
            answer.sentence.push_str(&more);
            answer.expected_start_ms = Some(ms(room.ready_in.time));
        }
        if unreported > 0 {
            let procs = words::unreported(unreported);
            let end = words::UNREPORTED_END;
            let more = format!(" No end is known for {procs} on these hosts: {end}.");
            answer.sentence.push_str(&more);
        }
    }
}
