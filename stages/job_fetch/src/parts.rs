//! Partition of the layers of a turn into transactions.
//!
//! A transaction that books for a job holds rows of the job until its commit. So the layers of a job stay together if one
//! part can hold them, and the parts of a turn do not wait for each other. A part keeps the order of the pick.

use std::collections::HashMap;
use std::hash::Hash;

use cue_demand::Picked;

/// Numbers of layers and frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) layers: usize,
    pub(crate) frames: u32,
}

impl Size {
    const fn fits(self, room: Self) -> bool {
        self.layers <= room.layers && self.frames <= room.frames
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            layers: self.layers.saturating_add(other.layers),
            frames: self.frames.saturating_add(other.frames),
        }
    }

    const fn minus(self, other: Self) -> Self {
        Self {
            layers: self.layers.saturating_sub(other.layers),
            frames: self.frames.saturating_sub(other.frames),
        }
    }
}

/// Cuts `picked` into parts of at most `most`. A layer with more frames has a part of its own, since two transactions
/// cannot lock one layer.
pub(crate) fn cut(picked: Vec<Picked>, most: Size) -> Vec<Vec<Picked>> {
    partition(
        picked,
        most,
        |layer| layer.job.clone(),
        |layer| layer.frames,
    )
}

fn partition<T, J: Eq + Hash>(
    items: Vec<T>,
    most: Size,
    job: impl Fn(&T) -> J,
    frames: impl Fn(&T) -> u32,
) -> Vec<Vec<T>> {
    let size = |item: &T| Size {
        layers: 1,
        frames: frames(item),
    };
    let mut parts: Vec<Vec<(usize, T)>> = Vec::new();
    let mut room = Size::default();
    for of_job in by_job(items, job) {
        let sizes = of_job.iter().map(|(_, item)| size(item));
        let all = sizes.fold(Size::default(), Size::plus);
        if all.fits(most) && !all.fits(room) {
            room = Size::default();
        }
        for (position, item) in of_job {
            let needs = size(&item);
            match parts.last_mut() {
                Some(part) if needs.fits(room) => part.push((position, item)),
                _ => {
                    parts.push(vec![(position, item)]);
                    room = most;
                }
            }
            room = room.minus(needs);
        }
    }
    let in_order = |mut part: Vec<(usize, T)>| {
        part.sort_unstable_by_key(|(position, _)| *position);
        part.into_iter().map(|(_, item)| item).collect()
    };
    parts.into_iter().map(in_order).collect()
}

/// The items of each job with their positions, in the order of the first of each.
fn by_job<T, J: Eq + Hash>(items: Vec<T>, job: impl Fn(&T) -> J) -> Vec<Vec<(usize, T)>> {
    let mut jobs: Vec<Vec<(usize, T)>> = Vec::new();
    let mut found: HashMap<J, usize> = HashMap::new();
    for (position, item) in items.into_iter().enumerate() {
        let index = *found.entry(job(&item)).or_insert(jobs.len());
        match jobs.get_mut(index) {
            Some(of_job) => of_job.push((position, item)),
            None => jobs.push(vec![(position, item)]),
        }
    }
    jobs
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::{Size, partition};

    proptest! {
        #[test]
        fn parts_have_every_layer_once_and_keep_jobs_whole(
            layers in proptest::collection::vec((0_u8..12, 1_u32..50), 0..80),
            layers_most in 1_usize..9,
            frames_most in 1_u32..120,
        ) {
            let most = Size { layers: layers_most, frames: frames_most };
            let items: Vec<(usize, u8, u32)> = layers
                .iter()
                .enumerate()
                .map(|(position, (job, frames))| (position, *job, *frames))
                .collect();
            let parts = partition(items.clone(), most, |(_, job, _)| *job, |(_, _, frames)| *frames);
            let mut all = parts.concat();
            all.sort_unstable();
            prop_assert_eq!(all, items.clone());
            let frames = |part: &[(usize, u8, u32)]| part.iter().map(|(_, _, frames)| *frames).sum::<u32>();
            for part in &parts {
                prop_assert!(part.is_sorted(), "the order of the pick is lost");
                prop_assert!(!part.is_empty() && part.len() <= most.layers);
                prop_assert!(part.len() == 1 || frames(part) <= most.frames);
            }
            let fits = items.len() <= most.layers && frames(&items) <= most.frames;
            prop_assert!(!fits || parts.len() <= 1, "what fits into one part is cut");
            for job in 0..12 {
                let of_job: Vec<_> = items.iter().copied().filter(|(_, of, _)| *of == job).collect();
                let holders = parts.iter().filter(|part| part.iter().any(|(_, of, _)| *of == job));
                let is_small = of_job.len() <= most.layers && frames(&of_job) <= most.frames;
                prop_assert!(!is_small || holders.count() <= 1, "a job is in two parts");
            }
        }
    }
}
