//! Readings of the demand, applied to the turn queue.

use cue_demand::ClusterDemand;
use tokio::time::Instant;

use crate::handle::FeedHandle;
use crate::metrics::FeedMetrics;
use crate::turn_queue::TurnQueue;

/// The feed's side of the loop that reads the demand. Clones share it.
#[derive(Clone)]
pub struct DemandUpdates {
    queue: TurnQueue,
    /// The handle, which asks for complete readings.
    pub handle: FeedHandle,
    metrics: FeedMetrics,
}

impl DemandUpdates {
    pub(crate) const fn new(queue: TurnQueue, handle: FeedHandle, metrics: FeedMetrics) -> Self {
        Self {
            queue,
            handle,
            metrics,
        }
    }

    /// Applies a reading: the clusters with waiting work.
    pub fn demand_read(&self, clusters: Vec<ClusterDemand>) {
        let keys = clusters.iter().map(|demand| &demand.cluster.key);
        self.metrics.set_clusters(keys);
        let now = Instant::now();
        let (added, removed) = self.queue.demand_changed(clusters, now);
        if added + removed > 0 {
            tracing::debug!(
                added,
                removed,
                "the set of clusters with waiting work changed"
            );
        }
        self.metrics.set_stats(self.queue.stats(now));
    }

    /// Records a reading that failed.
    pub fn reading_failed(&self) {
        self.queue.reading_failed();
        self.metrics.set_stats(self.queue.stats(Instant::now()));
    }
}
