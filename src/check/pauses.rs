//! Pauses of booking that hold, and the rights to set them.

use cue_store::{NeededRight, PauseRow, Store};

use super::finding::{Finding, judged, ok, warn};
use crate::words;

/// Lists the pauses, and looks for the rights of the levers.
pub(super) async fn look(store: &Store) -> Vec<Finding> {
    let mut found = judged("pauses", store.pauses().await, held);
    found.extend(judged("pauses", store.check_lever_rights().await, rights));
    found
}

fn held(pauses: Vec<PauseRow>) -> Vec<Finding> {
    if pauses.is_empty() {
        return vec![ok("booking is not paused")];
    }
    let finding = |row: PauseRow| {
        let (pause, left) = (row.pause, words::age(row.remaining));
        let says = format!(
            "booking is paused for {}, by {} for {left} more: {}",
            pause.scope, pause.by, pause.reason
        );
        warn(says, "it ends by itself, or with `cue-scheduler resume`")
    };
    pauses.into_iter().map(finding).collect()
}

/// Without these rights booking goes on, and only the levers do not work.
fn rights(rights: Vec<NeededRight>) -> Option<Finding> {
    let missing = rights
        .iter()
        .filter(|right| !right.held && right.relation == "config");
    let missing: Vec<&str> = missing.map(|right| right.privilege.as_str()).collect();
    let missing = (!missing.is_empty()).then(|| missing.join(", "))?;
    Some(warn(
        format!("booking cannot be paused: the role lacks {missing} on config"),
        format!("GRANT {missing} ON config TO the role of the scheduler"),
    ))
}
