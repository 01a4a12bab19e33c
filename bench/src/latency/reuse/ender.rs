//! Ends running frames at an exact rate, by lot, and notes when each end was recorded.
//!
//! The rate is held against the clock, not against the last end: a moment that came late is made up
//! for. Which frame ends is drawn with a fixed seed among all that run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cue_simfarm::completion::Completer;
use cue_simfarm::rqd::LaunchRecord;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::stats::count;
use crate::yard::{Launches, Yard, cores_of};

/// Time between two looks at the frames that are due.
const TICK: Duration = Duration::from_millis(5);

/// Time between two looks at the recorded completions.
const LOOK: Duration = Duration::from_millis(2);

/// The end of a frame.
#[derive(Clone, Debug)]
pub struct End {
    /// Time of the end.
    pub at: Instant,
    /// Host of the frame.
    pub host: Arc<str>,
    /// The whole cores it freed.
    pub cores: u64,
}

/// Ends frames.
pub struct Ender {
    /// Every end so far, in order.
    pub ends: Vec<End>,
    /// Running frames, as far as the launches have been looked at.
    running: Vec<LaunchRecord>,
    seen: usize,
    draw: StdRng,
}

impl Ender {
    /// Nothing runs yet.
    pub fn new() -> Self {
        Self {
            ends: Vec::new(),
            running: Vec::new(),
            seen: 0,
            draw: StdRng::seed_from_u64(1),
        }
    }

    /// Ends `rate` frames a second for `time`. Returns, for each of them that is recorded by then,
    /// the milliseconds it took until the completer had all of it in the database.
    pub async fn run(
        &mut self,
        yard: &Yard,
        completer: &Completer,
        launches: &mut Launches,
        (rate, time): (f64, Duration),
    ) -> anyhow::Result<Vec<f64>> {
        let first = self.ends.len();
        let before = completer.completed();
        let (ended, seen) = {
            let ending = self.end_frames(yard, launches, (rate, time));
            let mut seen: Vec<(Instant, u64)> = Vec::new();
            tokio::pin!(ending);
            let ended = loop {
                tokio::select! {
                    biased;
                    ended = &mut ending => break ended,
                    () = tokio::time::sleep(LOOK) => {}
                }
                let completed = completer.completed() - before;
                if seen.last().is_none_or(|last| last.1 < completed) {
                    seen.push((Instant::now(), completed));
                }
            };
            (ended, seen)
        };
        ended?;
        // One worker applies the reports in the order in which they came, so the n-th end is
        // recorded when the count has reached n.
        let mut looks = seen.into_iter().peekable();
        let mut times = Vec::new();
        for (number, end) in (1..).zip(&self.ends[first..]) {
            while looks.next_if(|look| look.1 < number).is_some() {}
            let Some(look) = looks.peek() else { break };
            times.push(look.0.saturating_duration_since(end.at).as_secs_f64() * 1e3);
        }
        Ok(times)
    }

    async fn end_frames(
        &mut self,
        yard: &Yard,
        launches: &mut Launches,
        (rate, time): (f64, Duration),
    ) -> anyhow::Result<()> {
        let (began, before) = (Instant::now(), self.ends.len());
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            launches.look(&yard.rqd);
            self.running.extend_from_slice(&launches.all[self.seen..]);
            self.seen = launches.all.len();
            let elapsed = began.elapsed();
            let due = rate * elapsed.min(time).as_secs_f64();
            while count((self.ends.len() - before) as u64) + 1.0 <= due {
                self.end_one(yard).await?;
            }
            if elapsed >= time {
                return Ok(());
            }
        }
    }

    async fn end_one(&mut self, yard: &Yard) -> anyhow::Result<()> {
        ensure!(!self.running.is_empty(), "nothing runs that could end");
        let place = self.draw.random_range(0..self.running.len());
        let frame = self.running.swap_remove(place);
        let at = Instant::now();
        ensure!(
            yard.rqd.finish(&frame.frame_id, 0).await,
            "frame {} was launched on {} and does not run",
            frame.frame_id,
            frame.host
        );
        self.ends.push(End {
            at,
            cores: cores_of(&frame),
            host: frame.host,
        });
        Ok(())
    }
}
