//! The budget of a pick: the cores that it may still give out, by entitlement, idle resources and caps.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cue_domain::demand::WaitingJob;
use cue_domain::fit::least_cores;
use cue_domain::{AllocId, Centicores, ClusterKey, FolderId, JobId, Resources, Tag, WaitReason};

use crate::asked::Amounts;
use crate::cluster_rows::{LayerRows, ShapeId};
use crate::entitled::{divided, subscription};
use crate::rows::Rows;
use crate::supply::{Offer, Supply, asks_gpus, takes_of};

/// Amounts that a pick may give out, and those that it gave out.
#[derive(Default)]
pub(crate) struct Budget {
    /// Entitlement by allocation, in centicores: at the start, and the remaining part.
    entitled: HashMap<AllocId, (i64, i64)>,
    /// Remaining idle resources by allocation.
    idle: HashMap<AllocId, Resources>,
    /// Resources given out by allocation and tags. Frames with and without GPUs count apart.
    given: HashMap<(AllocId, Arc<[Tag]>, bool), Resources>,
    /// Resources given out of each reserved host, by its place in the supply.
    reserved: HashMap<usize, Resources>,
    /// Resources that jobs and folders took in this pick.
    jobs: HashMap<JobId, Resources>,
    folders: HashMap<FolderId, Resources>,
    offers: HashMap<ShapeId, Arc<[Offer]>>,
    is_limited: bool,
}

impl Budget {
    /// The budget of a turn of this cluster.
    pub(crate) fn new(rows: &Rows, key: &ClusterKey, supply: &Supply) -> Self {
        let mut budget = Self::default();
        for alloc in supply.allocs() {
            if subscription(rows, key, alloc).is_none() {
                continue;
            }
            if let Some(cores) = entitlement(rows, key, (supply, alloc)) {
                budget.entitled.insert(alloc.clone(), (cores, cores));
                budget.idle.insert(alloc.clone(), supply.idle(alloc));
            }
        }
        budget
    }

    /// Entitlement by allocation.
    pub(crate) fn entitled(&self) -> Vec<(AllocId, Centicores)> {
        let entitled = self.entitled.iter();
        entitled
            .map(|(alloc, (cores, _))| (alloc.clone(), Centicores(*cores)))
            .collect()
    }

    /// Returns true if a frame fitted an idle host and its cores are for other shows.
    pub(crate) const fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Returns true if some idle host had room for a frame of the shape when the pick began.
    pub(crate) fn has_offer(&self, shape: ShapeId) -> bool {
        let offers = self.offers.get(&shape);
        offers.is_some_and(|offers| !offers.is_empty())
    }

    /// Returns true if the caps of job and folder admit a frame of the layer.
    pub(crate) fn admits_job(&self, job: &WaitingJob, asked: &Amounts, layer: &LayerRows) -> bool {
        self.full_cap(job, asked, layer).is_none()
    }

    /// The cap of folder or job that admits no frame of the layer.
    pub(crate) fn full_cap(
        &self,
        job: &WaitingJob,
        asked: &Amounts,
        layer: &LayerRows,
    ) -> Option<WaitReason> {
        let least = least_cores(&layer.row.layer);
        let of_job = self.jobs.get(&job.id).copied().unwrap_or_default();
        let of_folder = self.folders.get(&job.folder).copied().unwrap_or_default();
        let asked = Resources {
            cores: Centicores(asked.jobs.get(&job.id).copied().unwrap_or_default()),
            ..Resources::NONE
        };
        let gpus = layer.row.layer.gpus_min;
        if !job.folder_room.minus(&of_folder).admits(least, gpus) {
            return Some(WaitReason::FolderCap);
        }
        let room = job.room.minus(&of_job).minus(&asked);
        (!room.admits(least, gpus)).then_some(WaitReason::JobCap)
    }

    pub(crate) fn take_of_job(&mut self, job: &WaitingJob, takes: &Resources) {
        let of_job = self.jobs.entry(job.id.clone()).or_default();
        *of_job = of_job.plus(takes);
        let of_folder = self.folders.entry(job.folder.clone()).or_default();
        *of_folder = of_folder.plus(takes);
    }

    fn offers(&mut self, rows: &Rows, supply: &Supply, shape: ShapeId) -> Arc<[Offer]> {
        if let Some(known) = self.offers.get(&shape) {
            return Arc::clone(known);
        }
        let mut offers = Vec::new();
        if let Some(found) = rows.shapes.get(shape as usize) {
            let offer = |alloc| supply.offer(&found.layer, found.os.as_deref(), alloc);
            offers.extend(self.entitled.keys().filter_map(offer));
        }
        offers.sort_by(|a, b| a.alloc.cmp(&b.alloc));
        let offers: Arc<[Offer]> = offers.into();
        self.offers.insert(shape, Arc::clone(&offers));
        offers
    }

    /// Pays for a frame of the shape: in the first allocation that has idle resources for it and where the
    /// entitlement is not spent.
    pub(crate) fn pay(
        &mut self,
        rows: &Rows,
        supply: &Supply,
        shape: ShapeId,
    ) -> Option<(AllocId, Resources)> {
        let layer = &rows.shapes.get(shape as usize)?.layer;
        let mut fits_elsewhere = false;
        for offer in self.offers(rows, supply, shape).iter() {
            let Offer { alloc, takes, sum } = offer;
            let key = (alloc.clone(), Arc::clone(&layer.tags), asks_gpus(layer));
            let given = self.given.get(&key).copied().unwrap_or_default();
            let fits = |room: &Resources, taken: &Resources| {
                let after = taken.plus(takes);
                after.at_most(room) == after
            };
            let Some(idle) = self.idle.get_mut(alloc) else {
                continue;
            };
            if !fits(sum, &given) || !fits(idle, &Resources::NONE) {
                continue;
            }
            let Some((_, left)) = self.entitled.get_mut(alloc) else {
                continue;
            };
            if *left <= 0 {
                fits_elsewhere = true;
                continue;
            }
            *left = left.saturating_sub(takes.cores.0);
            *idle = idle.minus(takes);
            self.given.insert(key, given.plus(takes));
            return Some((alloc.clone(), *takes));
        }
        self.is_limited |= fits_elsewhere;
        None
    }

    /// Pays for a frame of the layer out of a host that is reserved for it, or that it may use until the owner
    /// can start.
    pub(crate) fn pay_reserved(
        &mut self,
        rows: &Rows,
        supply: &Supply,
        layer: &LayerRows,
        now: Instant,
    ) -> Option<(AllocId, Resources)> {
        let shape = rows.shapes.get(layer.shape as usize)?;
        for (place, (host, reserved)) in supply.reserved().iter().enumerate() {
            if !reserved.admits(&layer.row.layer.id, layer.longest_run(), now) {
                continue;
            }
            let Some((_, left)) = self.entitled.get_mut(&host.alloc) else {
                continue;
            };
            let given = self.reserved.get(&place).copied().unwrap_or_default();
            let mut room = host.clone();
            room.idle = room.idle.minus(&given);
            let takes = takes_of(&shape.layer, shape.os.as_deref(), &room);
            let Some(takes) = takes.filter(|_| *left > 0) else {
                continue;
            };
            *left = left.saturating_sub(takes.cores.0);
            self.reserved.insert(place, given.plus(&takes));
            return Some((host.alloc.clone(), takes));
        }
        None
    }

    /// A spare frame of the shape: it fits an idle host of an allocation where the cluster is entitled to
    /// some cores.
    pub(crate) fn spare(
        &mut self,
        rows: &Rows,
        supply: &Supply,
        shape: ShapeId,
    ) -> Option<Resources> {
        let offers = self.offers(rows, supply, shape);
        let mut offers = offers.iter();
        let offer = offers.find(|offer| {
            let entitled = self.entitled.get(&offer.alloc);
            entitled.is_some_and(|(cores, _)| *cores > 0)
        })?;
        Some(offer.takes)
    }
}

/// Centicores of the allocation's idle cores that the cluster may use; `None` without a subscription.
fn entitlement(rows: &Rows, key: &ClusterKey, (supply, alloc): (&Supply, &AllocId)) -> Option<i64> {
    let divided = divided(rows, key, supply, alloc);
    let own = divided.iter().find(|entitled| entitled.key == key)?;
    Some(own.cores.0.max(0))
}
