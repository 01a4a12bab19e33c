//! Hosts that have a layer's tags and cannot be booked.
//!
//! Invariant: a host is counted under one reason, the first that applies, so the numbers add up.

use std::time::Duration;

use crate::text::{many, time};

/// The hosts that have one of the tags, by the reason for which they cannot be booked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaggedHosts {
    /// All of them.
    pub hosts: i64,
    /// Of another facility than the job.
    pub elsewhere: i64,
    /// Locked because somebody works at them.
    pub nimby: i64,
    /// Locked otherwise.
    pub locked: i64,
    /// Lent to a job by their users.
    pub lent: i64,
    /// Not up.
    pub down: i64,
    /// Without a report for too long.
    pub silent: i64,
    /// That time; `None` if a host may be silent for ever.
    pub silent_after: Option<Duration>,
}

/// Predicate of a layer whose `tags` no host has that may be booked. `several` is true if it names more than one.
pub(super) fn no_tag(tagged: Option<&TaggedHosts>, tags: &str, several: bool) -> String {
    let Some(tagged) = tagged else {
        return format!("cannot run because no host that is up and open has {tags}");
    };
    if tagged.hosts <= 0 {
        return format!("cannot run because no host has {tags}");
    }
    let ours = match tagged.elsewhere {
        ..=0 => "",
        _ => " of its facility",
    };
    let have = if tagged.hosts == 1 { "has" } else { "have" };
    format!(
        "cannot run because no host{ours} that is up and open has {tags}; {} {have} {}: {}",
        many(tagged.hosts, "host"),
        if several { "one of them" } else { "the tag" },
        reasons(tagged).join(", ")
    )
}

fn reasons(tagged: &TaggedHosts) -> Vec<String> {
    let kept = [
        tagged.elsewhere,
        tagged.nimby,
        tagged.locked,
        tagged.lent,
        tagged.down,
        tagged.silent,
    ];
    let kept = kept.into_iter().fold(0, i64::saturating_add);
    let silent = tagged.silent_after.map_or_else(
        || "silent".to_owned(),
        |after| format!("been silent for over {}", time(after)),
    );
    // The hosts were read a moment before.
    let open = tagged.hosts.saturating_sub(kept);
    let (be, have) = (["is", "are"], ["has", "have"]);
    let counts = [
        (tagged.locked, be, "locked"),
        (tagged.nimby, be, "in use by somebody (NIMBY)"),
        (tagged.lent, be, "lent to a job by its user (local render)"),
        (tagged.down, be, "down"),
        (tagged.silent, have, silent.as_str()),
        (tagged.elsewhere, be, "of another facility"),
        (open, be, "up and open by now"),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let reasons = counts.map(|(count, [one, several], reason)| {
        let verb = if count == 1 { one } else { several };
        format!("{count} {verb} {reason}")
    });
    reasons.collect()
}
