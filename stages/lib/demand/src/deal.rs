//! The deal: jobs of a pick divided among replicas, so that they do not all try the same layers, and do not wait for
//! each other's locks on the statistics of a job.
//!
//! Each replica picks for all of them and serves the layers of its own jobs first, up to its part of the frames. If
//! these are fewer, it serves those of the others from the end: that is what a replica with more than its part leaves.
//! The deal changes every few seconds, so a job of a replica that is stuck, or that books for another facility, is
//! served by others.

use cue_domain::Centicores;

use crate::picked::Pick;
use crate::replica::ReplicaPlace;

/// Leaves this replica's part of a pick that was made for all replicas.
pub(crate) fn deal(pick: &mut Pick, place: ReplicaPlace, now_us: i64) {
    if place.of <= 1 {
        return;
    }
    for (_, cores) in &mut pick.entitled {
        cores.0 = part(cores.0, i64::from(place.of));
    }
    let paid = pick.layers.iter().filter(|picked| !picked.is_spare);
    let paid: u32 = paid.map(|picked| picked.frames).sum();
    let mut left = paid.div_ceil(place.of);
    let before = pick.layers.len();
    let layers = std::mem::take(&mut pick.layers).into_iter();
    let (spares, paid): (Vec<_>, Vec<_>) = layers.partition(|picked| picked.is_spare);
    let paid = paid.into_iter();
    let (own, others): (Vec<_>, Vec<_>) = paid.partition(|picked| place.has(&picked.job, now_us));
    pick.layers = own;
    pick.layers.extend(others.into_iter().rev().chain(spares));
    pick.layers.retain_mut(|picked| {
        if picked.is_spare {
            return true;
        }
        picked.has_more |= picked.frames > left;
        picked.frames = picked.frames.min(left);
        left -= picked.frames;
        picked.frames > 0
    });
    pick.leaves_others |= pick.layers.len() < before;
}

/// A replica's part of centicores: a core at least, for a core of a host cannot be divided.
fn part(centicores: i64, of: i64) -> i64 {
    let part = centicores / of + i64::from(centicores % of != 0);
    part.max(Centicores::CORE.0).min(centicores)
}
