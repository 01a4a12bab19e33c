//! The caps above a layer, and the frames that are served before it.
//!
//! Invariant: a cap is compared with the same numbers as by the statement that looks for work, or a
//! layer would be said to be free that is never found.

use super::facts::{Facts, LayerFacts, LimitFacts};
use super::reason::Why;
use crate::admission::fits;
use crate::fit::least_cores;

/// Frames of the show served before: of other jobs, of earlier layers, of the layer itself.
pub(super) fn ahead(facts: &Facts, layer: &LayerFacts) -> i64 {
    let in_layer = facts.frame.as_ref().map_or(0, |frame| frame.ahead_in_layer);
    [facts.ahead, layer.earlier, in_layer]
        .into_iter()
        .fold(0, |sum: i64, more| sum.saturating_add(more.max(0)))
}

/// The first cap above the layer, or limit of it, that leaves no room for a frame.
pub(super) fn full(facts: &Facts, layer: &LayerFacts) -> Option<Why> {
    let least = least_cores(&layer.layer).0;
    let most_left = facts.subscriptions.iter();
    let most_left = most_left.max_by_key(|subscription| subscription.remaining());
    let Some(subscription) = most_left else {
        return Some(Why::NoSubscription);
    };
    if subscription.remaining() < least {
        return Some(Why::Burst {
            subscription: subscription.clone(),
            takes: None,
        });
    }
    let gpus = layer.layer.gpus_min.max(0);
    let (folder, job) = (&facts.folder, &facts.job);
    let unlimited = -1;
    if folder.max_cores != unlimited && !fits(folder.cores, least, folder.max_cores) {
        return Some(Why::FolderCores(folder.clone()));
    }
    if gpus > 0 && folder.max_gpus != unlimited && !fits(folder.gpus, gpus, folder.max_gpus) {
        return Some(Why::FolderGpus(folder.clone()));
    }
    // A job is only served when its cap admits the cores that the layer asks for, even where a frame
    // would take less: one core, as the layer is not threadable.
    let needs = least.max(layer.layer.cores_min.0);
    if job.max_cores <= 0 || !fits(job.cores, needs, job.max_cores) {
        let cap = job.clone();
        return Some(Why::JobCores { cap, needs });
    }
    // Also for a frame without GPUs: the trigger compares both.
    if !fits(job.gpus, gpus, job.max_gpus) {
        return Some(Why::JobGpus(job.clone()));
    }
    let full = |facts: &&LimitFacts| facts.limit.most_frames() == Some(0);
    let full = layer.limits.iter().find(full).cloned();
    full.map(|full| Why::Limit(Box::new(full)))
}
