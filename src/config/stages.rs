//! Workers and queue of each stage.
//!
//! Invariant: the feed is one worker and has no queue, because it is where work comes from; every
//! other stage has at least one worker and a queue with room for at least one item.

use std::num::NonZeroUsize;

use super::reader::{Reader, Setting};
use super::rules::{Form, Rule, count};

/// How wide a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// How many items the stage works on at a time.
    pub workers: NonZeroUsize,
    /// How many items may wait in front of the stage.
    pub queue: NonZeroUsize,
}

/// How wide every stage is. The feed is always one worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages {
    /// The stage that asks for jobs.
    pub job_fetch: Width,
    /// The stage that locks layers.
    pub layer_lock: Width,
    /// The stage that picks hosts.
    pub host_match: Width,
    /// The stage that books and launches; its workers book.
    pub dispatch: Width,
    /// The stage that gives hosts back and closes turns.
    pub check_in: Width,
}

/// Workers a stage can have at most.
pub const MOST_WORKERS: usize = 256;
const LONGEST_QUEUE: usize = 10_000;

impl Stages {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let feed = Setting {
            key: "stages.cluster_feed.workers",
            env: "CUE_CLUSTER_FEED_WORKERS",
            also: None,
            default: Some("1"),
            doc: "Workers of the feed; it is one, and the setting is here so that nobody guesses.",
        };
        let one = Rule::new(Form::Number, "1, the feed is one worker", |text| {
            (text == "1").then_some(())
        });
        let feed = reader.read(feed, one);
        let job_fetch = width(reader, JOB_FETCH);
        let layer_lock = width(reader, LAYER_LOCK);
        let host_match = width(reader, HOST_MATCH);
        let dispatch = width(reader, DISPATCH);
        let check_in = width(reader, CHECK_IN);
        feed?;
        Some(Self {
            job_fetch: job_fetch?,
            layer_lock: layer_lock?,
            host_match: host_match?,
            dispatch: dispatch?,
            check_in: check_in?,
        })
    }

    /// The width of the stage of this name; the feed has none.
    pub(super) fn width_mut(&mut self, stage: &str) -> Option<&mut Width> {
        match stage {
            "job_fetch" => Some(&mut self.job_fetch),
            "layer_lock" => Some(&mut self.layer_lock),
            "host_match" => Some(&mut self.host_match),
            "dispatch" => Some(&mut self.dispatch),
            "check_in" => Some(&mut self.check_in),
            _ => None,
        }
    }
}

/// The declarations of a stage: its workers, then its queue.
type Declared = [Setting; 2];

const fn declared(
    keys: [&'static str; 2],
    variables: [&'static str; 2],
    defaults: [&'static str; 2],
    docs: [&'static str; 2],
) -> Declared {
    let [workers, queue] = [0, 1];
    [
        Setting {
            key: keys[workers],
            env: variables[workers],
            also: None,
            default: Some(defaults[workers]),
            doc: docs[workers],
        },
        Setting {
            key: keys[queue],
            env: variables[queue],
            also: None,
            default: Some(defaults[queue]),
            doc: docs[queue],
        },
    ]
}

const JOB_FETCH: Declared = declared(
    ["stages.job_fetch.workers", "stages.job_fetch.queue"],
    ["CUE_JOB_FETCH_WORKERS", "CUE_JOB_FETCH_QUEUE"],
    ["2", "4"],
    [
        "How many turns look for jobs at a time; each uses a database connection.",
        "How many turns may wait to look for jobs.",
    ],
);

const LAYER_LOCK: Declared = declared(
    ["stages.layer_lock.workers", "stages.layer_lock.queue"],
    ["CUE_LAYER_LOCK_WORKERS", "CUE_LAYER_LOCK_QUEUE"],
    ["2", "32"],
    [
        "How many batches of layers are locked at a time; each uses a database connection.",
        "How many jobs may wait to have their layers locked.",
    ],
);

const HOST_MATCH: Declared = declared(
    ["stages.host_match.workers", "stages.host_match.queue"],
    ["CUE_HOST_MATCH_WORKERS", "CUE_HOST_MATCH_QUEUE"],
    ["1", "1"],
    [
        "How many threads pick hosts; each holds a batch with its open transaction.",
        "How many locked batches may wait for hosts; each holds an open transaction.",
    ],
);

const DISPATCH: Declared = declared(
    ["stages.dispatch.workers", "stages.dispatch.queue"],
    ["CUE_DISPATCH_WORKERS", "CUE_DISPATCH_QUEUE"],
    ["4", "2"],
    [
        "How many batches are booked at a time; each uses a database connection.",
        "How many plans may wait to be booked; each holds an open transaction.",
    ],
);

const CHECK_IN: Declared = declared(
    ["stages.check_in.workers", "stages.check_in.queue"],
    ["CUE_CHECK_IN_WORKERS", "CUE_CHECK_IN_QUEUE"],
    ["1", "8"],
    [
        "How many outcomes are taken in at a time.",
        "How many outcomes may wait to be taken in.",
    ],
);

fn width(reader: &mut Reader<'_>, [workers, queue]: Declared) -> Option<Width> {
    let workers = reader.read(workers, count(MOST_WORKERS));
    let queue = reader.read(queue, count(LONGEST_QUEUE));
    Some(Width {
        workers: workers?,
        queue: queue?,
    })
}
