//! Observations of the service from outside while a row runs: sound jobs, and the answers of `/readyz`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::binary::Service;
use crate::farm::Submitter;

/// Between two sound jobs.
const PERIOD: Duration = Duration::from_millis(250);

/// Between two questions to `/readyz`.
const POLL: Duration = Duration::from_millis(150);

/// A sound job.
#[derive(Clone, Debug)]
pub struct Sound {
    pub job: String,
    pub frame: String,
    /// Latest time of the commit of its rows.
    pub submitted: Instant,
}

/// Adds sound jobs until it is stopped.
pub struct Stream {
    sounds: Arc<Mutex<Vec<Sound>>>,
    stop: tokio_util::sync::CancellationToken,
    task: JoinSet<()>,
}

impl Stream {
    /// Begins; jobs alternate between both shows, or all belong to the other one.
    pub fn start(submitter: Submitter, only_other_show: bool) -> Self {
        let sounds = Arc::<Mutex<Vec<Sound>>>::default();
        let stop = tokio_util::sync::CancellationToken::new();
        let mut task = JoinSet::new();
        let (list, stopped) = (Arc::clone(&sounds), stop.clone());
        task.spawn(async move {
            for n in 1_usize.. {
                if stopped.is_cancelled() {
                    return;
                }
                let other = only_other_show || n.is_multiple_of(2);
                // A database that is away takes no jobs; the next one tries again.
                if let Some((job, frame)) = submitter.submit(n, other).await {
                    let submitted = Instant::now();
                    list.lock().unwrap().push(Sound {
                        job,
                        frame,
                        submitted,
                    });
                }
                tokio::time::sleep(PERIOD).await;
            }
        });
        Self { sounds, stop, task }
    }

    /// The jobs so far.
    pub fn sounds(&self) -> Vec<Sound> {
        self.sounds.lock().unwrap().clone()
    }

    /// Adds no more jobs, and returns all of them.
    pub async fn stop(mut self) -> Vec<Sound> {
        self.stop.cancel();
        while self.task.join_next().await.is_some() {}
        self.sounds()
    }
}

/// An answer of `/readyz`.
#[derive(Clone, Debug)]
pub struct Ready {
    pub asked: Instant,
    pub answered: Instant,
    pub code: u16,
    pub body: String,
}

/// Asks `/readyz` until it is stopped.
pub struct Poll {
    answers: Arc<Mutex<Vec<Ready>>>,
    task: JoinSet<()>,
}

impl Poll {
    pub fn start(service: Arc<Service>) -> Self {
        let answers = Arc::<Mutex<Vec<Ready>>>::default();
        let mut task = JoinSet::new();
        let list = Arc::clone(&answers);
        task.spawn(async move {
            loop {
                let asked = Instant::now();
                let (code, body) = service.get("/readyz").await;
                list.lock().unwrap().push(Ready {
                    asked,
                    answered: Instant::now(),
                    code,
                    body,
                });
                tokio::time::sleep(POLL).await;
            }
        });
        Self { answers, task }
    }

    /// The last answer, if it came after a moment.
    pub fn last_since(&self, since: Instant) -> Option<u16> {
        let answers = self.answers.lock().unwrap();
        let last = answers.last().filter(|answer| answer.asked >= since);
        last.map(|answer| answer.code)
    }

    /// Time since a moment for which no answer was 200, up to the last one.
    pub fn unready_for(&self, since: Instant) -> Duration {
        let answers = self.answers.lock().unwrap();
        let rev = answers.iter().rev();
        let unready = rev.take_while(|answer| answer.asked >= since && answer.code != 200);
        let first = unready.last().map(|answer| answer.answered);
        let last = answers.last().map(|answer| answer.answered);
        first
            .zip(last)
            .map_or(Duration::ZERO, |(first, last)| last - first)
    }

    /// Asks no more, and returns all answers.
    pub async fn stop(mut self) -> Vec<Ready> {
        self.task.shutdown().await;
        std::mem::take(&mut *self.answers.lock().unwrap())
    }
}
