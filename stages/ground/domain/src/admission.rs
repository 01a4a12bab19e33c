//! Admission: which placements every cap admits.
//!
//! A pure function over the counters as the booking transaction has them locked. Requests are
//! judged in order, and each admitted one is charged before the next is judged, so the sum of
//! what is admitted never passes a cap: exactly, not about.
//!
//! The comparisons are those of the database's own triggers where there are some (contract,
//! 3.3), so that a batch that was admitted here cannot fail there. An amount that is too large
//! to be added is over the cap, and a counter that has drifted below zero opens no cap that admits
//! nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ids::{AllocId, FolderId, HostId, JobId, LayerId, LimitId, ShowId};
use crate::limits::{Limit, LimitKind};
use crate::units::{Centicores, Resources};

mod refusal;

pub use refusal::Refusal;

/// One frame to be booked on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The show of its job.
    pub show: ShowId,
    /// The allocation of the host.
    pub alloc: AllocId,
    /// Its job.
    pub job: JobId,
    /// The folder of its job.
    pub folder: FolderId,
    /// Its layer.
    pub layer: LayerId,
    /// The host it is to run on.
    pub host: HostId,
    /// The name of the host, by which licence reports know it.
    pub host_name: Arc<str>,
    /// What it is to take.
    pub reserved: Resources,
}

/// A `subscription` row. In centicores. A burst of 0 admits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionCap {
    /// `int_burst`.
    pub burst: Centicores,
    /// `int_cores`.
    pub cores: Centicores,
}

/// A `job_resource` row. A cap of no cores admits nothing; there is no unlimited value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobCap {
    /// `int_max_cores`, in centicores.
    pub max_cores: Centicores,
    /// `int_cores`, in centicores.
    pub cores: Centicores,
    /// `int_max_gpus`.
    pub max_gpus: i64,
    /// `int_gpus`.
    pub gpus: i64,
}

/// A `folder_resource` row. A cap of -1, and only that, is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderCap {
    /// `int_max_cores`, in centicores.
    pub max_cores: Centicores,
    /// `int_cores`, in centicores.
    pub cores: Centicores,
    /// `int_max_gpus`.
    pub max_gpus: i64,
    /// `int_gpus`.
    pub gpus: i64,
}

/// What the locked rows say. [`admit`] takes from it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// What is idle on each host. A host that is not here was locked by somebody else.
    pub hosts: HashMap<HostId, Resources>,
    /// The subscriptions of the requests' shows.
    pub subscriptions: HashMap<(ShowId, AllocId), SubscriptionCap>,
    /// The jobs of the requests.
    pub jobs: HashMap<JobId, JobCap>,
    /// The folders of those jobs.
    pub folders: HashMap<FolderId, FolderCap>,
    /// The limits of the requests' layers.
    pub limits: HashMap<LimitId, Limit>,
    /// Which limits a layer carries; a layer that is not here carries none.
    pub layer_limits: HashMap<LayerId, Vec<LimitId>>,
}

/// Judges the requests in order; the answers are in the same order.
#[must_use]
pub fn admit(requests: &[Request], mut ledger: Ledger) -> Vec<Result<(), Refusal>> {
    let judged = requests.iter().map(|request| {
        ledger.judge(request)?;
        ledger.charge(request);
        Ok(())
    });
    judged.collect()
}

impl Ledger {
    fn judge(&self, request: &Request) -> Result<(), Refusal> {
        self.judge_host(request)?;
        self.judge_subscription(request)?;
        self.judge_job(request)?;
        self.judge_folder(request)?;
        self.judge_limits(request)
    }

    fn judge_host(&self, request: &Request) -> Result<(), Refusal> {
        let (host, reserved) = (request.host.clone(), request.reserved);
        if reserved.cores.0 <= 0 || !Resources::NONE.fits_in(&reserved) {
            return Err(Refusal::NotAReservation { reserved });
        }
        match self.hosts.get(&host) {
            None => Err(Refusal::HostTaken { host }),
            Some(idle) if !reserved.fits_in(idle) => Err(Refusal::HostFull {
                host,
                idle: *idle,
                reserved,
            }),
            Some(_) => Ok(()),
        }
    }

    fn judge_subscription(&self, request: &Request) -> Result<(), Refusal> {
        let (show, alloc, reserved) = (
            request.show.clone(),
            request.alloc.clone(),
            request.reserved.cores,
        );
        match self.subscriptions.get(&(show.clone(), alloc.clone())) {
            None => Err(Refusal::NoSubscription { show, alloc }),
            Some(&SubscriptionCap { burst, cores })
                if burst.0 <= 0 || !fits(cores.0, reserved.0, burst.0) =>
            {
                Err(Refusal::SubscriptionBurst {
                    show,
                    alloc,
                    cores,
                    burst,
                    reserved,
                })
            }
            Some(_) => Ok(()),
        }
    }

    fn judge_job(&self, request: &Request) -> Result<(), Refusal> {
        let (job, reserved) = (request.job.clone(), request.reserved);
        let Some(cap) = self.jobs.get(&job) else {
            return Err(Refusal::JobGone { job });
        };
        if cap.max_cores.0 <= 0 || !fits(cap.cores.0, reserved.cores.0, cap.max_cores.0) {
            return Err(Refusal::JobCores {
                job,
                cores: cap.cores,
                max: cap.max_cores,
                reserved: reserved.cores,
            });
        }
        // Also for a frame without GPUs: the trigger compares both when either counter rises.
        if !fits(cap.gpus, reserved.gpus, cap.max_gpus) {
            return Err(Refusal::JobGpus {
                job,
                gpus: cap.gpus,
                max: cap.max_gpus,
                reserved: reserved.gpus,
            });
        }
        Ok(())
    }

    fn judge_folder(&self, request: &Request) -> Result<(), Refusal> {
        let (folder, reserved) = (request.folder.clone(), request.reserved);
        let Some(cap) = self.folders.get(&folder) else {
            return Err(Refusal::FolderGone { folder });
        };
        let (max, used) = (cap.max_cores.0, cap.cores.0);
        if max != UNLIMITED && (max <= 0 || !fits(used, reserved.cores.0, max)) {
            return Err(Refusal::FolderCores {
                folder,
                cores: cap.cores,
                max: cap.max_cores,
                reserved: reserved.cores,
            });
        }
        // No trigger guards folders, so a frame without GPUs need not mind the GPUs of others.
        if reserved.gpus > 0
            && cap.max_gpus != UNLIMITED
            && (cap.max_gpus <= 0 || !fits(cap.gpus, reserved.gpus, cap.max_gpus))
        {
            return Err(Refusal::FolderGpus {
                folder,
                gpus: cap.gpus,
                max: cap.max_gpus,
                reserved: reserved.gpus,
            });
        }
        Ok(())
    }

    fn judge_limits(&self, request: &Request) -> Result<(), Refusal> {
        for id in self.layer_limits.get(&request.layer).into_iter().flatten() {
            // A limit whose row was not there to be locked is like one without a maximum.
            let limit = self.limits.get(id);
            if !limit.is_some_and(|limit| limit.admits(&request.host, &request.host_name)) {
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

    /// Takes an admitted request from every counter it was judged by.
    fn charge(&mut self, request: &Request) {
        let Resources { cores, gpus, .. } = request.reserved;
        if let Some(idle) = self.hosts.get_mut(&request.host) {
            *idle = idle.minus(&request.reserved);
        }
        if let Some(cap) = self
            .subscriptions
            .get_mut(&(request.show.clone(), request.alloc.clone()))
        {
            cap.cores = sum(cap.cores, cores);
        }
        if let Some(cap) = self.jobs.get_mut(&request.job) {
            cap.cores = sum(cap.cores, cores);
            cap.gpus = cap.gpus.saturating_add(gpus);
        }
        if let Some(cap) = self.folders.get_mut(&request.folder) {
            cap.cores = sum(cap.cores, cores);
            cap.gpus = cap.gpus.saturating_add(gpus);
        }
        let limits = self
            .layer_limits
            .get(&request.layer)
            .map_or(&[][..], Vec::as_slice);
        for (n, limit) in limits.iter().enumerate() {
            // A limit that is attached twice still counts a running frame once.
            if !limits[..n].contains(limit)
                && let Some(limit) = self.limits.get_mut(limit)
            {
                limit.take(&request.host, &request.host_name);
            }
        }
    }
}

/// The folder cap that means no cap.
const UNLIMITED: i64 = -1;

fn fits(used: i64, more: i64, cap: i64) -> bool {
    used.checked_add(more).is_some_and(|after| after <= cap)
}

fn sum(a: Centicores, b: Centicores) -> Centicores {
    Centicores(a.0.saturating_add(b.0))
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
