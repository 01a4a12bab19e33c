//! Events of the live page and the terminal view: one sample of the state a second, made once for all viewers.
//!
//! Invariant: a viewer gets the newest sample only, so a slow one skips some. A sample is bounded, whatever the
//! number of clusters.

mod reading;
mod sampler;
mod verdict;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::{Semaphore, watch};
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;

use crate::status::{Cluster, Status};
pub(super) use sampler::Sampler;

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(1);

/// Viewers at a time.
const MOST_VIEWERS: usize = 64;

/// Clusters in a sample: the first by name.
const MOST_CLUSTERS: usize = 100;

/// The newest sample, and its viewers.
#[derive(Debug)]
pub(super) struct Live {
    sample: watch::Sender<Option<Arc<str>>>,
    viewers: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Live {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self {
            sample: watch::Sender::new(None),
            viewers: Arc::new(Semaphore::new(MOST_VIEWERS)),
            stop,
        }
    }

    /// Takes samples until the server stops.
    pub(super) async fn run(&self, take: impl Fn() -> Status) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match serde_json::to_string(&bounded(take())) {
                Ok(text) => {
                    self.sample.send_replace(Some(text.into()));
                }
                Err(error) => {
                    tracing::error!(%error, "a sample of the live page cannot be written")
                }
            }
        }
    }

    /// Stream of samples for one more viewer, until the server stops; none if there are too many viewers.
    pub(super) fn watch(&self) -> Option<Response> {
        let permit = Arc::clone(&self.viewers).try_acquire_owned().ok()?;
        let events = WatchStream::new(self.sample.subscribe())
            // There is nothing to show before the first sample.
            .filter_map(ready)
            .map(move |text| {
                // Held while the stream lives.
                let _permit = &permit;
                Ok::<_, Infallible>(Event::default().data(text))
            })
            .take_until(self.stop.clone().cancelled_owned());
        // A proxy that gathers an answer before it passes it on would show nothing.
        let unbuffered = [("x-accel-buffering", "no")];
        Some((unbuffered, Sse::new(events)).into_response())
    }
}

/// The state with a bounded number of clusters, in the order of their next turns.
fn bounded(mut status: Status) -> Status {
    let clusters = &mut status.clusters;
    clusters.sort_by(|left, right| left.name.cmp(&right.name));
    clusters.truncate(MOST_CLUSTERS);
    clusters.sort_by_key(Cluster::next_turn);
    status
}
