//! Planning: picks a host for each frame.
//!
//! Layers are served in the order of the batch. Each fills the hosts that the plan holds before it takes another, so
//! that a batch of many layers does not hold a host for each of them. Of the hosts that the policy admits, those that
//! run the layer already come first, and hosts with idle GPUs last if the layer asks for none. A layer under a limit by
//! hosts gets hosts that hold the limit before any that would need a seat of their own.
//!
//! There are three rounds. In the first a layer takes reserved hosts that are open to it, and hosts that run it already.
//! In the second it takes others. In both it keeps within its share of a host, so that layers spread. In the third the
//! remaining frames take resources that no layer of an equal job could use, neither inside of the batch, if more of its
//! frames wait, nor outside. A layer of a job that is behind in the order is no reason to leave cores idle, so
//! spreading takes nothing of a job's share. Spare layers of such jobs come after all others, and have only hosts that
//! none of these could use.

use std::cell::Cell;
use std::collections::HashMap;

use cue_domain::fit::FitRules;
use cue_domain::messages::LockedLayer;
use cue_domain::{JobId, WaitingFrame};
use cue_hosts::HostIndex;

use crate::layer_plan::LayerPlan;
use crate::metrics::MatchMetrics;
use crate::planned::Planned;
use crate::policy::{Policy, Round};
use crate::remaining::RemainingCaps;

/// Places the frames of `layers` on hosts. Placed frames are removed from their layers.
pub fn plan(
    index: &HostIndex,
    rules: &FitRules,
    policy: &Policy,
    layers: &mut [LockedLayer],
    metrics: &MatchMetrics,
) -> Planned {
    let mut planning = Planning {
        index,
        rules,
        policy,
        metrics,
        planned: Planned::default(),
        caps: RemainingCaps::new(&policy.part.entitled),
        outcomes: vec![Outcome::default(); layers.len()],
        quota: quotas(layers),
    };
    for behind in [false, true] {
        for round in [Round::Warm, Round::Spread, Round::Leftover] {
            if round != Round::Leftover || policy.part.may_crowd {
                planning.serve_round(round, behind, layers);
            }
        }
    }
    let Planning {
        mut planned,
        caps,
        outcomes,
        ..
    } = planning;
    for (layer, outcome) in layers.iter().zip(outcomes) {
        if outcome.attempted == 0 && outcome.refused && caps.has_entitlement() {
            planned.without_host.push(layer.wanted.layer.id.clone());
        }
        metrics.layer_done(outcome.attempted, outcome.wasted, layer.frames.is_empty());
    }
    planned
}

/// Hosts that a layer attempted.
#[derive(Clone, Copy, Default)]
struct Outcome {
    attempted: u32,
    wasted: u32,
    /// Limits, policy or the size of the frame refused an idle host with room.
    refused: bool,
}

/// A plan in the making.
struct Planning<'a> {
    index: &'a HostIndex,
    rules: &'a FitRules,
    policy: &'a Policy,
    metrics: &'a MatchMetrics,
    planned: Planned,
    caps: RemainingCaps,
    outcomes: Vec<Outcome>,
    /// Remaining frames of each job, not counting those of jobs that are behind.
    quota: HashMap<JobId, usize>,
}

impl Planning<'_> {
    /// Serves a round to the layers in order, or to the spare layers of jobs `behind` them.
    fn serve_round(&mut self, round: Round, behind: bool, layers: &mut [LockedLayer]) {
        let is_behind = |layer: &LockedLayer| layer.wanted.is_spare && !layer.wanted.is_equal;
        let others = numbers(layers, |layer| {
            let counts = behind || !is_behind(layer);
            round == Round::Leftover && counts && layer.wanted.has_more && layer.frames.is_empty()
        });
        let before = numbers(layers, |layer| {
            behind && !is_behind(layer) && (layer.wanted.has_more || !layer.frames.is_empty())
        });
        for number in 0..layers.len() {
            let layer = &mut layers[number];
            let quota = self.quota.get(&layer.wanted.job.id).copied();
            let most = quota.filter(|_| !behind).unwrap_or(usize::MAX);
            if layer.frames.is_empty() || is_behind(layer) != behind || most == 0 {
                continue;
            }
            let mut frames = std::mem::take(&mut layer.frames);
            let beyond = frames.split_off(most.min(frames.len()));
            let mut frames = self.serve(round, (number, layers), (&others, &before), frames);
            frames.extend(beyond);
            layers[number].frames = frames;
        }
    }

    /// Places these frames of a layer on hosts. Returns those that found none.
    fn serve(
        &mut self,
        round: Round,
        (number, layers): (usize, &[LockedLayer]),
        (others, before): (&[usize], &[usize]),
        frames: Vec<WaitingFrame>,
    ) -> Vec<WaitingFrame> {
        let found = |numbers: &[usize]| -> Vec<(usize, &LockedLayer)> {
            let numbers = numbers.iter();
            numbers.map(|other| (*other, &layers[*other])).collect()
        };
        let (others, before) = (found(others), found(before));
        let layer = &layers[number];
        let before_count = self.planned.placements.len();
        let mut layer_plan = LayerPlan {
            index: self.index,
            rules: self.rules,
            policy: self.policy,
            round,
            layer,
            number,
            others: &others,
            before: &before,
            frames: frames.into(),
            seated_only: false,
            no_match: false,
            refused: Cell::default(),
            attempted: 0,
            wasted: 0,
            metrics: self.metrics,
        };
        layer_plan.fill(&mut self.planned, &mut self.caps);
        if let Some(outcome) = self.outcomes.get_mut(number) {
            outcome.attempted += layer_plan.attempted;
            outcome.wasted += layer_plan.wasted;
            outcome.refused |= layer_plan.refused.get();
        }
        let placed = self.planned.placements.len() - before_count;
        if let Some(quota) = self.quota.get_mut(&layer.wanted.job.id) {
            *quota = quota.saturating_sub(placed);
        }
        self.policy.part.ticket.placed(placed as u64);
        layer_plan.frames.into()
    }
}

/// Numbers of the layers that match.
fn numbers(layers: &[LockedLayer], matches: impl Fn(&LockedLayer) -> bool) -> Vec<usize> {
    let numbered = layers.iter().enumerate();
    let matching = numbered.filter(|(_, layer)| matches(layer));
    matching.map(|(number, _)| number).collect()
}

/// Frames that each job may have in order: those that were paid for, or its spares if none was. The other frames of
/// its layers are substitutes.
fn quotas(layers: &[LockedLayer]) -> HashMap<JobId, usize> {
    let mut frames: HashMap<JobId, (usize, usize)> = HashMap::new();
    for layer in layers {
        let (paid, spare) = frames.entry(layer.wanted.job.id.clone()).or_default();
        let of_kind = if layer.wanted.is_spare { spare } else { paid };
        *of_kind += layer.frames.len();
    }
    let frames = frames.into_iter();
    frames
        .map(|(job, (paid, spare))| (job, if paid > 0 { paid } else { spare }))
        .collect()
}
