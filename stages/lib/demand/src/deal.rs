//! The deal: layers of a pick divided among replicas, so that they do not all try the same ones.
//!
//! Each replica picks for all of them and serves its own layers first, up to its part of the frames. The deal changes
//! every second, so a layer of a replica that is stuck, or that books for another facility, is served by others.

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
    pick.layers
        .sort_by_key(|picked| (picked.is_spare, !place.has(&picked.layer, now_us)));
    let before = pick.layers.len();
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
