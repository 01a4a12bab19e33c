//! Which stage holds the others up, in words.
//!
//! A stage is the bottleneck when what is queued before it fills its queue while its workers are
//! busy, or when its workers are all busy and finish nothing. Where several in a row are like that, the last one is: the earlier ones wait for room in the
//! next queue. A planner of OpenCue that plans the same shows comes before all of that. Invariant: at most one
//! stage is called the bottleneck, and there always is a sentence.

use serde::{Deserialize, Serialize};

use super::sample::{Condition, HostsLine, StageLine, Standing};
use crate::words::{cores, time};

/// What holds the pipeline up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The stage the others wait for, if there is one.
    pub bottleneck: Option<String>,
    /// All of it in one sentence, or two.
    pub sentence: String,
}

/// From which share of its queue on a stage counts as backed up.
const FULL: f64 = 0.75;

/// From which share of its workers on a stage counts as busy.
const BUSY: f64 = 0.85;

/// Under this share of idle cores the farm counts as full.
const FARM_FULL: f64 = 0.02;

/// Sentence before all others while Maestro has a leader. It must fit a line of the terminal view.
const MAESTRO: &str = "Maestro plans the same shows: set maestro.enabled=no on every Cuebot.";

/// Marks how each stage stands, and says what that means. The stages are in the order of the flow.
///
/// `seconds` is how long the rates have been taken for; `wanting` is how many clusters found work in
/// their last turn and no room for it.
pub(super) fn judge(
    stages: &mut [StageLine],
    hosts: Option<&HostsLine>,
    condition: Condition,
    rates: (f64, f64),
    wanting: usize,
) -> Verdict {
    let mut verdict = of_the_pipeline(stages, hosts, condition, rates, wanting);
    if condition.maestro_leader.is_some() && condition.database_retry_ms.is_none() {
        verdict.sentence = format!("{MAESTRO} {}", verdict.sentence);
    }
    verdict
}

/// While the database is away every stage that needs it is busy waiting for it, and none of them is
/// to blame.
fn of_the_pipeline(
    stages: &mut [StageLine],
    hosts: Option<&HostsLine>,
    condition: Condition,
    (booked, seconds): (f64, f64),
    wanting: usize,
) -> Verdict {
    let away = condition.database_retry_ms.is_some();
    let backed_up = |stage: &StageLine| {
        let full = stage.queue.capacity > 0 && stage.queue_share >= FULL;
        (full || is_stuck(stage, seconds)) && stage.busy_share >= BUSY
    };
    let bottleneck = if away {
        None
    } else {
        stages.iter().rposition(backed_up)
    };
    for (n, stage) in stages.iter_mut().enumerate() {
        stage.standing = match bottleneck {
            Some(last) if n == last => Standing::Bottleneck,
            Some(last) if n < last && backed_up(stage) => Standing::HeldUp,
            _ if stage.busy > 0 || stage.per_second > 0.0 => Standing::Working,
            _ => Standing::Idle,
        };
    }
    let Some(stage) = bottleneck.map(|n| &stages[n]) else {
        return Verdict {
            bottleneck: None,
            sentence: unhindered(stages, hosts, condition, (booked, seconds), wanting),
        };
    };
    if is_stuck(stage, seconds) {
        return Verdict {
            bottleneck: Some(stage.name.clone()),
            sentence: format!("{} Nothing passes it.", stuck(stage, seconds)),
        };
    }
    let pass = stage.run_ms.p50.map_or_else(String::new, |ms| {
        format!(" Half its passes take over {}.", time(ms))
    });
    let sentence = format!(
        "{name} is the bottleneck: its queue is {queue:.0} % full, {busy:.0} % of its {workers} {noun} \
         busy, and the stages before it wait.{pass}",
        name = stage.name,
        queue = stage.queue_share * 100.0,
        busy = stage.busy_share * 100.0,
        workers = stage.workers,
        noun = if stage.workers == 1 {
            "worker is"
        } else {
            "workers are"
        },
    );
    Verdict {
        bottleneck: Some(stage.name.clone()),
        sentence,
    }
}

fn unhindered(
    stages: &[StageLine],
    hosts: Option<&HostsLine>,
    condition: Condition,
    (booked, seconds): (f64, f64),
    wanting: usize,
) -> String {
    if condition.database_retry_ms.is_some() {
        return "Nothing can be booked: the database does not answer.".to_owned();
    }
    if condition.facility_gone {
        return "Nothing can be booked: the facility of CUE_FACILITY is not in the database."
            .to_owned();
    }
    if condition.draining {
        return "No new turn begins, because the service has been told to stop.".to_owned();
    }
    if let Some(hosts) = hosts.filter(|hosts| full(hosts)) {
        return format!(
            "The farm is full: {} of {} cores are idle. No stage holds the others up.",
            cores(hosts.idle_centicores),
            cores(hosts.total_centicores)
        );
    }
    if booked <= 0.0 {
        if let Some(stage) = stages.iter().rfind(|stage| is_stuck(stage, seconds)) {
            return format!("Nothing is being booked: {}", stuck(stage, seconds));
        }
        if hosts.is_some_and(|hosts| hosts.known == 0) {
            return "Nothing is being booked: no host is up and open.".to_owned();
        }
        return match wanting {
            0 => "Nothing is being booked: no cluster has a frame that can run now.".to_owned(),
            1 => "Nothing is being booked: one cluster has work, and its hosts, caps and limits have no room for it.".to_owned(),
            n => format!("Nothing is being booked: {n} clusters have work, and their hosts, caps and limits have no room for it."),
        };
    }
    let busiest = stages
        .iter()
        .filter(|stage| stage.kind != "source" && stage.kind != "tick")
        .max_by(|left, right| left.busy_share.total_cmp(&right.busy_share));
    match busiest {
        Some(stage) => format!(
            "No stage holds the others up. The busiest is {}, at {:.0} % of its workers.",
            stage.name,
            stage.busy_share * 100.0
        ),
        None => "No stage holds the others up.".to_owned(),
    }
}

/// Under so many seconds of rates nothing can be said about a stage that has finished nothing yet.
const LONG: f64 = 3.0;

/// Whether it has had something in hand and finished nothing.
fn is_stuck(stage: &StageLine, seconds: f64) -> bool {
    let works = stage.kind != "source" && stage.kind != "tick" && stage.busy > 0;
    works && stage.per_second <= 0.0 && seconds >= LONG
}

fn stuck(stage: &StageLine, seconds: f64) -> String {
    format!(
        "{} has finished nothing for {seconds:.0} s, with {} of its {} {} busy.",
        stage.name,
        stage.busy,
        stage.workers,
        if stage.workers == 1 {
            "worker"
        } else {
            "workers"
        },
    )
}

fn full(hosts: &HostsLine) -> bool {
    hosts.total_centicores > 0
        && (hosts.idle_centicores as f64) < FARM_FULL * hosts.total_centicores as f64
}
