//! What is left of the caps while a plan is made.
//!
//! Invariant: it begins with what the turn's query read and only falls, so a plan holds no more than
//! could be admitted if nobody else booked meanwhile.

use std::collections::HashMap;

use cue_domain::job::least;
use cue_domain::messages::LockedLayer;
use cue_domain::{
    AllocId, Centicores, FolderId, Host, JobId, Limit, LimitId, LimitKind, Resources, ShowId,
};

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
    limits: HashMap<LimitId, Limit>,
}

impl Rests {
    fn limits<'a>(&'a self, layer: &'a LockedLayer) -> impl Iterator<Item = &'a Limit> {
        let limits = layer.limits.iter();
        limits.map(|(id, read)| self.limits.get(id).unwrap_or(read))
    }

    /// Returns true if some host could be admitted by all limits of a layer.
    pub(crate) fn within_limits(&self, layer: &LockedLayer) -> bool {
        self.limits(layer)
            .all(|limit| limit.most_frames() != Some(0))
    }

    /// Returns true if all limits of a layer admit a frame on any host.
    pub(crate) fn has_room(&self, layer: &LockedLayer) -> bool {
        self.limits(layer).all(Limit::has_room)
    }

    /// Returns true if a limit of a layer counts hosts.
    pub(crate) fn has_seats(&self, layer: &LockedLayer) -> bool {
        self.limits(layer)
            .any(|limit| limit.kind() == LimitKind::Hosts)
    }

    /// Returns true if all limits of a layer admit a frame on a host, with `held` without a free seat.
    pub(crate) fn admit(&self, layer: &LockedLayer, host: &Host, held: bool) -> bool {
        self.limits(layer).all(|limit| {
            limit.admits(&host.id, &host.name)
                && (!held || limit.needs_no_seat(&host.id, &host.name))
        })
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

    /// Takes what a frame of the layer is to have on a host.
    pub(crate) fn take(
        &mut self,
        layer: &LockedLayer,
        host: &Host,
        read: Centicores,
        taken: &Resources,
    ) {
        self.job(layer).take(taken);
        self.folder(layer).take(taken);
        let rest = self
            .subscriptions
            .entry((layer.job.show.clone(), host.alloc.clone()))
            .or_insert(read);
        rest.0 = rest.0.saturating_sub(taken.cores.0);
        for (id, read) in &layer.limits {
            let limit = self.limits.entry(id.clone());
            let limit = limit.or_insert_with(|| Limit::clone(read));
            limit.take(&host.id, &host.name);
        }
    }
}
