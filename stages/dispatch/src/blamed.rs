//! Attribution of the failures of a pass: to layers, or to hosts, which are left out for a moment.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use cue_domain::isolate::{Evidence, Failure};
use cue_domain::{Booking, HostId, LayerId};
use cue_store::StoreError;

use crate::batch::Batch;
use crate::plan::Plan;

/// Frames of layers booked elsewhere that put a host at fault within one pass.
const CERTAIN: usize = 2;

/// A layer of which rows could not be booked.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The layer.
    pub(crate) layer: LayerId,
    /// The error of the last try.
    pub(crate) error: StoreError,
    /// Its host may be at fault: the layer is tried on another one soon.
    pub(crate) elsewhere: bool,
}

/// Failures on single hosts, while a pass goes on.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    seen: usize,
    of_host: HashMap<HostId, usize>,
}

impl Counted {
    /// Counts new failures. Returns, for each host that is at fault for certain, the index of a booking on it: the
    /// same layers are booked on others.
    pub(crate) fn certain(
        &mut self,
        failures: &[Failure<StoreError>],
        batch: Option<&Batch>,
        plan: Plan<'_>,
    ) -> Vec<usize> {
        let mut certain = Vec::new();
        for failure in failures.iter().skip(self.seen) {
            let failed = plan.these(&failure.rows);
            let Some(host) = only_host(&failed) else {
                continue;
            };
            if is_booked_elsewhere(&failed, batch) {
                let count = self.of_host.entry(host.clone()).or_default();
                *count += failed.len();
                if *count >= CERTAIN {
                    certain.extend(failure.rows.first());
                }
            }
        }
        self.seen = failures.len();
        certain
    }
}

/// Decides who is at fault for the failures of a pass. Returns the layers, and the hosts that may be at fault.
pub(crate) fn judge(
    failures: Vec<Failure<StoreError>>,
    batch: Option<&Batch>,
    plan: Plan<'_>,
) -> (Vec<Refused>, HashSet<HostId>) {
    let now = Instant::now();
    let suspects = &plan.stage.suspects;
    let mut suspects = suspects.lock();
    let frames = batch.into_iter().flat_map(|batch| &batch.frames);
    let booked: HashSet<&HostId> = frames.map(|frame| &frame.booking.host.id).collect();
    let mut hosts = HashSet::new();
    let refused = failures.into_iter().filter_map(|failure| {
        let failed = plan.these(&failure.rows);
        let layer = failed.first()?.layer.id.clone();
        let elsewhere = is_booked_elsewhere(&failed, batch);
        let found = failed.iter().map(|booking| match elsewhere {
            true => Evidence::Frame(booking.frame.id.clone()),
            false => Evidence::Layer(booking.layer.id.clone()),
        });
        let host = only_host(&failed)
            .filter(|host| suspects.failed((*host).clone(), found, now) && !booked.contains(host));
        hosts.extend(host.cloned());
        Some(Refused {
            layer,
            error: failure.error,
            elsewhere: host.is_some(),
        })
    });
    let refused = refused.collect();
    (refused, hosts)
}

/// The host, if the bookings are on one only.
fn only_host<'a>(bookings: &[&'a Booking]) -> Option<&'a HostId> {
    let mut hosts = bookings.iter().map(|booking| &booking.host.id);
    let first = hosts.next()?;
    hosts.all(|host| host == first).then_some(first)
}

/// Returns true if frames of the layer of these bookings were booked in the same pass.
fn is_booked_elsewhere(bookings: &[&Booking], batch: Option<&Batch>) -> bool {
    let layer = bookings.first().map(|booking| &booking.layer.id);
    let mut frames = batch.into_iter().flat_map(|batch| &batch.frames);
    frames.any(|frame| Some(&frame.booking.layer.id) == layer)
}
