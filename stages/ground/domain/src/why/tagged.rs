//! Hosts that have a layer's tags and cannot be booked all the same.
//!
//! Invariant: a host is counted under one thing, the first that keeps it, so the numbers add up.

use std::time::Duration;

use crate::amounts::{many, time};

/// The hosts that have one of the tags, by what keeps them from being booked.
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
    /// Not heard of for too long.
    pub silent: i64,
    /// How long that is; `None` if a host may be silent for as long as it likes.
    pub silent_after: Option<Duration>,
}

/// What to say when no host that may be booked has `tags`, of which there are so `several`.
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
        many(usize::try_from(tagged.hosts).unwrap_or(0), "host"),
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
    let be = |count| if count == 1 { "is" } else { "are" };
    let have = |count| if count == 1 { "has" } else { "have" };
    let all = [
        (tagged.locked, be(tagged.locked), "locked"),
        (tagged.nimby, be(tagged.nimby), "in use by somebody (NIMBY)"),
        (
            tagged.lent,
            be(tagged.lent),
            "lent to a job by its user (local render)",
        ),
        (tagged.down, be(tagged.down), "down"),
        (tagged.silent, have(tagged.silent), silent.as_str()),
        (
            tagged.elsewhere,
            be(tagged.elsewhere),
            "of another facility",
        ),
        // The hosts were read a moment before.
        (
            tagged.hosts.saturating_sub(kept),
            be(tagged.hosts.saturating_sub(kept)),
            "up and open by now",
        ),
    ];
    all.into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, verb, what)| format!("{count} {verb} {what}"))
        .collect()
}
