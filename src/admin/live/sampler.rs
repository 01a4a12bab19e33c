//! Makes a sample from the sections of the status and the counters.
//!
//! Invariant: it only reads what is kept anyway. What it remembers is bounded: a few readings, and
//! a line for each cluster that exists now.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::clusters::Attention;
use super::reading::{FRAMES, LAUNCHES, QUEUE_WAIT, REFUSED, RUN, Reading, STATEMENTS};
use super::sample::{ClusterLine, Count, HostsLine, Sample, StageLine, Times};
use super::verdict::judge;
use crate::admin::routes::Shown;

/// Rates and quantiles are of this many seconds.
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

/// Makes one sample after the other.
pub(in crate::admin) struct Sampler {
    shown: Arc<Shown>,
    past: VecDeque<Past>,
    attention: Attention,
}

struct Past {
    reading: Reading,
    stages: Vec<StageLine>,
}

impl Sampler {
    pub(in crate::admin) fn new(shown: Arc<Shown>) -> Self {
        Self {
            shown,
            past: VecDeque::new(),
            attention: Attention::default(),
        }
    }

    /// How it all stands now.
    pub(in crate::admin) fn take(&mut self, now: Instant) -> Sample {
        let exhibits = &self.shown.exhibits;
        let reading = Reading::of(&exhibits.registry, now);
        let mut stages: Vec<StageLine> = self.section("stages").unwrap_or_default();
        stages.sort_by_key(|stage| place(&stage.name));
        let past = Past {
            reading,
            stages: stages.clone(),
        };
        self.past.push_back(past);
        while self.past.len() > WINDOW + 1 {
            self.past.pop_front();
        }
        for stage in &mut stages {
            self.measure(stage);
        }
        let hosts: Option<HostsLine> = self.section("hosts");
        let frames = self.sum(FRAMES);
        let condition = self.section("condition").unwrap_or_default();
        let clusters: Vec<ClusterLine> = self.section("clusters").unwrap_or_default();
        let wants = |cluster: &&ClusterLine| {
            let last = cluster.last.as_ref();
            cluster.turn != "asleep" && last.is_some_and(|last| last.reason == "saturated")
        };
        let verdict = judge(
            &mut stages,
            hosts.as_ref(),
            condition,
            (frames.per_second, self.seconds()),
            clusters.iter().filter(wants).count(),
        );
        let clusters = self.attention.pick(clusters, now);
        let exhibits = &self.shown.exhibits;
        Sample {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            replica: exhibits.replica.clone(),
            uptime_seconds: now.saturating_duration_since(self.shown.started).as_secs(),
            dry_run: exhibits.dry_run,
            condition,
            changeable: exhibits.levers.are_on(),
            verdict,
            stages,
            clusters,
            replicas: self.section("replicas").unwrap_or_default(),
            accounts: self.section("accounts"),
            hosts,
            refused: self.counts(REFUSED),
            last_refusals: self.section("last_refusals").unwrap_or_default(),
            launches: self.counts(LAUNCHES),
            frames,
            statements: self.sum(STATEMENTS),
        }
    }

    /// How long the rates are taken for, in seconds.
    fn seconds(&self) -> f64 {
        let (first, last) = (self.past.front(), self.past.back());
        let between = first.zip(last).map(|(first, last)| {
            let span = last.reading.at.saturating_duration_since(first.reading.at);
            span.as_secs_f64()
        });
        between.unwrap_or_default()
    }

    /// A section of the status, if there is one and it looks as it should.
    fn section<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let sections = &self.shown.exhibits.sections;
        let section = sections.iter().find(|section| section.name == name)?;
        let value: Value = (section.show)();
        serde_json::from_value(value).ok()
    }

    /// Adds what only the past can tell.
    fn measure(&self, stage: &mut StageLine) {
        let (Some(first), Some(last)) = (self.past.front(), self.past.back()) else {
            return;
        };
        let earlier = first.stages.iter().find(|other| other.name == stage.name);
        let handled = handled(stage).saturating_sub(earlier.map_or(0, handled));
        stage.per_second = per_second(handled as f64, first, last);
        let samples = self.past.iter().filter_map(|past| {
            let same = |other: &&StageLine| other.name == stage.name;
            past.stages.iter().find(same)
        });
        let (mut busy, mut queued, mut count) = (0.0, 0.0, 0.0_f64);
        for sample in samples {
            busy += share(sample.busy, sample.workers);
            queued += share(sample.queue.depth, sample.queue.capacity);
            count += 1.0;
        }
        stage.busy_share = busy / count.max(1.0);
        stage.queue_share = queued / count.max(1.0);
        let times = |family| {
            let [p50, p99] = last.reading.quantiles(&first.reading, family, &stage.name);
            let ms = |seconds: f64| seconds * 1000.0;
            Times {
                p50: p50.map(ms),
                p99: p99.map(ms),
            }
        };
        (stage.wait_ms, stage.run_ms) = (times(QUEUE_WAIT), times(RUN));
    }

    fn sum(&self, family: &'static str) -> Count {
        self.counts(family).pop().unwrap_or_default()
    }

    fn counts(&self, family: &'static str) -> Vec<Count> {
        let (Some(first), Some(last)) = (self.past.front(), self.past.back()) else {
            return Vec::new();
        };
        let labels = last.reading.counts(family);
        labels
            .map(|(label, total)| Count {
                name: label.to_owned(),
                words: crate::words::label(label),
                total: total as u64,
                per_second: per_second(
                    last.reading.growth(&first.reading, family, label),
                    first,
                    last,
                ),
            })
            .collect()
    }
}

/// Where a stage stands in the flow; the side loops come last, as they are.
fn place(name: &str) -> usize {
    FLOW.iter()
        .position(|other| *other == name)
        .unwrap_or(FLOW.len())
}

fn handled(stage: &StageLine) -> u64 {
    let items = &stage.items;
    items.done + items.skip + items.retry + items.fatal + items.panic
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64).min(1.0)
}

fn per_second(count: f64, first: &Past, last: &Past) -> f64 {
    let seconds = last.reading.at.saturating_duration_since(first.reading.at);
    if seconds.is_zero() {
        return 0.0;
    }
    count / seconds.as_secs_f64()
}
