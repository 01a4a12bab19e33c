//! What is left of the caps while a plan is made.
//!
//! Invariant: it begins with what the turn's query read and only falls, so a plan holds no more than
//! could be admitted if nobody else booked meanwhile.

use std::collections::HashMap;

use cue_domain::job::least;
use cue_domain::messages::LockedLayer;
use cue_domain::{AllocId, Centicores, FolderId, JobId, LimitId, Resources, ShowId};

/// What is left of cores and of GPUs under a cap; `None` is unlimited.
#[derive(Clone, Copy)]
pub(crate) struct Rest {
    pub(crate) cores: Option<Centicores>,
    pub(crate) gpus: Option<i64>,
}

impl Rest {
    fn take(&mut self, taken: &Resources) {
        if let Some(cores) = &mut self.cores {
            cores.0 = cores.0.saturating_sub(taken.cores.0);
        }
        if let Some(gpus) = &mut self.gpus {
            *gpus = gpus.saturating_sub(taken.gpus);
        }
    }
}

/// What is left of the caps while a plan is made.
#[derive(Default)]
pub(crate) struct Rests {
    jobs: HashMap<JobId, Rest>,
    folders: HashMap<FolderId, Rest>,
    subscriptions: HashMap<(ShowId, AllocId), Centicores>,
    limits: HashMap<LimitId, i64>,
}

impl Rests {
    /// Whether all limits of a layer have room for one frame more.
    pub(crate) fn within_limits(&self, layer: &LockedLayer) -> bool {
        let left =
            |(limit, read): &(LimitId, i64)| self.limits.get(limit).copied().unwrap_or(*read);
        layer.limits.iter().all(|limit| left(limit) > 0)
    }

    fn job(&mut self, layer: &LockedLayer) -> &mut Rest {
        let (cores, gpus) = (layer.job.headroom.cores, layer.job.headroom.gpus);
        let read = Rest { cores, gpus };
        self.jobs.entry(layer.job.id.clone()).or_insert(read)
    }

    fn folder(&mut self, layer: &LockedLayer) -> &mut Rest {
        let headroom = &layer.job.headroom;
        let (cores, gpus) = (headroom.folder_cores, headroom.folder_gpus);
        let read = Rest { cores, gpus };
        self.folders.entry(layer.job.folder.clone()).or_insert(read)
    }

    /// What job and folder both leave.
    pub(crate) fn of(&mut self, layer: &LockedLayer) -> Rest {
        let (job, folder) = (*self.job(layer), *self.folder(layer));
        Rest {
            cores: least(job.cores, folder.cores),
            gpus: least(job.gpus, folder.gpus),
        }
    }

    /// What each subscription of the layer's show leaves.
    pub(crate) fn subscriptions(&self, layer: &LockedLayer) -> Vec<(AllocId, Centicores)> {
        let read = layer.job.headroom.subscriptions.iter();
        read.map(|(alloc, read)| (alloc.clone(), self.subscription(layer, alloc, *read)))
            .collect()
    }

    /// What the subscription of the layer's show to an allocation leaves, of which `read` was left.
    pub(crate) fn subscription(
        &self,
        layer: &LockedLayer,
        alloc: &AllocId,
        read: Centicores,
    ) -> Centicores {
        let key = (layer.job.show.clone(), alloc.clone());
        self.subscriptions.get(&key).copied().unwrap_or(read)
    }

    /// Takes what a frame of the layer is to have on a host of an allocation.
    pub(crate) fn take(
        &mut self,
        layer: &LockedLayer,
        alloc: &AllocId,
        read: Centicores,
        taken: &Resources,
    ) {
        self.job(layer).take(taken);
        self.folder(layer).take(taken);
        let rest = self
            .subscriptions
            .entry((layer.job.show.clone(), alloc.clone()))
            .or_insert(read);
        rest.0 = rest.0.saturating_sub(taken.cores.0);
        for (limit, read) in &layer.limits {
            *self.limits.entry(limit.clone()).or_insert(*read) -= 1;
        }
    }
}
