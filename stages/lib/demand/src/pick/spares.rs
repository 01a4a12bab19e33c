//! Spare layers: tried in case the layers before them leave idle cores.
//!
//! Equal spares of a job that was paid for stand in for its other layers, with as many frames.
//!
//! A spare that is *equal* may also take a host before them, if it runs there already: its job is within one core of
//! theirs, so the order is kept to a core. Where a job without cores is served there are no equals.

use std::collections::HashMap;

use cue_domain::{JobId, LayerId, Resources};

use super::Picking;
use super::turn::{Turn, left_of};
use crate::cluster_rows::LayerRows;

/// A pick of more frames than this has no spare layers.
const SHORT: u32 = 64;

/// Spare layers of a short pick for each idle host that ran them lately, while these hosts are few.
const SPARES_OF_HOST: usize = 2;

impl<'a> Picking<'a> {
    /// Resources of a spare frame of the layer, whose shape cannot be paid for any more.
    pub(super) fn spare(&mut self, turn: &Turn<'_>, layer: &LayerRows) -> Option<Resources> {
        let mut spare = None;
        if self.spares > 0 && self.frames <= SHORT {
            spare = self.budget.spare(self.rows, self.input.supply, layer.shape);
        }
        // Of reserved hosts each layer may use others.
        if spare.is_none()
            && self.input.supply.reserved().is_empty()
            && let Some(is_used_up) = self.is_used_up.get_mut(layer.shape as usize)
        {
            *is_used_up = true;
            self.shapes_left = self.shapes_left.saturating_sub(1);
        }
        let is_picked = self.place_of.contains_key(&layer.row.layer.id);
        let is_left = !is_picked && spare.is_none() && self.budget.has_offer(layer.shape);
        self.pick.leaves_others |= is_left && self.is_equal(turn);
        let takes = spare.filter(|_| !is_picked)?;
        self.spares -= 1;
        Some(takes)
    }

    /// Returns true if the job may have a core before the last job that was paid for.
    pub(super) fn is_equal(&self, turn: &Turn<'_>) -> bool {
        let order = &self.input.rules.order;
        self.last.as_ref().is_some_and(|last| {
            !self.serves_first_core && order.is_within_a_core(&turn.standing, turn.cores, last)
        })
    }

    /// Lets an equal spare have as many frames as its job was paid for. If the layers before it find no host, or
    /// have reached their share of a host, the job still has its cores.
    pub(super) fn let_siblings_stand_in(&mut self) {
        let mut paid: HashMap<JobId, u32> = HashMap::new();
        for picked in self.pick.layers.iter().filter(|picked| !picked.is_spare) {
            let of_job = paid.entry(picked.job.clone()).or_default();
            *of_job = of_job.saturating_add(picked.frames);
        }
        let most = self.input.rules.layer_frames;
        for (picked, left) in self.pick.layers.iter_mut().zip(&self.left) {
            if let Some(of_job) = paid.get(&picked.job).filter(|_| picked.is_equal) {
                let left = u32::try_from(*left).unwrap_or(u32::MAX);
                let frames = left.min(*of_job).min(most).max(picked.frames);
                let asked = self.amounts.frames.entry(picked.layer.clone()).or_default();
                *asked += i64::from(frames - picked.frames);
                picked.frames = frames;
                picked.has_more = left > frames;
            }
        }
    }

    /// Adds equal layers that hosts of the supply ran lately, the last first.
    pub(super) fn add_warm(&mut self, turns: &[Turn<'a>]) {
        if self.serves_first_core {
            for picked in &mut self.pick.layers {
                picked.is_equal = false;
            }
        }
        for of_host in self.warm {
            let mut left = SPARES_OF_HOST;
            for (job, layer) in *of_host {
                let is_full = self.frames > SHORT || self.pick.layers.len() >= self.most_layers;
                if left == 0 || is_full {
                    break;
                }
                let number = turns.binary_search_by(|turn| turn.rows.job.id.cmp(job));
                let turn = number.ok().and_then(|number| turns.get(number));
                if let Some(turn) = turn.filter(|turn| self.is_equal(turn))
                    && !self.place_of.contains_key(layer)
                {
                    left -= usize::from(self.add_if_next(turn, layer));
                }
            }
        }
    }

    /// Adds a frame of the layer as a spare, if it is the next layer of its job that may have one.
    fn add_if_next(&mut self, turn: &Turn<'a>, id: &LayerId) -> bool {
        let (job, rows) = (&turn.rows.job, self.rows);
        for layer in &turn.rows.layers {
            let left = left_of(layer, self.asked, self.input.rules);
            let admits = left > 0 && self.budget.admits_job(job, self.asked, layer);
            if !admits || (self.input.is_set_aside)(&layer.row.layer.id) {
                continue;
            }
            let Some(takes) = self.budget.spare(rows, self.input.supply, layer.shape) else {
                continue;
            };
            let is_next = layer.row.layer.id == *id;
            if is_next {
                self.budget.take_of_job(job, &takes);
                self.add(turn, (layer, left), true);
            }
            return is_next;
        }
        false
    }
}
