//! Simulated hosts in time: ends of frames, and their reports.
//!
//! All ends are in one heap, watched by one task. That task has a place on the channel of
//! completions before it ends a frame, so a frame whose end cannot be reported is still running.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::DerefMut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cue_proto::report::RunningFrameInfo;
use cue_proto::rqd::RunFrame;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::report;
use super::settings::{FrameDuration, RUN_TIME, SimRqdSettings};
use super::state::{Completion, Launch, State};

/// Events of a farm since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Launches asked for, with any outcome.
    pub asked: usize,
    /// Frames launched.
    pub launched: usize,
    /// Frames that ended, killed ones included.
    pub ended: usize,
    /// Frames that were killed.
    pub killed: usize,
}

/// Simulated hosts.
#[derive(Debug)]
pub(super) struct Farm {
    pub settings: SimRqdSettings,
    state: Mutex<State>,
    timers: Mutex<BinaryHeap<Reverse<Timer>>>,
    /// Rings when a frame will end before all others.
    sooner: Notify,
    counts: watch::Sender<Counts>,
    ends: mpsc::Sender<Completion>,
}

/// End of a run. Ordered by time; the run's number decides between equals.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    at: Instant,
    run: u64,
    host: Arc<str>,
    frame_id: Arc<str>,
}

impl Farm {
    pub(super) fn new(settings: SimRqdSettings, ends: mpsc::Sender<Completion>) -> Self {
        Self {
            state: Mutex::new(State::new(&settings.hosts, settings.program)),
            settings,
            timers: Mutex::default(),
            sooner: Notify::new(),
            counts: watch::Sender::new(Counts::default()),
            ends,
        }
    }

    pub(super) fn state(&self) -> impl DerefMut<Target = State> {
        lock(&self.state)
    }

    pub(super) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    /// Resolves when the counts are as wanted.
    pub(super) async fn until(&self, wanted: impl FnMut(&Counts) -> bool) {
        // The sender lives in `self`, so the wait cannot end in its loss.
        self.counts.subscribe().wait_for(wanted).await.ok();
    }

    /// Launches a frame, or says why not.
    pub(super) fn launch(
        &self,
        host: &str,
        frame: RunFrame,
        traceparent: Option<String>,
    ) -> Result<(), Status> {
        let seed = self.settings.seed;
        let of_frame = frame.environment.get(RUN_TIME);
        let duration = of_frame.and_then(|text| text.parse().ok());
        let duration: FrameDuration = duration.unwrap_or(self.settings.duration);
        let runs_for = duration.of(seed, &frame.frame_id);
        let frame_id: Arc<str> = frame.frame_id.as_str().into();
        let info = report::of_frame(&frame, seed);
        let keep = self.settings.keep_frames;
        let run = self.state().launch(
            host,
            Launch {
                frame,
                info,
                traceparent,
                keep,
            },
        )?;
        if let Some(runs_for) = runs_for {
            let at = Instant::now() + runs_for;
            self.end_at(Timer {
                at,
                run,
                host: host.into(),
                frame_id,
            });
        }
        self.count(|counts| counts.launched += 1);
        Ok(())
    }

    pub(super) fn info(&self, host: &str, frame_id: &str) -> Option<RunningFrameInfo> {
        self.state()
            .running(host, frame_id)
            .map(|running| running.info.clone())
    }

    /// Kills a frame; `false` when the host does not have it.
    pub(super) async fn kill(&self, host: &str, frame_id: &str) -> bool {
        // A wrapper that ends by a signal is reported as status 1 with the signal (OPENCUE.md, Launch answers).
        let killed = self.end(host, frame_id, 1, 9).await;
        if killed {
            self.count(|counts| counts.killed += 1);
        }
        killed
    }

    /// Ends a frame as soon as its end can be reported; `false` when the host does not have it.
    pub(super) async fn end(&self, host: &str, frame_id: &str, status: i32, signal: i32) -> bool {
        let place = self.ends.reserve().await.ok();
        let ended = self.state().end(host, frame_id, status, signal);
        let Some(completion) = ended else {
            return false;
        };
        self.tell(place, completion);
        true
    }

    /// Ends frames when their time has come, for ever.
    pub(super) async fn end_frames(&self) {
        loop {
            // Without a taker there is no place to wait for; frames end all the same.
            let place = self.ends.reserve().await.ok();
            let completion = self.next_end().await;
            self.tell(place, completion);
        }
    }

    fn tell(&self, place: Option<mpsc::Permit<'_, Completion>>, completion: Completion) {
        if let Some(place) = place {
            place.send(completion);
        }
        self.count(|counts| counts.ended += 1);
    }

    fn end_at(&self, timer: Timer) {
        let run = timer.run;
        let mut timers = lock(&self.timers);
        timers.push(Reverse(timer));
        if timers.peek().is_some_and(|Reverse(first)| first.run == run) {
            self.sooner.notify_one();
        }
    }

    async fn next_end(&self) -> Completion {
        loop {
            let due = self.due();
            match due {
                Ok(timer) => {
                    if let Some(completion) = self.end_of_run(&timer) {
                        return completion;
                    }
                }
                Err(Some(at)) => {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = self.sooner.notified() => {}
                    }
                }
                Err(None) => self.sooner.notified().await,
            }
        }
    }

    /// The next timer that has run out, else when the next one does.
    fn due(&self) -> Result<Timer, Option<Instant>> {
        let mut timers = lock(&self.timers);
        match timers.peek() {
            None => Err(None),
            Some(Reverse(first)) if first.at > Instant::now() => Err(Some(first.at)),
            Some(_) => timers.pop().map(|Reverse(timer)| timer).ok_or(None),
        }
    }

    /// Ends the run the timer was set for; `None` when it has ended before, also when the same
    /// frame runs there again.
    fn end_of_run(&self, timer: &Timer) -> Option<Completion> {
        let mut state = self.state();
        let running = state.running(&timer.host, &timer.frame_id)?;
        if running.run != timer.run {
            return None;
        }
        state.end(&timer.host, &timer.frame_id, 0, 0)
    }
}

/// Nothing panics under these locks that would leave them half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rqd::MAX_RSS;

    #[tokio::test]
    async fn one_task_ends_fifty_thousand_frames_each_in_its_time() {
        let (ends, mut completions) = mpsc::channel(64);
        let spread = Duration::from_millis(200);
        let farm = Farm::new(
            SimRqdSettings {
                duration: FrameDuration::Uniform(Duration::ZERO, spread),
                keep_frames: false,
                ..SimRqdSettings::default()
            },
            ends,
        );
        const FRAMES: usize = 50_000;
        for n in 0..FRAMES {
            let frame_id = n.to_string();
            let frame = RunFrame {
                frame_id,
                num_cores: 100,
                ..RunFrame::default()
            };
            farm.launch(&format!("host-{}", n % 1000), frame, None)
                .unwrap();
        }
        assert_eq!(farm.state().running_count(), FRAMES);
        assert_eq!(
            lock(&farm.timers).len(),
            FRAMES,
            "a timer a frame and no task"
        );
        let taken = async {
            for _ in 0..FRAMES {
                let end = completions.recv().await.unwrap();
                let own = farm.settings.duration.of(1, &end.frame_id).unwrap();
                assert!(end.run_time >= own);
            }
        };
        tokio::select! {
            () = farm.end_frames() => unreachable!("it ends frames for ever"),
            () = taken => {}
        }
        assert_eq!(
            (farm.state().running_count(), farm.counts().ended),
            (0, FRAMES)
        );
    }

    #[tokio::test]
    async fn a_frame_can_say_how_long_it_runs_and_what_it_uses() {
        let (ends, mut completions) = mpsc::channel(64);
        let farm = Farm::new(SimRqdSettings::default(), ends);
        let mut frame = RunFrame {
            frame_id: "short".to_owned(),
            num_cores: 100,
            ..RunFrame::default()
        };
        let fixed = FrameDuration::Fixed(Duration::from_millis(1));
        frame
            .environment
            .insert(RUN_TIME.to_owned(), fixed.to_string());
        frame
            .environment
            .insert(MAX_RSS.to_owned(), "77".to_owned());
        farm.launch("host", frame, None).unwrap();
        let end = tokio::select! {
            () = farm.end_frames() => unreachable!("it ends frames for ever"),
            end = completions.recv() => end.unwrap(),
        };
        assert_eq!((&*end.frame_id, end.max_rss.0), ("short", 77));
    }
}
