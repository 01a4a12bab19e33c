//! Shares of shows in all cores of the farm, by the tiers that divide the idle ones.

use std::collections::HashSet;

use cue_domain::entitlement::{Claim, divide};
use cue_domain::{AllocId, Centicores};

use super::cluster::ClusterView;
use crate::supply::Supply;

/// Centicores that each cluster would have if all cores of the farm were divided again: by the tiers of the
/// subscriptions, up to their bursts, among the shows that could use them.
pub(super) fn entitled(clusters: &[ClusterView], whole: &Supply) -> Vec<Centicores> {
    let subscriptions = clusters.iter().flat_map(|cluster| &cluster.subscriptions);
    let allocs: HashSet<&AllocId> = subscriptions.map(|of| &of.alloc).collect();
    let mut entitled = vec![0_i64; clusters.len()];
    for alloc in allocs {
        let (mut places, mut claims) = (Vec::new(), Vec::new());
        for (place, cluster) in clusters.iter().enumerate() {
            let mut subscriptions = cluster.subscriptions.iter();
            let Some(subscription) = subscriptions.find(|of| of.alloc == *alloc) else {
                continue;
            };
            let wanted = cluster.wanted.get(alloc).copied().unwrap_or_default();
            places.push(place);
            claims.push(Claim {
                size: subscription.size,
                burst: subscription.burst,
                held: Centicores(0),
                wanted: Centicores(subscription.cores.0.max(0).saturating_add(wanted)),
            });
        }
        let cores = divide(whole.idle(alloc).cores, &claims);
        for (place, cores) in places.into_iter().zip(cores) {
            if let Some(sum) = entitled.get_mut(place) {
                *sum = sum.saturating_add(cores.0);
            }
        }
    }
    let bounded = clusters.iter().zip(entitled).map(|(cluster, cores)| {
        // A frame is a claim in each of its allocations, and runs in one.
        let most = cluster.held().0.saturating_add(cluster.wanted_in_all);
        Centicores(cores.min(most))
    });
    bounded.collect()
}
