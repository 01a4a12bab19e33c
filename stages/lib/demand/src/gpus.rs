//! Protection of GPUs: while work with GPUs waits that a host could run, the cores and memory that this work
//! needs in addition to the idle GPUs are kept free of other frames.
//!
//! Nothing is kept for work that does not wait, or that the host can never run.

use std::sync::Arc;

use cue_domain::fit::least_cores;
use cue_domain::{AllocId, Centicores, Host, Kib, Layer, Resources};

use crate::asked::Amounts;
use crate::budget::Budget;
use crate::rows::Rows;
use crate::supply::{admits, asks_gpus};

/// Waiting work that asks for GPUs.
#[derive(Clone, Debug)]
pub struct GpuWork {
    /// A layer, without the tags that are ignored.
    pub layer: Layer,
    /// Operating system that its job demands.
    pub os: Option<Arc<str>>,
    /// Allocations that its show may use.
    pub allocs: Arc<[AllocId]>,
}

impl Rows {
    /// Shapes of work that asks for GPUs.
    pub(crate) fn gpu_work(&self) -> Vec<GpuWork> {
        let mut work = Vec::new();
        for (key, cluster) in &self.clusters {
            if cluster.is_paused {
                continue;
            }
            let allocs: Arc<[AllocId]> = self
                .subscriptions
                .get(key)
                .into_iter()
                .flatten()
                .filter(|subscription| subscription.burst > subscription.cores)
                .map(|subscription| subscription.alloc.clone())
                .collect();
            if allocs.is_empty() {
                continue;
            }
            let mut seen = Vec::new();
            let budget = Budget::default();
            let jobs = cluster.jobs.values();
            let layers = jobs.flat_map(|job| job.layers.iter().map(move |layer| (&job.job, layer)));
            for (job, layer) in layers {
                let is_work = asks_gpus(&layer.row.layer)
                    && budget.admits_job(job, &Amounts::default(), layer);
                if !is_work || seen.contains(&layer.shape) {
                    continue;
                }
                seen.push(layer.shape);
                if let Some(shape) = self.shapes.get(layer.shape as usize) {
                    work.push(GpuWork {
                        layer: shape.layer.clone(),
                        os: shape.os.clone(),
                        allocs: Arc::clone(&allocs),
                    });
                }
            }
        }
        work
    }
}

/// Idle resources of a host that frames without GPUs must leave, because `work` waits for its GPUs. All that is
/// idle, if that is less than the work needs: freed cores gather until the work fits.
pub fn kept_for_gpus(host: &Host, work: &[GpuWork]) -> Resources {
    let mut kept = Resources::NONE;
    if host.idle.gpus <= 0 && host.idle.gpu_memory.0 <= 0 {
        return kept;
    }
    for work in work.iter().filter(|work| could_run(host, work)) {
        let layer = &work.layer;
        let frames = host.idle.times(&Resources {
            gpus: layer.gpus_min,
            gpu_memory: layer.gpu_memory_min,
            ..Resources::NONE
        });
        let cores = least_cores(layer).0.saturating_mul(frames);
        let memory = layer.memory_min.0.max(0).saturating_mul(frames);
        kept.cores = kept.cores.max(Centicores(cores));
        kept.memory = kept.memory.max(Kib(memory));
    }
    Resources {
        cores: kept.cores.min(host.idle.cores),
        memory: kept.memory.min(host.idle.memory),
        ..Resources::NONE
    }
}

/// Returns true if the host could run a frame of the work once its cores and memory are free.
fn could_run(host: &Host, work: &GpuWork) -> bool {
    let layer = &work.layer;
    work.allocs.contains(&host.alloc)
        && admits(host, layer, work.os.as_deref())
        && layer.cores_min.0 > 0
        && least_cores(layer) <= host.total.cores
        && layer.memory_min <= host.total.memory
        && layer.gpus_min <= host.idle.gpus
        && layer.gpu_memory_min <= host.idle.gpu_memory
}
