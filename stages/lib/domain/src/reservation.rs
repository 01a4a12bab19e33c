//! Reservations: hosts that are kept for layers which fit nowhere yet, and what may run there meanwhile.
//!
//! The scheme is EASY backfill. A blocked layer reserves the hosts that will have room for it first; a
//! foreign frame may use such a host only if it is expected to end before that.
//!
//! Nothing is remembered: each round chooses again from the rows, and comes to the same hosts because those that
//! drain are the best choice.
//!
//! Invariants: no host is reserved twice, and the result does not depend on the order of the
//! candidates, so replicas that see the same rows reserve the same hosts.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use crate::ids::{HostId, LayerId};
use crate::units::Resources;

mod rendezvous;

/// A layer whose frames fit no idle host, though some host is large enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The layer.
    pub layer: LayerId,
    /// Least resources of a frame. For a whole host, the cores are `int_cores_min`, 0 or less.
    pub needs: Resources,
    /// True if a frame takes a fully idle host.
    pub whole_host: bool,
    /// Waiting frames.
    pub frames: u32,
    /// Time for which the layer could have started and did not.
    pub waited: Duration,
}

/// A proc that runs on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proc {
    /// The layer of its frame.
    pub layer: LayerId,
    /// Resources that its end frees.
    pub holds: Resources,
    /// Expected time until it ends, see [`expected_end`].
    pub ends_in: Duration,
}

/// A host that blocked layers could reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The host.
    pub host: HostId,
    /// Resources of the host in all.
    pub total: Resources,
    /// Idle resources.
    pub idle: Resources,
    /// Procs that run on it.
    pub procs: Vec<Proc>,
    /// Indexes of the blocked layers that its tags, systems, mode and allocation admit.
    pub serves: Vec<usize>,
}

/// A host that is kept for a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The host.
    pub host: HostId,
    /// The layer that it is kept for.
    pub owner: LayerId,
    /// Expected time until a frame of the layer fits.
    pub ready_in: Duration,
}

/// Reserves hosts for the blocked layers, in the order in which they are given.
///
/// Each layer takes the hosts that cost least, until its waiting frames have room or it has half of the hosts that
/// are large enough for it, rounded up. The cost is the time until the host is ready and, on average over the
/// cores that the layer needs, the time for which those that are idle before stay idle, and that for which those
/// that are in use now are awaited. So a host with one wide frame is preferred to one whose cores become idle one
/// after the other, and a layer stays with a host that has begun to drain.
pub fn reserve(blocked: &[Blocked], candidates: &[Candidate]) -> Vec<Reservation> {
    let mut serving = vec![Vec::new(); blocked.len()];
    for candidate in candidates {
        let timeline = Timeline::of(candidate);
        for index in candidate.serves.iter().copied().collect::<BTreeSet<_>>() {
            let Some((layer, hosts)) = blocked.get(index).zip(serving.get_mut(index)) else {
                continue;
            };
            if let Some(ready) = timeline.ready(&layer.needs, layer.whole_host) {
                hosts.push((ready, candidate));
            }
        }
    }
    let mut taken = HashSet::new();
    let mut reservations = Vec::new();
    for (layer, hosts) in blocked.iter().zip(serving) {
        take(layer, hosts, &mut taken, &mut reservations);
    }
    reservations
}

/// Takes hosts for one layer.
fn take<'a>(
    layer: &Blocked,
    hosts: Vec<(Ready, &'a Candidate)>,
    taken: &mut HashSet<&'a HostId>,
    reservations: &mut Vec<Reservation>,
) {
    let mut hosts_left = hosts.len().div_ceil(2);
    let mut frames_left = layer.frames;
    let ranked = hosts.into_iter().map(|(ready, candidate)| {
        let weight = rendezvous::weight(layer.layer.as_str(), candidate.host.as_str());
        let rank = (ready.cost_ms, Reverse(weight), &candidate.host);
        (rank, ready.within, candidate)
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_unstable_by_key(|(rank, ..)| *rank);
    for ((_, _, host), ready_in, candidate) in ranked {
        if frames_left == 0 || hosts_left == 0 {
            return;
        }
        if taken.insert(host) {
            hosts_left = hosts_left.saturating_sub(1);
            frames_left = frames_left.saturating_sub(frames_on(layer, &candidate.total));
            reservations.push(Reservation {
                host: host.clone(),
                owner: layer.layer.clone(),
                ready_in,
            });
        }
    }
}

/// Frames of the layer that an empty host runs at once, at least one.
fn frames_on(layer: &Blocked, total: &Resources) -> u32 {
    if layer.whole_host {
        return 1;
    }
    let frames = total.times(&layer.needs).max(1);
    u32::try_from(frames).unwrap_or(u32::MAX)
}

/// The time at which a host is ready for a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ready {
    /// Time until then.
    within: Duration,
    /// The cost of waiting for it, see [`reserve`], in milliseconds.
    cost_ms: i128,
}

/// Idle resources of a host as its procs end.
struct Timeline {
    total: Resources,
    /// Times with the resources that are idle from then on. None of the amounts falls.
    idle: Vec<(Duration, Resources)>,
}

impl Timeline {
    fn of(candidate: &Candidate) -> Self {
        let mut procs: Vec<_> = candidate.procs.iter().collect();
        procs.sort_unstable_by_key(|proc| proc.ends_in);
        let mut now = candidate.idle;
        let mut idle = vec![(Duration::ZERO, now)];
        for proc in procs {
            // A negative amount in a row frees nothing.
            let negative = proc.holds.at_most(&Resources::NONE);
            now = now.plus(&proc.holds.minus(&negative));
            idle.push((proc.ends_in, now));
        }
        Self {
            total: candidate.total,
            idle,
        }
    }

    /// The earliest time at which the host has room for `needs` in every dimension, as its procs end; `None` if it
    /// has too little even without them.
    fn ready(&self, needs: &Resources, whole_host: bool) -> Option<Ready> {
        let mut needs = *needs;
        if whole_host {
            let spared = needs.cores.0.min(0);
            if self.total.cores.0.saturating_add(spared) <= 0 {
                return None;
            }
            needs.cores = needs.cores.max(self.total.cores);
        }
        // Idle resources beyond the total are an error of a ledger.
        if !needs.fits_in(&self.total) {
            return None;
        }
        let too_little = self.idle.partition_point(|(_, idle)| !needs.fits_in(idle));
        let within = self.idle.get(too_little)?.0;
        let (_, idle_now) = self.idle.first()?;
        let in_use = i128::from(needs.cores.0) - i128::from(idle_now.cores.0);
        let mut core_ms = in_use.max(0).saturating_mul(millis(within));
        let times = self.idle.iter().take(too_little + 1);
        for ((from, idle), (to, _)) in times.clone().zip(times.skip(1)) {
            let cores = i128::from(idle.cores.0.max(0));
            let span = millis(to.saturating_sub(*from));
            core_ms = core_ms.saturating_add(cores.saturating_mul(span));
        }
        let of_cores = core_ms / i128::from(needs.cores.0.max(1));
        Some(Ready {
            within,
            cost_ms: millis(within).saturating_add(of_cores),
        })
    }
}

fn millis(time: Duration) -> i128 {
    i128::try_from(time.as_millis()).unwrap_or(i128::MAX)
}

/// Runs of the succeeded frames of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// The mean.
    pub mean: Duration,
    /// The longest, rounded up.
    pub longest: Duration,
}

/// Expected time until a run ends that began `elapsed` ago, by the runs of its layer so far. Without any, the
/// farm's median stands in.
///
/// A run that is later than the mean is expected to need as much time again as it is late, so a frame that hangs
/// does not make its host look ready; and at least half of what is left to the longest run.
pub fn expected_end(runs: Option<Runs>, elapsed: Duration, farm_median: Duration) -> Duration {
    let mean = runs.map_or(farm_median, |runs| runs.mean);
    let longest = runs.map_or(Duration::ZERO, |runs| runs.longest);
    mean.abs_diff(elapsed)
        .max(longest.saturating_sub(elapsed) / 2)
}

/// Returns true if a foreign frame may use a host that is reserved and ready in `ready_in`: the longest
/// run of its layer so far would end before. A layer without a finished run has no claim to that.
pub fn may_backfill(longest_run: Option<Duration>, ready_in: Duration) -> bool {
    longest_run.is_some_and(|run| run < ready_in)
}

#[cfg(test)]
mod tests;
