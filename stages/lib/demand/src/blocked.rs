//! Blocked layers: layers that wait for room alone.

use std::sync::Arc;
use std::time::Duration;

use cue_domain::fit::least_cores;
use cue_domain::{AllocId, Centicores, ClusterKey, Host, Layer, Resources};

use crate::budget::Budget;
use crate::cluster_rows::{ClusterRows, JobRows, LayerRows};
use crate::rows::Rows;
use crate::supply::{Supply, admits};

/// A layer that fits no idle host, though all known caps admit it.
#[derive(Clone, Debug)]
pub struct BlockedLayer {
    /// Its cluster.
    pub cluster: ClusterKey,
    /// The layer, without the tags that are ignored.
    pub layer: Layer,
    /// Operating system that its job demands.
    pub os: Option<Arc<str>>,
    /// Allocations whose subscriptions admit a frame.
    pub allocs: Vec<AllocId>,
    /// Least resources of a frame. The cores of a whole host are the layer's minimum, which is 0 or less.
    pub needs: Resources,
    /// Frames that wait and that subscription and job admit.
    pub frames: u32,
    /// Time since it could have started.
    pub waited: Duration,
}

impl BlockedLayer {
    /// Returns true if the host could run a frame of the layer once enough of it is idle.
    pub fn could_run_on(&self, host: &Host) -> bool {
        let total = &host.total;
        let cores = least_cores(&self.layer);
        self.allocs.contains(&host.alloc)
            && admits(host, &self.layer, self.os.as_deref())
            && cores <= total.cores
            && self.layer.cores_min.0.saturating_abs() <= total.cores.0
            && self.needs.memory <= total.memory
            && self.needs.gpus <= total.gpus
            && self.needs.gpu_memory <= total.gpu_memory
    }
}

/// The blocked layers of all clusters, the one that waits longest first.
pub(crate) fn find(
    rows: &Rows,
    supply: &Supply,
    after: Duration,
    now_us: i64,
) -> Vec<BlockedLayer> {
    let mut found = Vec::new();
    let clusters = rows.clusters.iter().filter(|(_, rows)| !rows.is_paused);
    for (key, cluster) in clusters {
        let asked = cluster.asked.sum();
        let budget = Budget::default();
        for job in cluster.jobs.values() {
            for layer in &job.layers {
                let Some(waited) = waited(job, layer, now_us).filter(|waited| *waited >= after)
                else {
                    continue;
                };
                if !budget.admits_job(&job.job, &asked, layer) {
                    continue;
                }
                found.extend(blocked(rows, (key, cluster), (job, layer), supply, waited));
            }
        }
    }
    found.sort_by(|a, b| b.waited.cmp(&a.waited).then(a.layer.id.cmp(&b.layer.id)));
    found
}

/// Time since the layer could have started a frame; `None` while frames of it run.
pub(crate) fn waited(job: &JobRows, layer: &LayerRows, now_us: i64) -> Option<Duration> {
    if layer.row.running > 0 || layer.row.layer.waiting <= 0 {
        return None;
    }
    let since = layer.row.stopped_us.map_or(job.job.started_us, |stopped| {
        stopped.max(job.job.started_us)
    });
    let waited = now_us.saturating_sub(since);
    u64::try_from(waited).ok().map(Duration::from_micros)
}

fn blocked(
    rows: &Rows,
    (key, cluster): (&ClusterKey, &ClusterRows),
    (job, layer): (&JobRows, &LayerRows),
    supply: &Supply,
    waited: Duration,
) -> Option<BlockedLayer> {
    let shape = rows.shapes.get(layer.shape as usize)?;
    let os = shape.os.as_deref();
    let least = least_cores(&shape.layer);
    let mut allocs = Vec::new();
    let mut cores = 0_i64;
    for subscription in rows.subscriptions.get(key)? {
        if supply
            .offer(&shape.layer, os, &subscription.alloc)
            .is_some()
        {
            return None;
        }
        let asked = cluster.asked.of_alloc(&subscription.alloc);
        let held = subscription.cores.0.saturating_add(asked);
        let left = subscription.burst.0.saturating_sub(held);
        if subscription.burst > Centicores(0) && left >= least.0 {
            allocs.push(subscription.alloc.clone());
            cores = cores.saturating_add(left);
        }
    }
    if allocs.is_empty() {
        return None;
    }
    let cores = job.job.room.cores.map_or(cores, |left| cores.min(left.0));
    let frames = layer.row.layer.waiting.min(cores / least.0.max(1)).max(1);
    let row = &shape.layer;
    Some(BlockedLayer {
        cluster: key.clone(),
        needs: Resources {
            cores: if row.cores_min.0 > 0 {
                least
            } else {
                row.cores_min
            },
            memory: cue_domain::Kib(row.memory_min.0.max(0)),
            gpus: row.gpus_min.max(0),
            gpu_memory: cue_domain::Kib(row.gpu_memory_min.0.max(0)),
        },
        layer: Layer {
            id: layer.row.layer.id.clone(),
            name: Arc::clone(&layer.row.layer.name),
            ..row.clone()
        },
        os: shape.os.clone(),
        allocs,
        frames: u32::try_from(frames).unwrap_or(u32::MAX),
        waited,
    })
}
