//! Rates, shares, quantiles and the verdict of a state, over the last few seconds.
//!
//! Invariant: only numbers that are kept anyway are read, and a bounded window of readings is kept.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use prometheus::Registry;

use super::reading::{FRAMES, LAUNCHES, QUEUE_WAIT, REFUSED, RUN, Reading, STATEMENTS, Window};
use super::verdict::judge;
use crate::status::{Stage, Status};

/// Seconds over which rates and quantiles are taken.
const WINDOW: usize = 5;

/// The stages in the order in which work passes through them.
const FLOW: [&str; 6] = [
    "cluster_feed",
    "job_fetch",
    "layer_lock",
    "host_match",
    "dispatch",
    "check_in",
];

/// Completes states.
#[derive(Debug)]
pub struct Sampler {
    registry: Registry,
    past: Mutex<VecDeque<Past>>,
}

/// Counters and stages at one moment.
#[derive(Debug)]
struct Past {
    reading: Reading,
    stages: Vec<Stage>,
}

impl Sampler {
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            past: Mutex::default(),
        }
    }

    /// Completes a state, and keeps its numbers for the rates of later ones.
    pub fn sample(&self, mut status: Status, now: Instant) -> Status {
        let mut past = self.at(&status, now);
        while past.len() > WINDOW + 1 {
            past.pop_front();
        }
        complete(&mut status, &past);
        status
    }

    /// Completes a state between two samples.
    pub fn read(&self, mut status: Status, now: Instant) -> Status {
        let mut past = self.at(&status, now);
        complete(&mut status, &past);
        past.pop_back();
        status
    }

    /// The window with the numbers of now at its end.
    fn at(&self, status: &Status, now: Instant) -> MutexGuard<'_, VecDeque<Past>> {
        let now = Past {
            reading: Reading::of(&self.registry, now),
            stages: status.stages.clone(),
        };
        let mut past = self.past.lock();
        past.push_back(now);
        past
    }
}

fn complete(status: &mut Status, past: &VecDeque<Past>) {
    let (Some(first), Some(last)) = (past.front(), past.back()) else {
        return;
    };
    let window = Window {
        first: &first.reading,
        last: &last.reading,
    };
    // Side loops come last, in their own order.
    let place = |stage: &Stage| FLOW.iter().position(|name| *name == stage.name);
    status
        .stages
        .sort_by_key(|stage| place(stage).unwrap_or(FLOW.len()));
    for stage in &mut status.stages {
        measure(stage, past, window);
    }
    status.refused = window.counts(REFUSED, "cap");
    status.launches = window.counts(LAUNCHES, "outcome");
    status.frames = window.sum(FRAMES);
    status.statements = window.sum(STATEMENTS);
    status.cluster_count = status.clusters.len();
    judge(status, window.seconds());
}

/// Adds rates, shares and times to a stage.
fn measure(stage: &mut Stage, past: &VecDeque<Past>, window: Window<'_>) {
    let moments = past.iter().flat_map(|past| &past.stages);
    let moments: Vec<&Stage> = moments.filter(|one| one.name == stage.name).collect();
    let mean = |share: fn(&Stage) -> f64| {
        let sum: f64 = moments.iter().map(|stage| share(stage)).sum();
        sum / moments.len().max(1) as f64
    };
    let before = past.front().into_iter().flat_map(|past| &past.stages);
    let before = before.filter(|one| one.name == stage.name);
    let before: u64 = before.map(handled).sum();
    let growth = handled(stage).saturating_sub(before);
    stage.per_second = window.per_second(growth as f64);
    stage.busy_share = mean(|stage| share(stage.busy, stage.workers));
    stage.queue_share = mean(|stage| share(stage.queue.depth, stage.queue.capacity));
    stage.queue_wait_ms = window.times(QUEUE_WAIT, &stage.name);
    stage.run_ms = window.times(RUN, &stage.name);
}

fn handled(stage: &Stage) -> u64 {
    let items = &stage.items;
    items.done + items.skip + items.retry + items.fatal + items.panic
}

fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole.max(1) as f64).min(1.0)
}
