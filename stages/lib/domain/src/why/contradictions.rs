//! Rows that contradict each other: a host's ledger, its procs and its report; a counter and its frames.
//!
//! Nobody corrects them automatically, and until somebody does the scheduler goes by the row that it
//! reads. Invariant: a contradiction is the answer only where the job would run without it.

use std::fmt;

use crate::host::MemoryReport;
use crate::ids::{HostId, LayerId};
use crate::text::{gib, many};
use crate::units::Resources;

/// Rows that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Hosts have room by their ledgers, and report less free memory than a frame takes.
    Memory {
        /// Number of these hosts.
        hosts: usize,
        /// Most memory that may be booked on one of them, in KiB.
        free: i64,
        /// True if all of them report less than [`MemoryReport::LEAST`](crate::MemoryReport::LEAST).
        low: bool,
    },
    /// A host would have room if its ledger agreed with its procs.
    Ledger {
        /// The host.
        fault: LedgerFault,
        /// Number of further such hosts.
        others: usize,
    },
    /// A counter of waiting frames is wrong, so nobody looks for the frames or finds none.
    Counter {
        /// Layer of the counter; none if it is the job's.
        layer: Option<String>,
        /// Its value.
        counted: i64,
        /// The layer's waiting frames.
        waiting: i64,
    },
}

/// A host whose ledger differs from what its procs leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFault {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub name: String,
    /// Idle resources by the ledger.
    pub ledger: Resources,
    /// The host's total less the resources of its procs.
    pub left: Resources,
}

/// A layer's waiting frames: by its counter, by its job's counter, and in fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingCount {
    /// The layer.
    pub layer: LayerId,
    /// The counter of the layer.
    pub counted: i64,
    /// The counter of the job, for all of its layers.
    pub counted_in_job: i64,
    /// The layer's waiting frames.
    pub waiting: i64,
}

impl fmt::Display for Contradiction {
    /// Predicate of the sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Memory { hosts, free, low } => memory_in_use(*hosts, *free, *low),
            Self::Ledger { fault, others } => ledger_fault(fault, *others),
            Self::Counter {
                layer,
                counted,
                waiting,
            } => miscounted(layer.as_deref(), *counted, *waiting),
        })
    }
}

fn memory_in_use(hosts: usize, free: i64, low: bool) -> String {
    let hosts = match hosts {
        1 => "the only host with room by its bookings reports".to_owned(),
        hosts => format!("all {hosts} hosts with room by their bookings report"),
    };
    let (least, free) = (gib(MemoryReport::LEAST.0), gib(free.max(0)));
    let memory = if low {
        format!("less than {least} of free memory")
    } else {
        format!("too little free memory: at most {free} that are not booked since")
    };
    format!("waits because {hosts} {memory}")
}

fn ledger_fault(fault: &LedgerFault, others: usize) -> String {
    let more = match others {
        0 => String::new(),
        others => format!(" (as on {})", many(others, "other host")),
    };
    format!(
        "waits because the books of host {} are wrong: they have {} idle, and what runs there leaves {}{more}; \
         `cue-scheduler check` says how to set them right",
        fault.name, fault.ledger, fault.left
    )
}

fn miscounted(layer: Option<&str>, counted: i64, waiting: i64) -> String {
    let owner = layer.map_or_else(|| "its job".to_owned(), |layer| format!("layer {layer}"));
    let frames = match waiting {
        ..=0 => "no frame of it waits".to_owned(),
        1 => "1 frame waits".to_owned(),
        waiting => format!("{waiting} frames wait"),
    };
    format!(
        "does not run because the counter of waiting frames of {owner} is wrong: it says {counted}, and {frames}; \
         `cue-scheduler check` says how to set it right"
    )
}

#[cfg(test)]
mod tests;
