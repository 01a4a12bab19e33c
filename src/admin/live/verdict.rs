//! The verdict: the stage that holds the others up, or another reason why nothing is booked, in words.
//!
//! A stage is the bottleneck when its queue is full while its workers are busy, or when its workers are all busy and
//! finish nothing. Where several in a row are like that, it is the last one: the earlier ones wait for room in the
//! next queue. A planner of OpenCue that plans the same shows comes before all of that. Invariant: at most one
//! stage is called the bottleneck, and there always is a sentence.

use crate::status::{Hosts, Stage, Standing, Status, Unserved, Verdict};
use crate::words::{age_of, cores, count, time};

/// Share of its queue from which a stage counts as backed up.
const FULL: f64 = 0.75;

/// Share of its workers from which a stage counts as busy.
const BUSY: f64 = 0.85;

/// Share of idle cores below which the farm counts as full.
const FARM_FULL: f64 = 0.02;

/// Seconds of rates before anything can be said about a stage that has finished nothing yet.
const LONG: f64 = 3.0;

/// Sentence before all others while Maestro has a leader. It must fit a line of the terminal view.
const MAESTRO: &str = "Maestro plans the same shows: set maestro.enabled=no on every Cuebot.";

/// Marks the standing of each stage and adds the verdict. The stages are in the order of the flow, and the rates
/// were taken for this many seconds.
pub(super) fn judge(status: &mut Status, seconds: f64) {
    let bottleneck = mark_stages(status, seconds);
    let mut sentence = match bottleneck.map(|n| &status.stages[n]) {
        Some(stage) if is_stuck(stage, seconds) => {
            format!("{} Nothing passes it.", stuck(stage, seconds))
        }
        Some(stage) => backed_up(stage),
        None => hindrance(status).unwrap_or_else(|| unhindered(status, seconds)),
    };
    let condition = &status.condition;
    if condition.maestro_leader.is_some() && condition.database_retry_ms.is_none() {
        sentence = format!("{MAESTRO} {sentence}");
    }
    if let Some(unserved) = unserved(&status.unserved) {
        sentence = format!("{sentence} {unserved}");
    }
    status.verdict = Verdict {
        bottleneck: bottleneck.map(|n| status.stages[n].name.clone()),
        sentence,
    };
}

/// Marks the stages and finds the bottleneck. While the database is away, or every booking fails, the stages that
/// need it wait for it, and none of them is to blame.
fn mark_stages(status: &mut Status, seconds: f64) -> Option<usize> {
    let condition = &status.condition;
    let away = condition.database_retry_ms.is_some() || condition.booking_failing.is_some();
    let is_backed_up = |stage: &Stage| {
        let full = stage.queue.capacity > 0 && stage.queue_share >= FULL;
        (full || is_stuck(stage, seconds)) && stage.busy_share >= BUSY
    };
    let last = status.stages.iter().rposition(is_backed_up);
    let bottleneck = last.filter(|_| !away);
    for (n, stage) in status.stages.iter_mut().enumerate() {
        stage.standing = match bottleneck {
            Some(last) if n == last => Standing::Bottleneck,
            Some(last) if n < last && is_backed_up(stage) => Standing::HeldUp,
            _ if stage.busy > 0 || stage.per_second > 0.0 => Standing::Working,
            _ => Standing::Idle,
        };
    }
    bottleneck
}

fn backed_up(stage: &Stage) -> String {
    let pass = stage.run_ms.p50.map_or_else(String::new, |ms| {
        format!(" Half its passes take over {}.", time(ms))
    });
    let are = if stage.workers == 1 { "is" } else { "are" };
    format!(
        "{name} is the bottleneck: its queue is {queue:.0} % full, {busy:.0} % of its {workers} {are} \
         busy, and the stages before it wait.{pass}",
        name = stage.name,
        queue = stage.queue_share * 100.0,
        busy = stage.busy_share * 100.0,
        workers = workers(stage),
    )
}

/// A reason outside of the stages for which nothing more can be booked.
fn hindrance(status: &Status) -> Option<String> {
    let condition = &status.condition;
    if condition.database_retry_ms.is_some() {
        return Some("Nothing can be booked: the database does not answer.".to_owned());
    }
    if condition.facility_gone {
        let sentence =
            "Nothing can be booked: the facility of CUE_FACILITY is not in the database.";
        return Some(sentence.to_owned());
    }
    if let Some(failing) = &condition.booking_failing {
        let (seconds, reason) = (failing.seconds, &failing.reason);
        return Some(format!("Nothing can be booked for {seconds} s: {reason}."));
    }
    if condition.draining {
        return Some("No new turn begins, because the service stops.".to_owned());
    }
    if let Some(pause) = condition.all_paused() {
        let (by, left, reason) = (&pause.by, age_of(pause.remaining_ms), &pause.reason);
        return Some(format!(
            "Booking is paused by {by} for {left} more: {reason}."
        ));
    }
    let hosts = status.hosts.as_ref().filter(|hosts| is_full(hosts))?;
    Some(format!(
        "The farm is full: {} of {} cores are idle. No stage holds the others up.",
        cores(hosts.idle_centicores),
        cores(hosts.total_centicores)
    ))
}

/// The sentence while nothing hinders booking: the busiest stage, or the reason why nothing is booked.
fn unhindered(status: &Status, seconds: f64) -> String {
    if status.frames.per_second <= 0.0 {
        return format!("Nothing is being booked: {}", idle_reason(status, seconds));
    }
    let stages = status.stages.iter().filter(|stage| stage.has_queue());
    match stages.max_by(|left, right| left.busy_share.total_cmp(&right.busy_share)) {
        Some(stage) => format!(
            "No stage holds the others up. The busiest is {}, at {:.0} % of its workers.",
            stage.name,
            stage.busy_share * 100.0
        ),
        None => "No stage holds the others up.".to_owned(),
    }
}

fn idle_reason(status: &Status, seconds: f64) -> String {
    let mut stages = status.stages.iter();
    if let Some(stage) = stages.rfind(|stage| is_stuck(stage, seconds)) {
        return stuck(stage, seconds);
    }
    if status.hosts.is_some_and(|hosts| hosts.known == 0) {
        return "no host is up and open.".to_owned();
    }
    let ended = |reason: &str| {
        let last = status.clusters.iter().filter_map(|one| one.last.as_ref());
        last.filter(|last| last.reason == reason).count()
    };
    match (ended("query_error"), ended("saturated")) {
        (0, 0) => "no cluster has a frame that can run now.".to_owned(),
        (0, 1) => {
            "one cluster has work, and its hosts, caps and limits have no room for it.".to_owned()
        }
        (0, n) => {
            format!("{n} clusters have work, and their hosts, caps and limits have no room for it.")
        }
        (1, _) => "the last turn of one cluster failed.".to_owned(),
        (n, _) => format!("the last turns of {n} clusters failed."),
    }
}

/// Sentence about the work that no host could serve: nothing else would show it.
fn unserved(unserved: &Unserved) -> Option<String> {
    let example = unserved.examples.first().filter(|_| unserved.layers > 0)?;
    let (noun, them) = if unserved.layers == 1 {
        ("layer has", "it")
    } else {
        ("layers have", "them")
    };
    let layers = count(unserved.layers);
    Some(format!(
        "{layers} waiting {noun} no host that could serve {them}, as {example}."
    ))
}

/// Returns true if the stage had something in hand and finished nothing.
fn is_stuck(stage: &Stage, seconds: f64) -> bool {
    stage.has_queue() && stage.busy > 0 && stage.per_second <= 0.0 && seconds >= LONG
}

fn stuck(stage: &Stage, seconds: f64) -> String {
    let (name, busy, workers) = (&stage.name, stage.busy, workers(stage));
    format!("{name} has finished nothing for {seconds:.0} s, with {busy} of its {workers} busy.")
}

fn workers(stage: &Stage) -> String {
    let plural = if stage.workers == 1 { "" } else { "s" };
    format!("{} worker{plural}", stage.workers)
}

fn is_full(hosts: &Hosts) -> bool {
    hosts.total_centicores > 0
        && (hosts.idle_centicores as f64) < FARM_FULL * hosts.total_centicores as f64
}
