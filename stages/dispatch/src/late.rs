//! Late launches: requests that were stuck on their way when their booking was taken back.
//!
//! Such a frame would run without a booking, so its host is asked a few times more, and the frame is
//! killed where it turns up. A host that does not answer is asked later, and is given up after a while:
//! a request does not stay on its way for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::ProcId;

use crate::open_launch::Launch;

/// Times after the booking was taken back at which its host is asked.
const ASK: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// Pause before a host that did not answer is asked again.
const SILENT_FOR: Duration = Duration::from_secs(15);

/// Time after which a host that never answers is given up.
const GIVE_UP: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct LateLaunch {
    launch: Launch,
    since: Instant,
    /// Questions that were answered.
    answers: usize,
    due: Instant,
    asking: bool,
}

/// The launches that may arrive late.
#[derive(Debug, Default)]
pub(crate) struct LateLaunches(HashMap<ProcId, LateLaunch>);

impl LateLaunches {
    /// Remembers a launch that was taken back at `now`.
    pub(crate) fn add(&mut self, launch: Launch, now: Instant) {
        let late = LateLaunch {
            since: now,
            answers: 0,
            due: now + ASK[0],
            asking: false,
            launch,
        };
        self.0.insert(late.launch.booking.proc.clone(), late);
    }

    /// Takes those whose host must be asked at `now`, by host. For each host
    /// [`asked`](Self::asked) is called afterwards.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(Arc<str>, Vec<Launch>)> {
        self.0
            .retain(|_, late| now.saturating_duration_since(late.since) < GIVE_UP);
        let mut due: HashMap<Arc<str>, Vec<Launch>> = HashMap::new();
        for late in self.0.values_mut() {
            if !late.asking && late.due <= now {
                late.asking = true;
                let of_host = due
                    .entry(Arc::clone(&late.launch.booking.host))
                    .or_default();
                of_host.push(late.launch.clone());
            }
        }
        due.into_iter().collect()
    }

    /// Records that the host of these was asked, and whether it answered.
    pub(crate) fn asked(&mut self, launches: Vec<Launch>, answer: bool, now: Instant) {
        for launch in launches {
            let proc = &launch.booking.proc;
            let Some(late) = self.0.get_mut(proc) else {
                continue;
            };
            late.asking = false;
            late.answers += usize::from(answer);
            late.due = match ASK.get(late.answers) {
                None => {
                    self.0.remove(proc);
                    continue;
                }
                Some(_) if !answer => now + SILENT_FOR,
                Some(after) => now.max(late.since + *after),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use cue_rqd::TracePoint;
    use cue_store::Unlaunched;

    use super::*;

    fn launch(name: &str) -> Launch {
        let booking = Unlaunched {
            frame: name.into(),
            version: 1,
            proc: name.into(),
            host: "h".into(),
        };
        Launch {
            booking,
            trace: TracePoint::default(),
            dead: false,
        }
    }

    /// The seconds, of these, at which the host is asked, when it answers from `answers_from` on.
    fn asked_at(seconds: &[u64], answers_from: u64) -> Vec<u64> {
        let (mut late, now) = (LateLaunches::default(), Instant::now());
        late.add(launch("a"), now);
        let mut asked = Vec::new();
        for second in seconds {
            let then = now + Duration::from_secs(*second);
            for (_, launches) in late.take_due(then) {
                assert!(late.take_due(then).is_empty(), "it is asked once at a time");
                asked.push(*second);
                late.asked(launches, *second >= answers_from, then);
            }
        }
        asked
    }

    #[test]
    fn a_host_is_asked_three_times_and_then_no_more() {
        let seconds: Vec<u64> = (0..=700).collect();
        assert_eq!(asked_at(&seconds, 0), [2, 10, 30]);
    }

    #[test]
    fn a_host_that_does_not_answer_is_asked_until_it_does_or_is_given_up() {
        let seconds: Vec<u64> = (0..=700).collect();
        assert_eq!(asked_at(&seconds, 30), [2, 17, 32, 33, 34]);
        let never = asked_at(&seconds, 1_000);
        assert_eq!((never.len(), never.last()), (40, Some(&587)));
    }
}
