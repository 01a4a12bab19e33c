//! Remaining caps while a plan is made.
//!
//! Invariant: they begin as the turn's query read them and only fall, so a plan holds no more than could be admitted if
//! nobody else booked meanwhile.

use std::collections::HashMap;

use cue_domain::job::Room;
use cue_domain::messages::LockedLayer;
use cue_domain::{
    AllocId, Centicores, FolderId, Host, JobId, Limit, LimitId, LimitKind, Resources, ShowId,
};

/// Remaining caps of jobs, folders, subscriptions, limits and turns.
pub(crate) struct RemainingCaps {
    jobs: HashMap<JobId, Room>,
    folders: HashMap<FolderId, Room>,
    subscriptions: HashMap<(ShowId, AllocId), Centicores>,
    limits: HashMap<LimitId, Limit>,
    /// Remaining entitlement of the turn, in centicores.
    entitled: HashMap<AllocId, i64>,
}

impl RemainingCaps {
    /// The caps in full, and the cores that the turn may use of each allocation.
    pub(crate) fn new(entitled: &[(AllocId, Centicores)]) -> Self {
        let entitled = entitled.iter();
        Self {
            jobs: HashMap::new(),
            folders: HashMap::new(),
            subscriptions: HashMap::new(),
            limits: HashMap::new(),
            entitled: entitled
                .map(|(alloc, cores)| (alloc.clone(), cores.0))
                .collect(),
        }
    }

    /// Returns true if the turn has entitlement left in the allocation.
    pub(crate) fn is_entitled(&self, alloc: &AllocId) -> bool {
        self.entitled.get(alloc).is_some_and(|cores| *cores > 0)
    }

    /// Returns true if the turn has entitlement left in some allocation.
    pub(crate) fn has_entitlement(&self) -> bool {
        self.entitled.values().any(|cores| *cores > 0)
    }

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

    fn job(&self, layer: &LockedLayer) -> Room {
        let job = &layer.wanted.job;
        let remaining = self.jobs.get(&job.id);
        remaining.copied().unwrap_or(job.headroom.job)
    }

    fn folder(&self, layer: &LockedLayer) -> Room {
        let job = &layer.wanted.job;
        let remaining = self.folders.get(&job.folder);
        remaining.copied().unwrap_or(job.headroom.folder)
    }

    /// Remaining cores and GPUs under the caps of job and folder.
    pub(crate) fn of_job(&self, layer: &LockedLayer) -> Room {
        self.job(layer).at_most(self.folder(layer))
    }

    /// Remaining cores of each subscription of the layer's show.
    pub(crate) fn subscriptions(&self, layer: &LockedLayer) -> Vec<(AllocId, Centicores)> {
        let read = layer.wanted.job.headroom.subscriptions.iter();
        read.map(|(alloc, read)| (alloc.clone(), self.in_alloc(layer, alloc, *read)))
            .collect()
    }

    /// Remaining cores of the subscription of the layer's show to an allocation, if there is one.
    pub(crate) fn subscription(&self, layer: &LockedLayer, alloc: &AllocId) -> Option<Centicores> {
        let mut read = layer.wanted.job.headroom.subscriptions.iter();
        let (_, read) = read.find(|(id, _)| id == alloc)?;
        Some(self.in_alloc(layer, alloc, *read))
    }

    fn in_alloc(&self, layer: &LockedLayer, alloc: &AllocId, read: Centicores) -> Centicores {
        let key = (layer.wanted.job.show.clone(), alloc.clone());
        self.subscriptions.get(&key).copied().unwrap_or(read)
    }

    /// Takes the resources of a frame of the layer on a host.
    pub(crate) fn take(&mut self, layer: &LockedLayer, host: &Host, taken: &Resources) {
        let (job, folder) = (self.job(layer), self.folder(layer));
        let of = &layer.wanted.job;
        self.jobs.insert(of.id.clone(), job.minus(taken));
        self.folders.insert(of.folder.clone(), folder.minus(taken));
        if let Some(entitled) = self.entitled.get_mut(&host.alloc) {
            *entitled = entitled.saturating_sub(taken.cores.0);
        }
        let read = self.subscription(layer, &host.alloc).unwrap_or_default();
        let remaining = self
            .subscriptions
            .entry((layer.wanted.job.show.clone(), host.alloc.clone()))
            .or_insert(read);
        remaining.0 = remaining.0.saturating_sub(taken.cores.0);
        for (id, read) in &layer.limits {
            let limit = self.limits.entry(id.clone());
            let limit = limit.or_insert_with(|| Limit::clone(read));
            limit.take(&host.id, &host.name);
        }
    }
}
