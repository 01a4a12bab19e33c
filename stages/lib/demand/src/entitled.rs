//! Entitlements: the idle cores of an allocation that each cluster may use now.

use cue_domain::demand::Subscription;
use cue_domain::entitlement::{Claim, divide};
use cue_domain::fit::least_cores;
use cue_domain::{AllocId, Centicores, ClusterKey};

use crate::cluster_rows::ClusterRows;
use crate::rows::Rows;
use crate::supply::Supply;

/// Entitlement of a cluster.
#[derive(Debug)]
pub(crate) struct Entitled<'a> {
    pub(crate) key: &'a ClusterKey,
    pub(crate) claim: Claim,
    pub(crate) cores: Centicores,
}

/// Divides the idle cores of the allocation among the clusters that could use them. Clusters other than `key` whose
/// last pick found no use for idle cores are left out.
pub(crate) fn divided<'a>(
    rows: &'a Rows,
    key: &ClusterKey,
    supply: &Supply,
    alloc: &AllocId,
) -> Vec<Entitled<'a>> {
    let idle = idle_cores(supply, alloc);
    let mut keys = Vec::new();
    let mut claims = Vec::new();
    for (of, cluster) in &rows.clusters {
        if cluster.is_paused {
            continue;
        }
        let Some(subscription) = subscription(rows, of, alloc) else {
            continue;
        };
        if of == key || !cluster.is_blocked {
            keys.push(of);
            claims.push(claim(rows, (of, cluster), subscription, (supply, idle)));
        }
    }
    let cores = divide(idle, &claims);
    let entitled = keys.into_iter().zip(claims).zip(cores);
    entitled
        .map(|((key, claim), cores)| Entitled { key, claim, cores })
        .collect()
}

/// Idle cores of the allocation.
pub(crate) fn idle_cores(supply: &Supply, alloc: &AllocId) -> Centicores {
    supply.idle(alloc).cores.max(Centicores(0))
}

/// The cluster's subscription to the allocation.
pub(crate) fn subscription<'a>(
    rows: &'a Rows,
    key: &ClusterKey,
    alloc: &AllocId,
) -> Option<&'a Subscription> {
    let mut of_cluster = rows.subscriptions.get(key)?.iter();
    of_cluster.find(|subscription| subscription.alloc == *alloc)
}

fn claim(
    rows: &Rows,
    (key, cluster): (&ClusterKey, &ClusterRows),
    subscription: &Subscription,
    (supply, idle): (&Supply, Centicores),
) -> Claim {
    let mut wanted = 0_i64;
    for (shape, frames) in cluster.waiting_by_shape() {
        // More than is idle makes no difference.
        if wanted >= idle.0 {
            break;
        }
        let (shape, frames) = (*shape, *frames);
        let Some(shape) = rows.shapes.get(shape as usize) else {
            continue;
        };
        let (layer, os, alloc) = (&shape.layer, shape.os.as_deref(), &subscription.alloc);
        let (cores, room) = match supply.offer(layer, os, alloc) {
            Some(offer) => (offer.takes.cores, offer.sum.cores),
            None if supply.fits_reserved(layer, os, alloc) => (least_cores(layer), idle),
            None => continue,
        };
        wanted = wanted.saturating_add(frames.saturating_mul(cores.0).min(room.0));
    }
    let reserved = supply.reserved().iter();
    let own = reserved
        .filter(|(host, reserved)| host.alloc == subscription.alloc && reserved.cluster == *key);
    let own = own.fold(0_i64, |sum, (host, _)| {
        sum.saturating_add(host.idle.cores.0)
    });
    let asked = cluster.asked.of_alloc(&subscription.alloc);
    Claim {
        size: subscription.size,
        burst: subscription.burst,
        held: Centicores(subscription.cores.0.saturating_add(asked)),
        // Cores of reserved hosts are wanted in addition to those of other hosts.
        wanted: Centicores(wanted.saturating_add(own)),
    }
}
