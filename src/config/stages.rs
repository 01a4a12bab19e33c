//! Settings of the stages: the workers and the queue of each.
//!
//! Invariant: the feed is one worker and has no queue, because it is where work comes from; every
//! other stage has at least one worker and a queue with room for at least one item.

use std::num::NonZeroUsize;

use cue_flow::Width;

use super::reader::{Reader, Setting};
use super::rules::count;

/// Width of every stage. The feed is always one worker.
#[derive(Clone, Debug)]
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

/// Reads workers and queue of a stage: its name, its variables, the defaults, and a sentence for each.
macro_rules! width {
    ($reader:ident, $name:literal, $variable:literal, $workers:literal, $about_workers:literal, $queue:literal, $about_queue:literal) => {{
        let workers = Setting {
            key: concat!("stages.", $name, ".workers"),
            env: concat!("CUE_", $variable, "_WORKERS"),
            also: None,
            default: Some($workers),
            doc: $about_workers,
        };
        let queue = Setting {
            key: concat!("stages.", $name, ".queue"),
            env: concat!("CUE_", $variable, "_QUEUE"),
            also: None,
            default: Some($queue),
            doc: $about_queue,
        };
        Width {
            workers: $reader.read(workers, count(MOST_WORKERS))?,
            queue: $reader.read(queue, count(LONGEST_QUEUE))?,
        }
    }};
}

impl Stages {
    #[rustfmt::skip]
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            job_fetch: width!(reader, "job_fetch", "JOB_FETCH",
                "2", "Turns that look for jobs at a time; each uses a database connection.",
                "4", "Turns that may wait to look for jobs."),
            layer_lock: width!(reader, "layer_lock", "LAYER_LOCK",
                "2", "Batches of layers that are locked at a time; each uses a database connection.",
                "32", "Jobs that may wait to have their layers locked."),
            host_match: width!(reader, "host_match", "HOST_MATCH",
                "1", "Threads that pick hosts; each holds a batch with its open transaction.",
                "1", "Locked batches that may wait for hosts; each holds an open transaction."),
            dispatch: width!(reader, "dispatch", "DISPATCH",
                "4", "Batches that are booked at a time; each uses a database connection.",
                "2", "Plans that may wait to be booked; each holds an open transaction."),
            check_in: width!(reader, "check_in", "CHECK_IN",
                "1", "Outcomes that are taken in at a time.",
                "8", "Outcomes that may wait to be taken in."),
        })
    }

    /// Workers of every stage that has some, by its name.
    pub fn workers(&self) -> [(&'static str, NonZeroUsize); 5] {
        [
            ("job_fetch", self.job_fetch.workers),
            ("layer_lock", self.layer_lock.workers),
            ("host_match", self.host_match.workers),
            ("dispatch", self.dispatch.workers),
            ("check_in", self.check_in.workers),
        ]
    }

    /// Width of the stage of this name; the feed has none.
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
