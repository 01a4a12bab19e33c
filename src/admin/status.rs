//! The sections of `/status`.
//!
//! Invariant: a section is made anew for each request from numbers that are kept anyway; asking for
//! the status takes no lock that booking waits for longer than a copy takes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cue_flow::{Control, StageStatus};
use serde_json::{Value, json};

type Show = Arc<dyn Fn() -> Value + Send + Sync>;

/// A named part of the status.
#[derive(Clone)]
pub struct Section {
    pub(super) name: &'static str,
    pub(super) show: Show,
}

impl Section {
    /// Its name, and what it shows now.
    #[must_use]
    pub fn read(&self) -> (&'static str, Value) {
        (self.name, (self.show)())
    }

    /// A section that shows what `show` returns; it must not block.
    pub fn new(name: &'static str, show: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self {
            name,
            show: Arc::new(show),
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Section").field(&self.name).finish()
    }
}

/// The section of the stages.
#[must_use]
pub fn stages(control: Control) -> Section {
    Section::new("stages", move || {
        control.snapshot().iter().map(stage).collect()
    })
}

fn stage(status: &StageStatus) -> Value {
    json!({
        "name": status.name,
        "kind": status.kind.as_str(),
        "workers": status.workers,
        "busy": status.busy,
        "queue": { "depth": status.queue_depth, "capacity": status.queue_capacity },
        "items": {
            "done": status.items.done,
            "skip": status.items.skip,
            "retry": status.items.retry,
            "fatal": status.items.fatal,
            "panic": status.items.panic,
        },
        "queue_wait_ms": { "p50": ms(status.queue_wait_p50), "p99": ms(status.queue_wait_p99) },
        "run_ms": { "p50": ms(status.run_p50), "p99": ms(status.run_p99) },
    })
}

fn ms(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64() * 1000.0)
}
