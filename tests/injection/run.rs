//! The run of a row: strike, watch, lift, watch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::answers;
use crate::farm::Farm;
use crate::judge;
use crate::outcome::Outcome;
use crate::row::{Row, Sounds, Victim};
use crate::stream::{Poll, Sound, Stream};

/// Longest wait for what is late already, so that the delay is known.
pub const GRACE: Duration = Duration::from_secs(30);

/// Longest time that a fault lasts beyond its least.
const LONGEST: Duration = Duration::from_secs(10);

/// Sound jobs that must have started before the fault, and after it.
pub const SOME: usize = 3;

/// Sound jobs that come while the fault lasts.
const ENOUGH: usize = 8;

/// Time for which `/readyz` says 503 under a fault, at least.
const UNREADY: Duration = Duration::from_secs(1);

/// Times that a job is tried under a fault which refuses it.
const REFUSALS: usize = 2;

/// The moments of a row.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    pub struck: Instant,
    pub lifted: Instant,
}

/// Runs a row. The farm is returned if it is as good as new.
pub async fn run(row: &Row, mut farm: Farm) -> (Outcome, Option<Farm>) {
    let mut outcome = Outcome::of(&row.name);
    let launched = farm.world.rqd.launch_count();
    let submitter = farm.begin().await;
    let stream = Stream::start(submitter, row.only_other_show);
    let poll = Poll::start(Arc::clone(&farm.service));
    let opened = Instant::now();
    let warm =
        || farm.world.rqd.launch_count() >= launched + SOME && poll.last_since(opened) == Some(200);
    if !soon(GRACE, warm).await {
        outcome.broken("nothing was booked before the fault".to_owned());
        return (outcome, None);
    }

    let before = answers::set_aside(&farm).await;
    let struck = Instant::now();
    let hold = row.fault.strike(&mut farm).await;
    if row.victim != Victim::Apart {
        farm.release_victim().await;
    }
    is_at_work(row, &farm, &stream, &poll, (struck, before)).await;
    answers::explained(row, &farm, &stream, &mut outcome).await;
    tokio::time::sleep((struck + row.least).saturating_duration_since(Instant::now())).await;
    row.fault.lift(hold, &mut farm).await;
    let lifted = Instant::now();
    outcome.lasted = lifted - struck;
    if row.victim == Victim::Apart {
        farm.release_victim().await;
    }

    let back = || {
        let starts = starts(&farm);
        let sounds = stream.sounds();
        let has_started = |sound: &Sound| starts.contains_key(&sound.frame);
        // Jobs go on coming, and on a busy machine the youngest has never started.
        let (late, others): (Vec<_>, Vec<_>) = sounds
            .into_iter()
            .partition(|sound| sound.submitted > lifted);
        late.into_iter().filter(has_started).count() >= SOME
            && others.iter().all(has_started)
            && starts.contains_key(farm.victim_frame())
            && poll.last_since(lifted) == Some(200)
    };
    let _late = soon(GRACE, back).await;
    let sounds = stream.stop().await;
    let answers = poll.stop().await;
    let frames = farm.frames().await;
    let complete = soon(GRACE, || starts(&farm).len() >= frames).await;
    let starts = starts(&farm);
    let moments = Moments { struck, lifted };
    judge::sounds(row, moments, &sounds, &starts, &mut outcome);
    judge::victim(row, moments, starts.get(farm.victim_frame()), &mut outcome);
    judge::readiness(row, moments, &answers, &mut outcome);
    if !complete {
        let missing = frames.saturating_sub(starts.len());
        let left = farm.autopsy().await;
        outcome.broken(format!(
            "{missing} frames did not start in {GRACE:?}:\n{left}"
        ));
        return (outcome, None);
    }
    farm.finish_frames().await;
    (outcome, Some(farm))
}

/// Waits until the fault has done what it does, or a while: the judges say then what is missing.
async fn is_at_work(
    row: &Row,
    farm: &Farm,
    stream: &Stream,
    poll: &Poll,
    (struck, before): (Instant, usize),
) {
    let until = row.least + LONGEST;
    let concerned = |sounds: &[Sound]| {
        let starts = starts(farm);
        let during = sounds.iter().filter(|sound| sound.submitted > struck);
        let started = during
            .clone()
            .filter(|sound| starts.contains_key(&sound.frame));
        (during.count(), started.count())
    };
    let is_so = || match row.sounds {
        Sounds::GoOn => concerned(&stream.sounds()).1 >= ENOUGH,
        Sounds::Recover(_) => {
            let (came, started) = concerned(&stream.sounds());
            started >= ENOUGH && started == came && poll.last_since(struck) == Some(200)
        }
        Sounds::Stand => poll.unready_for(struck) >= UNREADY,
    };
    let _late = soon(until, is_so).await;
    if !matches!(row.victim, Victim::Refused(_)) {
        return;
    }
    let left = (struck + until).saturating_duration_since(Instant::now());
    let tried = async {
        while answers::set_aside(farm).await < before + REFUSALS {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _late = tokio::time::timeout(left, tried).await;
}

/// Waits for a condition, and returns false if it does not come in time.
async fn soon(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// The first start of each frame.
pub fn starts(farm: &Farm) -> HashMap<String, Instant> {
    let mut starts = HashMap::new();
    for launch in farm.world.rqd.launches() {
        starts
            .entry(launch.frame_id.to_string())
            .or_insert(launch.at);
    }
    starts
}
