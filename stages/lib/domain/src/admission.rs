//! Admission: the placements that every cap admits.
//!
//! A pure function over the counters as the booking transaction has them locked. Bookings are
//! judged in order, and each admitted booking is charged before the next is judged, so the sum of
//! the admitted bookings never passes a cap.
//!
//! The comparisons are those of the database's own triggers where there are some (OPENCUE.md,
//! Tables), so that a batch that was admitted here cannot fail there. An amount that is too large
//! to be added is over the cap. A cap that admits nothing stays closed even if its counter has drifted below zero.

use std::collections::HashMap;

use crate::booking::Booking;
use crate::ids::{AllocId, FolderId, HostId, JobId, LayerId, LimitId, ShowId};
use crate::limits::{Limit, LimitKind};
use crate::units::{Centicores, Resources};

mod refusal;

pub use refusal::{OverCap, Refusal};

/// A `subscription` row. In centicores. A burst of 0 admits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionCap {
    /// `int_burst`.
    pub burst: Centicores,
    /// `int_cores`.
    pub cores: Centicores,
}

/// A `job_resource` or `folder_resource` row. A cap of no cores admits nothing. A folder's cap of -1, and no other
/// value, is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceCap {
    /// `int_max_cores`, in centicores.
    pub max_cores: Centicores,
    /// `int_cores`, in centicores.
    pub cores: Centicores,
    /// `int_max_gpus`.
    pub max_gpus: i64,
    /// `int_gpus`.
    pub gpus: i64,
}

/// The locked rows. [`admit`] takes from them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Idle resources of each host. A host that is missing was locked by another session.
    pub hosts: HashMap<HostId, Resources>,
    /// The subscriptions of the bookings' shows.
    pub subscriptions: HashMap<(ShowId, AllocId), SubscriptionCap>,
    /// The jobs of the bookings.
    pub jobs: HashMap<JobId, ResourceCap>,
    /// The folders of those jobs.
    pub folders: HashMap<FolderId, ResourceCap>,
    /// The limits of the layers.
    pub limits: HashMap<LimitId, Limit>,
    /// Limits of each layer; a layer that is missing has none.
    pub layer_limits: HashMap<LayerId, Vec<LimitId>>,
}

/// Judges the bookings in order; the answers are in the same order.
pub fn admit(bookings: &[&Booking], mut ledger: Ledger) -> Vec<Result<(), Refusal>> {
    let judged = bookings.iter().map(|booking| {
        ledger.judge(booking)?;
        ledger.charge(booking);
        Ok(())
    });
    judged.collect()
}

impl Ledger {
    fn judge(&self, booking: &Booking) -> Result<(), Refusal> {
        self.judge_host(booking)?;
        self.judge_subscription(booking)?;
        self.judge_job(booking)?;
        self.judge_folder(booking)?;
        self.judge_limits(booking)
    }

    fn judge_host(&self, booking: &Booking) -> Result<(), Refusal> {
        let (host, reserved) = (&booking.host.id, booking.reserved);
        if reserved.cores.0 <= 0 || !Resources::NONE.fits_in(&reserved) {
            return Err(Refusal::NotAReservation { reserved });
        }
        match self.hosts.get(host) {
            None => Err(Refusal::HostTaken { host: host.clone() }),
            Some(idle) if !reserved.fits_in(idle) => Err(Refusal::HostFull {
                host: host.clone(),
                idle: *idle,
                reserved,
            }),
            Some(_) => Ok(()),
        }
    }

    fn judge_subscription(&self, booking: &Booking) -> Result<(), Refusal> {
        let key = (booking.layer.show.clone(), booking.host.alloc.clone());
        let Some(subscription) = self.subscriptions.get(&key) else {
            let (show, alloc) = key;
            return Err(Refusal::NoSubscription { show, alloc });
        };
        let takes = booking.reserved.cores;
        let cores = over_cores(subscription.cores, subscription.burst, takes);
        cores.map_or(Ok(()), |cores| {
            let (show, alloc) = key;
            Err(Refusal::SubscriptionBurst { show, alloc, cores })
        })
    }

    fn judge_job(&self, booking: &Booking) -> Result<(), Refusal> {
        let (job, takes) = (booking.layer.job.clone(), booking.reserved);
        let Some(cap) = self.jobs.get(&job) else {
            return Err(Refusal::JobGone(job));
        };
        if let Some(cores) = over_cores(cap.cores, cap.max_cores, takes.cores) {
            return Err(Refusal::JobCores(job, cores));
        }
        // Also for a frame without GPUs: the trigger compares both when either counter rises.
        if let Some(gpus) = over_gpus(cap, takes.gpus, false) {
            return Err(Refusal::JobGpus(job, gpus));
        }
        Ok(())
    }

    fn judge_folder(&self, booking: &Booking) -> Result<(), Refusal> {
        let (folder, takes) = (booking.layer.folder.clone(), booking.reserved);
        let Some(cap) = self.folders.get(&folder) else {
            return Err(Refusal::FolderGone(folder));
        };
        if cap.max_cores.0 != UNLIMITED
            && let Some(cores) = over_cores(cap.cores, cap.max_cores, takes.cores)
        {
            return Err(Refusal::FolderCores(folder, cores));
        }
        // No trigger guards folders, so a frame without GPUs need not mind the GPUs of others.
        if takes.gpus > 0
            && cap.max_gpus != UNLIMITED
            && let Some(gpus) = over_gpus(cap, takes.gpus, cap.max_gpus <= 0)
        {
            return Err(Refusal::FolderGpus(folder, gpus));
        }
        Ok(())
    }

    fn judge_limits(&self, booking: &Booking) -> Result<(), Refusal> {
        let host = &booking.host;
        let limits = self.layer_limits.get(&booking.layer.id);
        for id in limits.into_iter().flatten() {
            // A limit whose row was not there to be locked is like one without a maximum.
            let limit = self.limits.get(id);
            if !limit.is_some_and(|limit| limit.admits(&host.id, &host.name)) {
                return Err(Refusal::Limit {
                    limit: id.clone(),
                    kind: limit.map_or(LimitKind::Frames, Limit::kind),
                    cap: limit.and_then(Limit::cap),
                    usage: limit.map_or(0, Limit::usage),
                });
            }
        }
        Ok(())
    }

    /// Takes an admitted booking from every counter that judged it.
    fn charge(&mut self, booking: &Booking) {
        let (layer, host) = (&*booking.layer, &*booking.host);
        let Resources { cores, gpus, .. } = booking.reserved;
        if let Some(idle) = self.hosts.get_mut(&host.id) {
            *idle = idle.minus(&booking.reserved);
        }
        let subscription = (layer.show.clone(), host.alloc.clone());
        if let Some(cap) = self.subscriptions.get_mut(&subscription) {
            cap.cores.0 = cap.cores.0.saturating_add(cores.0);
        }
        if let Some(cap) = self.jobs.get_mut(&layer.job) {
            cap.cores.0 = cap.cores.0.saturating_add(cores.0);
            cap.gpus = cap.gpus.saturating_add(gpus);
        }
        if let Some(cap) = self.folders.get_mut(&layer.folder) {
            cap.cores.0 = cap.cores.0.saturating_add(cores.0);
            cap.gpus = cap.gpus.saturating_add(gpus);
        }
        let limits = self
            .layer_limits
            .get(&layer.id)
            .map_or(&[][..], Vec::as_slice);
        for (n, limit) in limits.iter().enumerate() {
            // A limit that is attached twice still counts a running frame once.
            if !limits[..n].contains(limit)
                && let Some(limit) = self.limits.get_mut(limit)
            {
                limit.take(&host.id, &host.name);
            }
        }
    }
}

/// Folder cap that means no cap.
const UNLIMITED: i64 = -1;

/// Returns true if the cap admits `more` in addition to the amount in use.
pub(crate) fn fits(used: i64, more: i64, cap: i64) -> bool {
    used.checked_add(more).is_some_and(|after| after <= cap)
}

/// The amounts, if the cap does not admit them.
fn over_cores(used: Centicores, cap: Centicores, takes: Centicores) -> Option<OverCap<Centicores>> {
    let admits = cap.0 > 0 && fits(used.0, takes.0, cap.0);
    (!admits).then_some(OverCap { used, cap, takes })
}

/// The amounts, if the cap on GPUs does not admit them, or nothing at all.
fn over_gpus(cap: &ResourceCap, takes: i64, is_closed: bool) -> Option<OverCap<i64>> {
    let (used, cap) = (cap.gpus, cap.max_gpus);
    let admits = !is_closed && fits(used, takes, cap);
    (!admits).then_some(OverCap { used, cap, takes })
}

#[cfg(test)]
mod tests;
