//! Which hosts are there for a layer, and what they lack.
//!
//! Invariant: each question is asked only of the hosts that passed the ones before, so the first
//! reason is the true one: a host without the tag is not said to be too small.

use super::facts::{Facts, LayerFacts};
use super::systems::offered;
use super::{Contradiction, Here, TooSmall, Why, contradictions};
use crate::fit::{FitRules, check_os, least_cores, reserve};
use crate::host::{Host, ThreadMode};
use crate::tags::Tag;
use crate::units::Centicores;

/// How many hosts have room for a frame of the layer now, or why none has.
pub(super) fn look(
    facts: &Facts,
    layer: &LayerFacts,
    hosts: &[Host],
    here: &Here<'_>,
) -> Result<usize, Why> {
    let rules = here.rules;
    let serves = |tag: &Tag| here.serves(tag) && layer.layer.tags.contains(tag);
    let tagged: Vec<&Host> = hosts
        .iter()
        .filter(|host| host.facility == facts.facility)
        .filter(|host| host.tags.iter().any(serves))
        .collect();
    if tagged.is_empty() {
        let wanted = layer.layer.tags.iter().filter(|tag| here.serves(tag));
        return Err(Why::NoTag(wanted.cloned().collect()));
    }
    let subscribed = |host: &Host| {
        facts
            .subscriptions
            .iter()
            .any(|one| one.alloc == host.alloc)
    };
    let ours = only(&tagged, subscribed).ok_or(Why::TagElsewhere {
        hosts: tagged.len(),
    })?;
    let with_os =
        only(&ours, |host| check_os(host, facts.os.as_deref()).is_ok()).ok_or_else(|| {
            Why::NoOs {
                hosts: ours.len(),
                offered: offered(&ours),
            }
        })?;
    let threaded = |host: &Host| host.thread_mode != ThreadMode::All || layer.layer.threadable;
    let takers = only(&with_os, threaded).ok_or(Why::ThreadMode {
        hosts: with_os.len(),
    })?;
    let fits_when_idle = |host: &Host| {
        let mut idle = host.clone();
        idle.idle = idle.total;
        reserve(&layer.layer, &idle, rules, None).is_ok()
    };
    let big_enough =
        only(&takers, fits_when_idle).ok_or_else(|| Why::TooSmall(lacking(layer, &takers)))?;
    let with_room = only(&big_enough, |host| {
        reserve(&layer.layer, host, rules, None).is_ok()
    })
    .ok_or_else(|| none_has_room(facts, layer, &big_enough, here))?;
    let awake = only(&with_room, |host| {
        !here.resting_hosts.contains_key(&host.id)
    })
    .ok_or_else(|| all_rest(&with_room, here))?;
    let refusing = |host: &Host| {
        let mut limits = layer.limits.iter();
        limits.find(|one| !one.limit.admits(&host.id, &host.name))
    };
    // Where a limit by hosts is full, only hosts that hold it are left.
    let mut admitted = awake.clone();
    admitted.retain(|host| refusing(host).is_none());
    match awake.iter().find_map(|host| refusing(host)) {
        Some(full) if admitted.is_empty() => Err(Why::Limit(Box::new(full.clone()))),
        _ => within_caps(facts, layer, &admitted, rules),
    }
}

/// The reason why none of these hosts, which are big enough, has room.
fn none_has_room(facts: &Facts, layer: &LayerFacts, hosts: &[&Host], here: &Here<'_>) -> Why {
    let by_ledger = only(hosts, |host| {
        let free = Host {
            idle: host.ledger,
            ..host.clone()
        };
        reserve(&layer.layer, &free, here.rules, None).is_ok()
    });
    if let Some(unreported) = by_ledger {
        let free = unreported.iter().map(|host| host.idle.memory.0).max();
        return Why::Contradiction(Contradiction::Memory {
            hosts: unreported.len(),
            free: free.unwrap_or_default(),
            low: unreported.iter().all(|host| host.idle.cores.0 <= 0),
        });
    }
    let busy = Why::Busy {
        fitting: hosts.len(),
    };
    contradictions::ledger(facts, layer, hosts, here).map_or(busy, Why::Contradiction)
}

/// All of these rest: when the first of them comes back.
fn all_rest(hosts: &[&Host], here: &Here<'_>) -> Why {
    let rests = hosts
        .iter()
        .filter_map(|host| here.resting_hosts.get(&host.id));
    Why::HostsRest {
        hosts: hosts.len(),
        rest: rests.min().copied().unwrap_or_default(),
    }
}

/// Those that pass; none if there are none.
fn only<'h>(hosts: &[&'h Host], passes: impl Fn(&Host) -> bool) -> Option<Vec<&'h Host>> {
    let passed: Vec<&Host> = hosts.iter().copied().filter(|host| passes(host)).collect();
    (!passed.is_empty()).then_some(passed)
}

/// How many of the hosts a frame may be booked on under the caps: it can grow beyond its least.
fn within_caps(
    facts: &Facts,
    layer: &LayerFacts,
    hosts: &[&Host],
    rules: &FitRules,
) -> Result<usize, Why> {
    let left = |max: i64, cores: i64| (max != -1).then(|| max.saturating_sub(cores));
    let job = facts.job.max_cores.saturating_sub(facts.job.cores);
    let rest = left(facts.folder.max_cores, facts.folder.cores).map_or(job, |rest| rest.min(job));
    let (mut open, mut tight) = (0, None);
    // Of the subscriptions, the one that lacks least: it is the first that will have room.
    let mut over: Option<(i64, Why)> = None;
    for host in hosts {
        let of_alloc = facts
            .subscriptions
            .iter()
            .find(|one| one.alloc == host.alloc);
        match (
            reserve(&layer.layer, host, rules, Some(Centicores(rest))),
            of_alloc,
        ) {
            (Ok(taken), Some(one)) if taken.cores.0 <= one.rest() => open += 1,
            (Ok(taken), Some(one)) => {
                let lack = taken.cores.0.saturating_sub(one.rest());
                if over.as_ref().is_none_or(|(least, _)| lack < *least) {
                    let subscription = one.clone();
                    let takes = taken.cores;
                    let why = Why::BurstOnHost {
                        subscription,
                        takes,
                    };
                    over = Some((lack, why));
                }
            }
            // Only hosts of allocations with a subscription come here.
            (Ok(_), None) => {}
            (Err(misfit), _) => tight = tight.or(Some(misfit)),
        }
    }
    match (open, over, tight) {
        (0, Some((_, why)), _) => Err(why),
        (0, None, Some(misfit)) => Err(Why::CapTooTight(misfit)),
        _ => Ok(open),
    }
}

/// The first dimension in which even the biggest host has too little.
fn lacking(layer: &LayerFacts, hosts: &[&Host]) -> TooSmall {
    let layer = &layer.layer;
    let biggest =
        |amount: fn(&Host) -> i64| hosts.iter().map(|host| amount(host)).max().unwrap_or(0);
    let cores = biggest(|host| host.total.cores.0);
    let needs = match layer.cores_min.0 {
        // All cores but that many: one must be left.
        ..=0 => layer
            .cores_min
            .0
            .saturating_neg()
            .saturating_add(Centicores::CORE.0),
        _ if layer.threadable => layer.cores_min.rounded_up().0,
        _ => least_cores(layer).0.max(layer.cores_min.0),
    };
    if needs > cores {
        return TooSmall::Cores {
            needs: Centicores(needs),
            biggest: Centicores(cores),
        };
    }
    let memory = biggest(|host| host.total.memory.0);
    if layer.memory_min.0 > memory {
        let needs = layer.memory_min.0;
        return TooSmall::Memory {
            needs,
            biggest: memory,
        };
    }
    let gpus = biggest(|host| host.total.gpus);
    if layer.gpus_min > gpus {
        let needs = layer.gpus_min;
        return TooSmall::Gpus {
            needs,
            biggest: gpus,
        };
    }
    let gpu_memory = biggest(|host| host.total.gpu_memory.0);
    if layer.gpu_memory_min.0 > gpu_memory {
        let needs = layer.gpu_memory_min.0;
        return TooSmall::GpuMemory {
            needs,
            biggest: gpu_memory,
        };
    }
    TooSmall::Together
}
