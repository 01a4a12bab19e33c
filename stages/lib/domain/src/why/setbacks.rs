//! Layers and hosts that back off, as predicates of sentences.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::pause::{Pause, PauseScope};
use crate::setback::Setback;
use crate::text::time;

/// Predicate of a layer that backs off.
pub(super) fn backs_off(backoff: &Backoff) -> String {
    let (since, remaining) = (time(backoff.since), time(backoff.remaining));
    let until = match backoff.remaining {
        Duration::ZERO => "is tried again now".to_owned(),
        _ => format!("for another {remaining}"),
    };
    let reason = match &backoff.reason {
        Setback::Launch => {
            return format!(
                "backs off for another {remaining}, because hosts refused its launches"
            );
        }
        Setback::Refused { code, message } if code.is_empty() => {
            format!("a row of it cannot be read: {message}")
        }
        Setback::Refused { code, message } => {
            format!("the database refuses a row of it with SQLSTATE {code}: {message}")
        }
        Setback::Held { table, holder } => {
            let holder = holder.as_deref().unwrap_or("another session");
            format!("{holder} holds a row of {table} that it needs")
        }
        Setback::AtLimit => "a limit of it is full".to_owned(),
        Setback::NotReady => "a cap is reached, or it is paused".to_owned(),
        Setback::NoHost => "no host took a frame of it".to_owned(),
    };
    format!("is set aside since {since} and {until}, because {reason}")
}

/// Predicate of a layer whose hosts with room all back off.
pub(super) fn hosts_back_off(hosts: usize, remaining: Duration) -> String {
    let remaining = time(remaining);
    match hosts {
        1 => format!(
            "waits because the only host with room failed to launch a frame and backs off for another {remaining}"
        ),
        hosts => format!(
            "waits because all {hosts} hosts with room failed to launch frames and back off, the first of them for \
             another {remaining}"
        ),
    }
}

/// Scope, person, reason and end of a pause.
pub(super) fn paused(pause: &Pause, remaining: Duration) -> String {
    let Pause { scope, by, reason } = pause;
    let scope = match scope {
        PauseScope::All => "everything".to_owned(),
        PauseScope::Facility(name) => format!("facility {name}"),
        PauseScope::Show(name) => format!("show {name}"),
    };
    let left = time(remaining);
    format!("waits because booking is paused for {scope}, by {by} for {left} more: {reason}")
}
