//! The policy that keeps a waiting layer from idle hosts that could run it, as `why` reports it.

use std::collections::HashSet;
use std::sync::Arc;

use cue_domain::sizing::trial;
use cue_domain::why::{OrderFacts, Queued, ShareFacts, ShowShare};
use cue_domain::{AllocId, Centicores, ClusterKey, LayerId};

use crate::budget::Budget;
use crate::cluster_rows::ClusterRows;
use crate::entitled::{Entitled, divided, idle_cores};
use crate::pick;
use crate::picked::{Pick, PickInput, Picked};
use crate::rows::Rows;
use crate::warm::WarmLayers;

/// The policy that serves others before the layer; `None` if the layer is next, or if the policy has no part in it.
pub(crate) fn queued(
    rows: &Rows,
    warm: &WarmLayers,
    id: &LayerId,
    input: &PickInput<'_>,
) -> Option<Queued> {
    let (key, job, layer) = rows.find(id)?;
    let cluster = rows.clusters.get(key)?;
    let asked = cluster.asked.sum();
    let of_layer = asked.frames.get(id).copied().unwrap_or_default();
    let trial = trial(&layer.row.layer, layer.row.is_measured);
    let running = layer.row.running.max(0).saturating_add(of_layer);
    if let Some(most) = trial.filter(|most| input.rules.cores_follow_memory && running >= *most) {
        return Some(Queued::Trial { running, most });
    }
    let is_tried = of_layer > 0;
    let admits = Budget::default().admits_job(&job.job, &asked, layer);
    if is_tried || !admits || (input.is_set_aside)(id) {
        return None;
    }
    let shape = rows.shapes.get(layer.shape as usize)?;
    let subscriptions = rows.subscriptions.get(key)?;
    let (layer, os) = (&shape.layer, shape.os.as_deref());
    let offers = subscriptions.iter();
    let offers = offers.filter_map(|of| input.supply.offer(layer, os, &of.alloc));
    let allocs: Vec<AllocId> = offers.map(|offer| offer.alloc).collect();
    let mut kept = subscriptions.iter();
    if allocs.is_empty() && kept.any(|of| input.supply.is_kept_for_gpus(layer, os, &of.alloc)) {
        return Some(Queued::GpuProtected);
    }
    let (pick, _) = pick::preview(rows, warm, key, input)?;
    let entitled = pick.entitled.iter();
    let entitled = entitled.filter(|(alloc, cores)| cores.0 > 0 && allocs.contains(alloc));
    let entitled = entitled.fold(0_i64, |sum, (_, cores)| sum.saturating_add(cores.0));
    if entitled > 0 {
        return order(cluster, &pick, id, Centicores(entitled)).map(Queued::Order);
    }
    let shares = allocs.into_iter();
    let shares = shares.filter_map(|alloc| share(rows, key, alloc, input));
    let most_idle = shares.max_by_key(|share| share.idle)?;
    Some(Queued::Share(Box::new(most_idle)))
}

/// Place of the layer in the order in which its show's layers are served, and the number of those that were
/// ordered. `input` has the supply of an idle farm; only layers that it would serve have a place.
pub(crate) fn place(
    rows: &Rows,
    warm: &WarmLayers,
    id: &LayerId,
    input: &PickInput<'_>,
) -> Option<(usize, usize)> {
    let (key, ..) = rows.find(id)?;
    let (pick, _) = pick::preview(rows, warm, key, input)?;
    let served = pick.layers.iter().filter(|picked| !picked.is_spare);
    let place = served.clone().position(|picked| picked.layer == *id)?;
    Some((place + 1, served.count()))
}

/// Layers that the pick serves before the layer; `None` if it serves the layer, or none.
fn order(
    cluster: &ClusterRows,
    pick: &Pick,
    id: &LayerId,
    entitled: Centicores,
) -> Option<OrderFacts> {
    let served: Vec<&Picked> = pick
        .layers
        .iter()
        .filter(|picked| !picked.is_spare)
        .collect();
    if served.iter().any(|picked| picked.layer == *id) {
        return None;
    }
    let first = served.first()?;
    let job = cluster.jobs.get(&first.job)?;
    let mut layers = job.layers.iter();
    let layer = layers.find(|layer| layer.row.layer.id == first.layer)?;
    let jobs: HashSet<_> = served.iter().map(|picked| &picked.job).collect();
    Some(OrderFacts {
        first: format!("{}/{}", job.job.name, layer.row.layer.name),
        layers: served.len(),
        jobs: jobs.len(),
        entitled,
    })
}

/// The division of an allocation's idle cores; `None` if no show is served before this one.
fn share(
    rows: &Rows,
    key: &ClusterKey,
    alloc: AllocId,
    input: &PickInput<'_>,
) -> Option<ShareFacts> {
    let divided = divided(rows, key, input.supply, &alloc);
    let of = |entitled: &Entitled<'_>| {
        let cluster = &rows.clusters.get(entitled.key)?.cluster;
        Some(ShowShare {
            show: Arc::clone(&cluster.show_name),
            size: entitled.claim.size,
            held: entitled.claim.held,
            entitled: entitled.cores,
        })
    };
    let own = of(divided.iter().find(|entitled| entitled.key == key)?)?;
    let others = divided.iter().filter(|entitled| entitled.key != key);
    let mut first: Vec<ShowShare> = others
        .filter(|entitled| entitled.cores.0 > 0)
        .filter_map(of)
        .collect();
    first.sort_by(|a, b| a.tier().total_cmp(&b.tier()).then(a.show.cmp(&b.show)));
    let idle = idle_cores(input.supply, &alloc);
    (!first.is_empty()).then_some(ShareFacts {
        alloc,
        idle,
        own,
        first,
    })
}
