//! Frames that turns asked for and that the mirrored rows may not show yet.
//!
//! Invariant: the frames that a turn asks for count while it runs. Those that it booked count until a reading of the
//! rows that began after the turn's end, so nothing is forgotten.

use std::collections::HashMap;

use cue_domain::{AllocId, BookedLayer, JobId, LayerId};

/// Amounts of one turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Amounts {
    /// Frames by layer.
    pub(crate) frames: HashMap<LayerId, i64>,
    /// Centicores by job.
    pub(crate) jobs: HashMap<JobId, i64>,
    /// Centicores by allocation.
    pub(crate) allocs: HashMap<AllocId, i64>,
}

impl Amounts {
    /// Amounts that a turn booked.
    pub(crate) fn of(booked: &[BookedLayer]) -> Self {
        let mut amounts = Self::default();
        for layer in booked {
            let frames = amounts.frames.entry(layer.layer.clone()).or_default();
            *frames = frames.saturating_add_unsigned(layer.frames);
            for (alloc, cores) in &layer.cores {
                let of_job = amounts.jobs.entry(layer.job.clone()).or_default();
                *of_job = of_job.saturating_add(cores.0);
                let of_alloc = amounts.allocs.entry(alloc.clone()).or_default();
                *of_alloc = of_alloc.saturating_add(cores.0);
            }
        }
        amounts
    }
}

/// Turns of one cluster that count.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The turn that runs.
    running: Option<Amounts>,
    /// Turns that ended, with the number of the reading that was under way or came last.
    ended: Vec<(u64, Amounts)>,
}

impl Asked {
    /// Records the amounts that a turn asks for. The turn before it has ended.
    pub(crate) fn begin(&mut self, amounts: Amounts) {
        self.running = Some(amounts);
    }

    /// Records the end of the turn that runs, with the amounts that it booked.
    pub(crate) fn end(&mut self, booked: Amounts, reading: u64) {
        self.running = None;
        if !booked.frames.is_empty() {
            self.ended.push((reading, booked));
        }
    }

    /// Drops the turns that ended before the reading of this number began.
    pub(crate) fn read(&mut self, reading: u64) {
        self.ended.retain(|(ended_in, _)| *ended_in >= reading);
    }

    /// Returns true if no turn counts.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_none() && self.ended.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = &Amounts> {
        self.running
            .iter()
            .chain(self.ended.iter().map(|(_, amounts)| amounts))
    }

    /// Sum of all amounts that count.
    pub(crate) fn sum(&self) -> Amounts {
        let mut sum = Amounts::default();
        for amounts in self.all() {
            add(&mut sum.frames, &amounts.frames);
            add(&mut sum.jobs, &amounts.jobs);
            add(&mut sum.allocs, &amounts.allocs);
        }
        sum
    }

    /// Centicores of an allocation that count.
    pub(crate) fn of_alloc(&self, alloc: &AllocId) -> i64 {
        let amounts = self.all().filter_map(|amounts| amounts.allocs.get(alloc));
        amounts.fold(0, |sum, cores| sum.saturating_add(*cores))
    }
}

fn add<K: Clone + Eq + std::hash::Hash>(sum: &mut HashMap<K, i64>, more: &HashMap<K, i64>) {
    for (key, amount) in more {
        let known = sum.entry(key.clone()).or_default();
        *known = known.saturating_add(*amount);
    }
}
