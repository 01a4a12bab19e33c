//! Reports, ledgers and counters that contradict each other, as sentences.

use std::fmt;

use super::{Contradiction, LedgerFault};
use crate::amounts::{gib, many};
use crate::host::MemoryReport;

impl fmt::Display for Contradiction {
    /// The predicate of a sentence about what waits.
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
    let who = match hosts {
        1 => "the only host with room by its bookings reports".to_owned(),
        hosts => format!("all {hosts} hosts with room by their bookings report"),
    };
    let what = if low {
        format!("less than {} of free memory", gib(MemoryReport::LEAST.0))
    } else {
        format!(
            "too little free memory: at most {} that are not booked since",
            gib(free.max(0))
        )
    };
    format!("waits because {who} {what}")
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
    let whose = layer.map_or_else(|| "its job".to_owned(), |layer| format!("layer {layer}"));
    let are = match usize::try_from(waiting) {
        Ok(0) | Err(_) => "no frame of it waits".to_owned(),
        Ok(1) => "1 frame waits".to_owned(),
        Ok(waiting) => format!("{waiting} frames wait"),
    };
    format!(
        "does not run because the counter of waiting frames of {whose} is wrong: it says {counted}, and {are}; \
         `cue-scheduler check` says how to set it right"
    )
}
