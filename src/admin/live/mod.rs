//! What the live page and the terminal view show: one sample a second, made once for all viewers.
//!
//! Invariant: the sampler is a part of the server's own future. It keeps a bounded window of
//! readings, and a viewer only ever gets the newest sample: who is slow skips some.

mod clusters;
mod reading;
mod sample;
mod sampler;
mod verdict;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use sample::{
    AccountsLine, ClusterLine, Clusters, Condition, Count, HostsLine, LastTurn, MaestroLine, Queue,
    ReplicaLine, Sample, StageItems, StageLine, Standing, Times,
};
pub(super) use sampler::Sampler;
pub use verdict::Verdict;

/// How often a sample is made.
const EVERY: Duration = Duration::from_secs(1);

/// How many may watch at a time.
const MOST_VIEWERS: usize = 64;

/// The newest sample, and who may watch it.
#[derive(Debug)]
pub(super) struct Newest {
    sample: watch::Sender<Option<Arc<str>>>,
    seats: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Newest {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self {
            sample: watch::Sender::new(None),
            seats: Arc::new(Semaphore::new(MOST_VIEWERS)),
            stop,
        }
    }

    /// Makes samples until the server is told to stop.
    pub(super) async fn keep(&self, mut sampler: Sampler) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match serde_json::to_string(&sampler.take(Instant::now())) {
                Ok(text) => {
                    self.sample.send_replace(Some(text.into()));
                }
                Err(error) => {
                    tracing::error!(%error, "the sample of the live page cannot be written")
                }
            }
        }
    }

    /// A stream of samples for one more viewer, or none if all seats are taken. It ends when the
    /// server is told to stop.
    pub(super) fn watch(&self) -> Option<Response> {
        let mut samples = self.sample.subscribe();
        samples.mark_changed();
        let viewer = Viewer {
            samples,
            stop: self.stop.clone(),
            _seat: Arc::clone(&self.seats).try_acquire_owned().ok()?,
        };
        let events = stream::unfold(viewer, |mut viewer| async {
            let text = viewer.next().await?;
            Some((Ok::<_, Infallible>(Event::default().data(text)), viewer))
        });
        // A proxy that gathers an answer before it passes it on would show nothing.
        let unbuffered = [("x-accel-buffering", "no")];
        Some((unbuffered, Sse::new(events)).into_response())
    }
}

struct Viewer {
    samples: watch::Receiver<Option<Arc<str>>>,
    stop: CancellationToken,
    _seat: OwnedSemaphorePermit,
}

impl Viewer {
    async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                changed = self.samples.changed() => changed.ok()?,
            }
            // There is nothing to show before the first sample.
            if let Some(text) = self.samples.borrow_and_update().clone() {
                return Some(text);
            }
        }
    }
}
