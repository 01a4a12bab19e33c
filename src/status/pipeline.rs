//! State of the pipeline: stages, side loops and clusters.

use cue_flow::{Control, StageStatus};
use serde::{Deserialize, Serialize};

/// Position of a stage among the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has nothing to do.
    #[default]
    Idle,
    /// It works and keeps up.
    Working,
    /// Its queue is full because a later stage is the bottleneck.
    HeldUp,
    /// The others wait for it.
    Bottleneck,
}

/// A stage, a source or a side loop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stage {
    /// Name.
    pub name: String,
    /// `source`, `stage`, `cpu` or `tick`.
    pub kind: String,
    /// Workers wanted.
    pub workers: u64,
    /// Workers that have an item in hand.
    pub busy: u64,
    /// The queue before it.
    pub queue: Queue,
    /// Items that passed, since the start.
    pub items: Items,
    /// Position among the others.
    pub standing: Standing,
    /// Items a second.
    pub per_second: f64,
    /// Share of its workers that were busy, 0 to 1.
    pub busy_share: f64,
    /// Share of its queue that was full, 0 to 1.
    pub queue_share: f64,
    /// Time of items in the queue.
    pub queue_wait_ms: Times,
    /// Time of passes, without waiting to send.
    pub run_ms: Times,
}

impl From<&StageStatus> for Stage {
    fn from(status: &StageStatus) -> Self {
        Self {
            name: status.name.to_owned(),
            kind: status.kind.as_str().to_owned(),
            workers: status.workers,
            busy: status.busy,
            queue: Queue {
                depth: status.queue_depth,
                capacity: status.queue_capacity,
            },
            items: Items {
                done: status.items.done,
                skip: status.items.skip,
                retry: status.items.retry,
                fatal: status.items.fatal,
                panic: status.items.panic,
            },
            ..Self::default()
        }
    }
}

/// Parts of a flow, without rates.
#[must_use]
pub fn stages(control: &Control) -> Vec<Stage> {
    control.snapshot().iter().map(Stage::from).collect()
}

impl Stage {
    /// Returns true for a side loop.
    #[must_use]
    pub fn is_loop(&self) -> bool {
        self.kind == "tick"
    }

    /// Returns true for a part that handles the items of a queue.
    #[must_use]
    pub fn has_queue(&self) -> bool {
        self.kind != "tick" && self.kind != "source"
    }
}

/// A queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// Items in it.
    pub depth: u64,
    /// Places in it.
    pub capacity: u64,
}

/// Items by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Items {
    /// Handled.
    pub done: u64,
    /// Nothing to do.
    pub skip: u64,
    /// Failed for now.
    pub retry: u64,
    /// Failed for good.
    pub fatal: u64,
    /// Lost to a panic.
    pub panic: u64,
}

/// Two quantiles in milliseconds; none if there was nothing to time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Times {
    /// The median.
    pub p50: Option<f64>,
    /// 99 % were at most this.
    pub p99: Option<f64>,
}

/// State of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// The next turn is due later.
    #[default]
    Waiting,
    /// A turn is under way.
    Running,
}

/// A cluster: a show in a facility.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// Facility and show.
    pub name: String,
    /// Name of the facility.
    pub facility: String,
    /// Name of the show.
    pub show: String,
    /// State of its turn.
    pub turn: Turn,
    /// Time until its next turn, in milliseconds; none while one runs.
    pub due_in_ms: Option<u64>,
    /// Result of its last turn.
    pub last: Option<LastTurn>,
}

impl Cluster {
    /// Key of the order by next turn, in whole seconds. A busy cluster runs and waits by turns many times a second,
    /// so a running one counts as due at once to keep its place.
    #[must_use]
    pub fn next_turn(&self) -> u64 {
        self.due_in_ms.unwrap_or_default() / 1000
    }
}

/// Result of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastTurn {
    /// Code of the reason for its end.
    pub reason: String,
    /// Jobs found.
    pub jobs: u64,
    /// Layers in them.
    pub layers: u64,
    /// Frames for which a host was found.
    pub placed: u64,
    /// Frames booked.
    pub booked: u64,
    /// Frames launched.
    pub launched: u64,
    /// Placements refused by a cap.
    pub refused: u64,
}
