//! Hosts that there are for a layer, and the amounts that they lack.
//!
//! Invariant: each question is asked only of the hosts that passed the ones before, so the first
//! reason is the true one: a host without the tag is not said to be too small.

use super::contradictions::{Contradiction, LedgerFault};
use super::facts::{Facts, LayerFacts, Scheduler};
use super::reason::{Dimension, Lack, Why};
use super::reserved::ReservedHosts;
use super::systems::offered;
use crate::fit::{FitRules, least_cores, reserve};
use crate::host::{Host, ThreadMode};
use crate::tags::Tag;
use crate::units::{Centicores, Resources};

/// Number of hosts that have room for a frame of the layer now, or the reason why none has.
pub(super) fn look(
    facts: &Facts,
    layer: &LayerFacts,
    hosts: &[Host],
    scheduler: &Scheduler<'_>,
) -> Result<usize, Why> {
    let rules = scheduler.rules;
    let able = able(facts, layer, hosts, scheduler)?;
    let with_room = only(&able, |host| {
        reserve(&layer.layer, host, rules, None).is_ok()
    })
    .ok_or_else(|| none_has_room(facts, layer, &able, rules))?;
    let backoffs = scheduler.host_backoffs;
    let ready = only(&with_room, |host| !backoffs.contains_key(&host.id));
    let ready = ready.ok_or_else(|| {
        let remaining = with_room.iter().filter_map(|host| backoffs.get(&host.id));
        Why::HostsBackOff {
            hosts: with_room.len(),
            remaining: remaining.min().copied().unwrap_or_default(),
        }
    })?;
    let others = &layer.reservations.others;
    if let Some(reserved) = ReservedHosts::among(&ready, others)
        && reserved.names.len() == ready.len()
    {
        return Err(Why::ReservedForOther(reserved));
    }
    let mut open = ready;
    open.retain(|host| !others.contains_key(&host.id));
    let refusing = |host: &Host| {
        let mut limits = layer.limits.iter();
        limits.find(|facts| !facts.limit.admits(&host.id, &host.name))
    };
    let full = open.iter().find_map(|host| refusing(host));
    // A full limit by hosts leaves only hosts that hold it.
    open.retain(|host| refusing(host).is_none());
    match full {
        Some(full) if open.is_empty() => Err(Why::Limit(Box::new(full.clone()))),
        _ => within_caps(facts, layer, &open, rules),
    }
}

/// The hosts that could run a frame of the layer if nothing ran on them, or the reason why there are none.
pub(super) fn able<'h>(
    facts: &Facts,
    layer: &LayerFacts,
    hosts: &'h [Host],
    scheduler: &Scheduler<'_>,
) -> Result<Vec<&'h Host>, Why> {
    let serves = |tag: &Tag| scheduler.serves(tag) && layer.layer.tags.contains(tag);
    let tagged: Vec<&Host> = hosts
        .iter()
        .filter(|host| host.facility == facts.facility)
        .filter(|host| host.tags.iter().any(serves))
        .collect();
    if tagged.is_empty() {
        let tags = layer.layer.tags.iter();
        let wanted = tags.filter(|tag| scheduler.serves(tag));
        return Err(Why::NoTag(wanted.cloned().collect()));
    }
    let subscribed = |host: &Host| facts.subscription(&host.alloc).is_some();
    let ours = only(&tagged, subscribed).ok_or(Why::TagElsewhere {
        hosts: tagged.len(),
    })?;
    let with_os = only(&ours, |host| host.offers_os(facts.os.as_deref()));
    let with_os = with_os.ok_or_else(|| Why::NoOs {
        hosts: ours.len(),
        offered: offered(&ours),
    })?;
    let threaded = |host: &Host| host.thread_mode != ThreadMode::All || layer.layer.threadable;
    let takers = only(&with_os, threaded).ok_or(Why::ThreadMode {
        hosts: with_os.len(),
    })?;
    let fits_when_idle = |host: &Host| fits(layer, host, host.total, scheduler.rules);
    only(&takers, fits_when_idle).ok_or_else(|| Why::TooSmall(lacking(layer, &takers)))
}

/// The reason why none of these hosts, which are big enough, has room.
fn none_has_room(facts: &Facts, layer: &LayerFacts, hosts: &[&Host], rules: &FitRules) -> Why {
    let by_ledger = only(hosts, |host| fits(layer, host, host.ledger, rules));
    if let Some(unreported) = by_ledger {
        let free = unreported.iter().map(|host| host.idle.memory.0).max();
        return Why::Contradiction(Contradiction::Memory {
            hosts: unreported.len(),
            free: free.unwrap_or_default(),
            low: unreported.iter().all(|host| host.idle.cores.0 <= 0),
        });
    }
    let has_room = |fault: &&LedgerFault| {
        let mut hosts = hosts.iter().filter(|host| host.id == fault.host);
        hosts.any(|host| fits(layer, host, fault.left.at_most(&host.total), rules))
    };
    let mut faults = facts.ledger_faults.iter().filter(has_room);
    if let Some(fault) = faults.next() {
        return Why::Contradiction(Contradiction::Ledger {
            fault: fault.clone(),
            others: faults.count(),
        });
    }
    let idle = hosts.iter().map(|host| host.idle.cores.0.max(0));
    let idle = idle.fold(0_i64, i64::saturating_add);
    let busy = Why::Busy {
        fitting: hosts.len(),
        in_pieces: layer.layer.cores_min.0 > 0 && idle >= least_cores(&layer.layer).0,
    };
    let reserved = ReservedHosts::among(hosts, &layer.reservations.own);
    reserved.map_or(busy, Why::Reserved)
}

/// Returns true if a frame of the layer fits the host once these resources are idle.
fn fits(layer: &LayerFacts, host: &Host, idle: Resources, rules: &FitRules) -> bool {
    let host = Host {
        idle,
        ..host.clone()
    };
    reserve(&layer.layer, &host, rules, None).is_ok()
}

/// The hosts that pass; `None` if none does.
fn only<'h>(hosts: &[&'h Host], passes: impl Fn(&Host) -> bool) -> Option<Vec<&'h Host>> {
    let passed: Vec<&Host> = hosts.iter().copied().filter(|host| passes(host)).collect();
    (!passed.is_empty()).then_some(passed)
}

/// Number of hosts on which the caps admit a frame: it can grow beyond its least.
fn within_caps(
    facts: &Facts,
    layer: &LayerFacts,
    hosts: &[&Host],
    rules: &FitRules,
) -> Result<usize, Why> {
    let job = facts.job.max_cores.saturating_sub(facts.job.cores);
    let folder = &facts.folder;
    let remaining = match folder.max_cores {
        -1 => job,
        max => job.min(max.saturating_sub(folder.cores)),
    };
    let (mut open, mut tight) = (0, None);
    // Of the subscriptions, the one that lacks least: it is the first that will have room.
    let mut over: Option<(i64, Why)> = None;
    for host in hosts {
        // Only hosts of allocations with a subscription come this far.
        let Some(subscription) = facts.subscription(&host.alloc) else {
            continue;
        };
        let takes = match reserve(&layer.layer, host, rules, Some(Centicores(remaining))) {
            Ok(taken) => taken.cores,
            Err(misfit) => {
                tight = tight.or(Some(misfit));
                continue;
            }
        };
        let lack = takes.0.saturating_sub(subscription.remaining());
        if lack <= 0 {
            open += 1;
        } else if over.as_ref().is_none_or(|(least, _)| lack < *least) {
            let (subscription, takes) = (subscription.clone(), Some(takes));
            over = Some((
                lack,
                Why::Burst {
                    subscription,
                    takes,
                },
            ));
        }
    }
    match (open, over, tight) {
        (0, Some((_, why)), _) => Err(why),
        (0, None, Some(misfit)) => Err(Why::CapTooTight(misfit)),
        _ => Ok(open),
    }
}

/// The first dimension in which even the biggest host has too little.
fn lacking(layer: &LayerFacts, hosts: &[&Host]) -> Option<Lack> {
    let layer = &layer.layer;
    let cores = match layer.cores_min.0 {
        // All cores but that many: one must be left.
        ..=0 => layer.cores_min.0.saturating_neg().saturating_add(100),
        _ if layer.threadable => layer.cores_min.rounded_up().0,
        _ => least_cores(layer).0.max(layer.cores_min.0),
    };
    type Amount = fn(&Resources) -> i64;
    let dimensions: [(Dimension, i64, Amount); 4] = [
        (Dimension::Cores, cores, |of| of.cores.0),
        (Dimension::Memory, layer.memory_min.0, |of| of.memory.0),
        (Dimension::Gpus, layer.gpus_min, |of| of.gpus),
        (Dimension::GpuMemory, layer.gpu_memory_min.0, |of| {
            of.gpu_memory.0
        }),
    ];
    let mut lacks = dimensions.into_iter().map(|(dimension, needs, amount)| {
        let biggest = hosts.iter().map(|host| amount(&host.total)).max();
        Lack {
            dimension,
            needs,
            biggest: biggest.unwrap_or(0),
        }
    });
    lacks.find(|lack| lack.needs > lack.biggest)
}
