//! The judges: what was seen of sound jobs, the victim and `/readyz`, against what the row expects.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use crate::row::{OUTAGE, ROW, Row, SAID, SOUND, Sounds, Victim};
use crate::run::{Moments, SOME};
use crate::stream::{Ready, Sound};

/// Sound jobs that came before or under the fault, and those that came after it.
pub fn sounds(
    row: &Row,
    moments: Moments,
    sounds: &[Sound],
    starts: &HashMap<String, Instant>,
    outcome: &mut Outcome,
) {
    let Moments { struck, lifted } = moments;
    let usual = usual_wait(struck, sounds, starts);
    let most = match row.sounds {
        Sounds::GoOn => SOUND + usual,
        Sounds::Recover(most) => most,
        Sounds::Stand => Duration::MAX,
    };
    let during = sounds
        .iter()
        .filter(|sound| sound.submitted > struck && sound.submitted < lifted);
    if row.sounds == Sounds::GoOn && during.count() < SOME {
        outcome.broken("hardly any sound job came under the fault".to_owned());
    }
    let mut waited_too_long = Vec::new();
    for sound in sounds {
        let Some(&started) = starts.get(&sound.frame) else {
            continue;
        };
        let from = |moment: Instant| started.saturating_duration_since(moment);
        if started > lifted {
            outcome.back = outcome.back.max(Some(from(sound.submitted.max(lifted))));
        }
        if sound.submitted >= lifted || started <= struck {
            continue;
        }
        let wait = from(sound.submitted.max(struck));
        outcome.delay = outcome.delay.max(Some(wait));
        if wait > most {
            waited_too_long.push(wait);
        }
        if row.sounds == Sounds::Stand && started < lifted && from(struck) > SOUND {
            outcome.broken(format!("{} started though nothing could", sound.job));
        }
    }
    if let Some(longest) = waited_too_long.iter().max() {
        let n = waited_too_long.len();
        outcome.missed(format!(
            "{n} sound jobs waited up to {longest:.1?} of {most:.1?}"
        ));
    }
    let most = row.back + usual;
    if let Some(back) = outcome.back.filter(|back| *back > most) {
        outcome.missed(format!("back after {back:.1?} of {most:.1?}"));
    }
}

/// Median wait of the sound jobs that started before the fault: what a job waits without one, on a machine that is
/// as busy as it is.
fn usual_wait(struck: Instant, sounds: &[Sound], starts: &HashMap<String, Instant>) -> Duration {
    let mut waits: Vec<Duration> = sounds
        .iter()
        .filter_map(|sound| Some((sound.submitted, *starts.get(&sound.frame)?)))
        .filter(|(_, started)| *started < struck)
        .map(|(submitted, started)| started.saturating_duration_since(submitted))
        .collect();
    waits.sort_unstable();
    waits.get(waits.len() / 2).copied().unwrap_or_default()
}

/// The job that the fault is about.
pub fn victim(row: &Row, moments: Moments, start: Option<&Instant>, outcome: &mut Outcome) {
    let Some(&start) = start else { return };
    if row.victim != Victim::Apart && start < moments.lifted {
        outcome.broken("the victim started under the fault".to_owned());
    }
    let waited = start.saturating_duration_since(moments.lifted);
    outcome.victim = Some(waited);
    let most = match row.victim {
        Victim::Apart | Victim::Unexplained => row.back,
        Victim::Held(_) => ROW,
        // Its backoff doubles, so it lasts about as long as what came before.
        Victim::Refused(_) => ROW + outcome.lasted,
    };
    if waited > most {
        outcome.missed(format!("the victim ran after {waited:.1?} of {most:.1?}"));
    }
}

/// Answers of `/readyz`.
pub fn readiness(row: &Row, moments: Moments, answers: &[Ready], outcome: &mut Outcome) {
    let Moments { struck, lifted } = moments;
    let during = answers
        .iter()
        .filter(|ready| ready.asked >= struck && ready.answered < lifted);
    let mut after = answers.iter().filter(|ready| ready.asked >= lifted);
    let said = |ready: &Ready| format!("{} {}", ready.code, ready.body);
    let unready = during.clone().find(|ready| ready.code != 200);
    outcome.unready = unready.map(|ready| ready.answered - struck);
    match (row.sounds, unready) {
        (Sounds::GoOn, Some(unready)) => outcome.missed(format!("readyz {}", said(unready))),
        (Sounds::Stand, None) if row.keeps_jobs_away => {}
        (Sounds::Stand, None) => outcome.missed("readyz 200 throughout".to_owned()),
        (Sounds::Stand, Some(first)) => {
            let wait = first.answered - struck;
            if wait > SAID {
                outcome.missed(format!("readyz 503 after {wait:.1?} of {SAID:?}"));
            }
            let mut rest = during.skip_while(|ready| ready.code == 200);
            if rest.any(|ready| ready.code == 200) {
                outcome.missed("readyz 200 again under the fault".to_owned());
            }
        }
        _ => {}
    }
    let ready = after.find(|ready| ready.code == 200);
    outcome.ready = ready.map(|ready| ready.answered - lifted);
    match outcome.ready {
        None => outcome.missed("readyz is 503 after the fault".to_owned()),
        Some(wait) if wait > OUTAGE => {
            outcome.missed(format!("readyz 200 after {wait:.1?} of {OUTAGE:?}"));
        }
        Some(_) => {}
    }
}
