//! Limits: those that hold back less, or more, than somebody may think.

use std::time::Duration;

use cue_store::{OddLimit, Store};

use super::finding::{Finding, judged, warn};

/// One finding a limit that needs a look; nothing where all are as they should be.
pub(super) async fn look(store: &Store) -> Vec<Finding> {
    judged("limits", store.check_limits().await, |odd| {
        odd.into_iter().map(finding)
    })
}

fn finding(limit: OddLimit) -> Finding {
    let OddLimit {
        name,
        without_maximum,
        stale,
        doubled,
    } = limit;
    if without_maximum {
        return warn(
            format!("limit {name} has no maximum, so its layers do not run"),
            format!(
                "give it one: cueadmin and CueGUI set it, or UPDATE limit_record SET int_max_value = N WHERE str_name = '{name}'"
            ),
        );
    }
    if let Some(age) = stale {
        let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
        return warn(
            format!("limit {name} holds nothing back: its last licence report is {age} old"),
            "see that what reports licences runs, or set its report TTL to 0",
        );
    }
    warn(
        format!("limit {name} is bound twice to {doubled} layers; each counts once"),
        "nothing need be done: Cuebot's next migration removes the second row",
    )
}
