//! Numbers and names that a reason compared, as JSON.

use cue_domain::why::{CapFacts, Dimension, Lack, Why};
use cue_domain::{Misfit, Tag};
use serde_json::{Value, json};

use crate::status::ms;

/// Facts of the reason; null if the reason has none.
pub(super) fn of(why: &Why) -> Value {
    match why {
        Why::OtherFacility(facility) => json!({ "facility": facility }),
        Why::JobState(state) => json!({ "state": state }),
        Why::FrameState(frame) => json!({
            "state": frame.state, "host": frame.host, "depends_on": frame.depends_on,
        }),
        Why::NothingWaits(counts) => json!({
            "frames": counts.total, "running": counts.running, "done": counts.done,
            "depend": counts.depend, "dead": counts.dead,
        }),
        Why::StartsLater { wait, reason } => json!({ "wait_ms": ms(*wait), "reason": reason }),
        Why::Burst {
            subscription,
            takes,
        } => json!({
            "allocation": subscription.name, "used_cores": cores(subscription.cores),
            "max_cores": cores(subscription.burst), "takes_cores": takes.map(|takes| cores(takes.0)),
        }),
        Why::FolderCores(cap) | Why::JobCores { cap, .. } => of_cores(cap),
        Why::FolderGpus(cap) | Why::JobGpus(cap) => {
            json!({ "name": cap.name, "used_gpus": cap.gpus, "max_gpus": cap.max_gpus })
        }
        Why::Limit(facts) => json!({
            "name": facts.name, "used": facts.limit.usage(), "max": facts.limit.cap(),
            "reported": facts.reported, "unit": facts.limit.kind().unit(), "holders": facts.holders,
        }),
        Why::NoTag(tags) => {
            let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
            json!({ "tags": tags })
        }
        Why::TagElsewhere { hosts } | Why::ThreadMode { hosts } => json!({ "hosts": hosts }),
        Why::NoOs { hosts, offered } => {
            let offered: Vec<&str> = offered.iter().map(|os| &**os).collect();
            json!({ "hosts": hosts, "offered": offered })
        }
        Why::TooSmall(Some(lack)) => of_lack(lack),
        Why::Reserved(hosts) | Why::ReservedForOther(hosts) => {
            json!({ "hosts": hosts.names, "ready_in_ms": ms(hosts.ready_in.time) })
        }
        Why::Busy { fitting, .. } => json!({ "hosts": fitting }),
        Why::HostsBackOff { hosts, remaining } => {
            json!({ "hosts": hosts, "remaining_ms": ms(*remaining) })
        }
        Why::CapTooTight(Misfit::JobCap { needed, remaining }) => json!({
            "takes_cores": cores(needed.0), "remaining_cores": cores(remaining.0),
        }),
        Why::CanRun { ahead, hosts } => json!({ "frames_ahead": ahead, "hosts": hosts }),
        _ => Value::Null,
    }
}

fn of_cores(cap: &CapFacts) -> Value {
    json!({
        "name": cap.name, "used_cores": cores(cap.cores), "max_cores": cores(cap.max_cores),
    })
}

fn of_lack(lack: &Lack) -> Value {
    let (dimension, unit) = match lack.dimension {
        Dimension::Cores => ("cores", "centicores"),
        Dimension::Memory => ("memory", "KiB"),
        Dimension::Gpus => ("gpus", "GPUs"),
        Dimension::GpuMemory => ("gpu_memory", "KiB"),
    };
    json!({
        "dimension": dimension, "unit": unit, "needs": lack.needs, "biggest": lack.biggest,
    })
}

fn cores(centicores: i64) -> f64 {
    centicores as f64 / 100.0
}
