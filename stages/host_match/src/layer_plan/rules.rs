//! Rules of the plan of one layer: admission of a frame by hosts, limits, caps and policy, and its resources.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::VecDeque;

use cue_domain::fit;
use cue_domain::job::Room;
use cue_domain::messages::LockedLayer;
use cue_domain::sizing::cores_for;
use cue_domain::{Host, Layer, Resources};

use super::LayerPlan;
use crate::planned::Planned;
use crate::policy::Round;
use crate::remaining::RemainingCaps;

impl LayerPlan<'_> {
    /// Returns true if limits and policy may admit a frame on a host that this plan does not hold yet.
    pub(super) fn may_take(&self, host: &Host, planned: &Planned, caps: &RemainingCaps) -> bool {
        caps.admit(self.layer, host, self.seated_only)
            && caps.is_entitled(&host.alloc)
            && self.policy.may_use(self.layer, host)
            && self.may_have(host, None, planned, caps)
            && (!self.needs_sizing(host)
                || fit::reserve(&self.layer_on(host), host, self.rules, None)
                    .is_ok_and(|takes| self.policy.leaves_gpus(self.layer, host, &takes)))
    }

    /// Returns true if the layer's row alone does not decide whether a frame fits.
    fn needs_sizing(&self, host: &Host) -> bool {
        self.layer.wanted.sized.is_some() || self.policy.keeps_gpus(self.layer, host)
    }

    /// The layer as its frames are sized on a host.
    fn layer_on(&self, host: &Host) -> Cow<'_, Layer> {
        let layer = &self.layer.wanted.layer;
        let Some(memory) = self.layer.wanted.sized else {
            return Cow::Borrowed(layer);
        };
        let cores = cores_for(layer, memory, &host.total);
        Cow::Owned(Layer {
            memory_min: memory,
            cores_min: cores,
            cores_max: Some(cores).filter(|cores| cores.0 > 0),
            ..layer.clone()
        })
    }

    /// Returns true if a host that the plan holds may serve this layer at all.
    pub(super) fn may_serve(&self, host: &Host) -> bool {
        let tags = &self.layer.wanted.layer.tags;
        host.facility == self.policy.part.cluster.key.facility
            && host.offers_os(self.layer.wanted.job.os.as_deref())
            && host.tags.iter().any(|tag| tags.contains(tag))
            && self.policy.may_use(self.layer, host)
    }

    /// Resources that the next frame takes of a host of the plan, if caps and policy admit it there.
    pub(super) fn reserve(
        &self,
        host: usize,
        planned: &Planned,
        caps: &RemainingCaps,
    ) -> Option<Resources> {
        let room = planned.remaining.get(host)?;
        let is_admitted = caps.admit(self.layer, room, self.seated_only)
            && self.may_have(room, Some(host), planned, caps);
        is_admitted.then(|| self.resources_on(room, caps))?
    }

    /// Returns true if no layer before this one could use the host, and one more frame keeps this layer within its share
    /// of the host. In the last round the layer may exceed its share if no other layer could use the resources. `host`
    /// is the position of a host that the plan holds.
    fn may_have(
        &self,
        room: &Host,
        host: Option<usize>,
        planned: &Planned,
        caps: &RemainingCaps,
    ) -> bool {
        let is_in_share = |number: usize, layer: &LockedLayer| {
            let placed = host.and_then(|host| planned.placed.get(&(number, host)));
            let placed = placed.copied().unwrap_or_default();
            self.policy.is_in_share(layer, room, placed)
        };
        let could_use = |&(number, layer): &(usize, &LockedLayer)| {
            let other = LayerPlan {
                layer,
                number,
                frames: VecDeque::new(),
                refused: Cell::default(),
                ..*self
            };
            other.may_serve(room)
                && caps.admit(layer, room, false)
                && other.resources_on(room, caps).is_some()
        };
        if self.before.iter().any(could_use) {
            return false;
        }
        let could_share =
            |other: &(usize, &LockedLayer)| is_in_share(other.0, other.1) && could_use(other);
        is_in_share(self.number, self.layer)
            || (self.round == Round::Leftover && !self.others.iter().any(could_share))
    }

    /// Resources that a frame takes of a host, if it fits there and caps of cores and GPUs admit it.
    fn resources_on(&self, room: &Host, caps: &RemainingCaps) -> Option<Resources> {
        if !caps.is_entitled(&room.alloc) {
            return None;
        }
        let subscription = caps.subscription(self.layer, &room.alloc)?;
        let Room { cores, gpus } = caps.of_job(self.layer);
        let takes = fit::reserve(&self.layer_on(room), room, self.rules, cores).ok()?;
        let fits = takes.cores <= subscription
            && gpus.is_none_or(|gpus| takes.gpus <= gpus.max(0))
            && self.policy.leaves_gpus(self.layer, room, &takes);
        fits.then_some(takes)
    }
}
