//! The hosts at one moment, from the index and from the last reading of those that may not be booked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use cue_demand::{Reservations, Reserved};
use cue_domain::{AllocId, Host, HostId, LayerId, Resources};
use cue_hosts::IndexedHost;
use cue_loops::ClosedFarm;
use cue_store::ClosedHost;

use super::HostFilter;
use crate::status::{HostMap, HostRow, HostState, Use};

/// The hosts at one moment.
pub(super) struct Snapshot {
    pub(super) open: Vec<IndexedHost>,
    pub(super) closed: Arc<ClosedFarm>,
    pub(super) reservations: Reservations,
}

/// A host at one moment.
pub(super) struct Item<'a> {
    pub(super) id: &'a HostId,
    pub(super) name: &'a str,
    pub(super) state: HostState,
    pub(super) cores: Use,
    memory: Use,
    allocation: &'a str,
    pub(super) reserved: Option<&'a Reserved>,
    source: Source<'a>,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Open(&'a IndexedHost),
    Closed(&'a ClosedHost),
}

impl Snapshot {
    /// The hosts that the filter admits, by name. A host of the index is open, whatever the older reading of closed
    /// hosts says.
    pub(super) fn items(&self, filter: &HostFilter) -> Vec<Item<'_>> {
        let names = &self.closed.allocations;
        let known: HashSet<&HostId> = self.open.iter().map(|host| &host.host().id).collect();
        let open = self.open.iter().map(|host| {
            let reserved = self.reservations.of(&host.host().id);
            Item::open(host, reserved, names)
        });
        let closed = self.closed.hosts.iter();
        let closed = closed.filter(|host| !known.contains(&host.id));
        let closed = closed.map(|host| Item::closed(host, names));
        let mut items: Vec<Item<'_>> = open
            .chain(closed)
            .filter(|item| item.is_in(filter))
            .collect();
        items.sort_unstable_by(|a, b| a.name.cmp(b.name).then_with(|| a.id.cmp(b.id)));
        items
    }

    pub(super) fn map(&self, filter: &HostFilter) -> HostMap {
        let items = self.items(filter);
        let mut hasher = DefaultHasher::new();
        let (mut cells, mut states) = (String::with_capacity(items.len() * 3), BTreeMap::new());
        for item in &items {
            item.name.hash(&mut hasher);
            *states.entry(item.state).or_default() += 1;
            cells.extend([item.state.letter(), step(item.cores), step(item.memory)]);
        }
        let version = format!("{:016x}", hasher.finish());
        let is_known = filter.known.as_ref() == Some(&version);
        let names = || items.iter().map(|item| item.name.to_owned()).collect();
        let mut allocations: Vec<String> = self.closed.allocations.values().cloned().collect();
        allocations.sort_unstable();
        HostMap {
            names: (!is_known).then(names),
            version,
            cells,
            states,
            allocations,
        }
    }
}

/// The part that is in use, in 36 steps from 0 to z. Something in use is never 0, and something idle never z.
fn step(amount: Use) -> char {
    let share = amount.share();
    let step = match (share * 35.0).round() {
        _ if share <= 0.0 => 0,
        _ if share >= 1.0 => 35,
        step => (step as u32).clamp(1, 34),
    };
    char::from_digit(step, 36).unwrap_or('z')
}

impl<'a> Item<'a> {
    fn open(
        indexed: &'a IndexedHost,
        reserved: Option<&'a Reserved>,
        names: &'a HashMap<AllocId, String>,
    ) -> Self {
        let host = indexed.host();
        let (cores, memory) = (
            used(host.total.cores.0, host.idle.cores.0),
            used(host.total.memory.0, host.idle.memory.0),
        );
        let state = if indexed.backoff_until.is_some() {
            HostState::BackingOff
        } else if reserved.is_some() {
            HostState::Reserved
        } else if host.idle.cores.whole() <= 0 {
            HostState::Full
        } else if cores.used > 0 {
            HostState::InUse
        } else {
            HostState::Idle
        };
        Self {
            id: &host.id,
            name: &host.name,
            state,
            cores,
            memory,
            allocation: named(names, &host.alloc),
            reserved,
            source: Source::Open(indexed),
        }
    }

    fn closed(host: &'a ClosedHost, names: &'a HashMap<AllocId, String>) -> Self {
        let state = if host.state != "UP" {
            HostState::Down
        } else if host.lock_state != "OPEN" {
            HostState::Locked
        } else if host.is_silent {
            HostState::Silent
        } else {
            HostState::Lent
        };
        Self {
            id: &host.id,
            name: &host.name,
            state,
            cores: used(host.total.cores.0, host.idle.cores.0),
            memory: used(host.total.memory.0, host.idle.memory.0),
            allocation: named(names, &host.alloc),
            reserved: None,
            source: Source::Closed(host),
        }
    }

    fn is_in(&self, filter: &HostFilter) -> bool {
        let named = (self.name, self.allocation);
        match self.source {
            Source::Open(host) => {
                let tags = host.host().tags.iter().map(|tag| tag.as_str());
                filter.admits(named, self.state, tags)
            }
            Source::Closed(host) => {
                let tags = host.tags.iter().map(String::as_str);
                filter.admits(named, self.state, tags)
            }
        }
    }

    /// Layer that the host is kept for.
    pub(super) fn owner(&self) -> Option<&LayerId> {
        self.reserved.map(|reserved| &reserved.owner)
    }

    /// The facts of the host itself.
    pub(super) fn row(&self) -> HostRow {
        let row = HostRow {
            name: self.name.to_owned(),
            id: self.id.as_str().to_owned(),
            allocation: self.allocation.to_owned(),
            state: self.state,
            cores: self.cores,
            memory: self.memory,
            ..HostRow::default()
        };
        match self.source {
            Source::Open(indexed) => {
                let Host { tags, os, .. } = indexed.host();
                HostRow {
                    tags: tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
                    os: os.iter().map(|os| os.to_string()).collect(),
                    gpus: gpus(&indexed.host().total, &indexed.host().idle),
                    with_batch: indexed.is_on_loan,
                    ..row
                }
            }
            Source::Closed(host) => HostRow {
                tags: host.tags.clone(),
                os: host.os.split(',').map(|os| os.trim().to_owned()).collect(),
                gpus: gpus(&host.total, &host.idle),
                closed: Some(reason(host)),
                silent_seconds: Some(host.silent_for.as_secs()),
                ..row
            },
        }
    }
}

/// The states that close a host, in the words of the database.
pub(crate) fn reason(host: &ClosedHost) -> String {
    let parts = [
        (host.state != "UP").then(|| host.state.clone()),
        (host.lock_state != "OPEN").then(|| host.lock_state.clone()),
        host.is_silent.then(|| "silent".to_owned()),
        host.is_lent.then(|| "lent by its user".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn named<'a>(names: &'a HashMap<AllocId, String>, alloc: &'a AllocId) -> &'a str {
    names
        .get(alloc)
        .map_or_else(|| alloc.as_str(), String::as_str)
}

fn used(total: i64, idle: i64) -> Use {
    Use {
        used: total.saturating_sub(idle).clamp(0, total.max(0)),
        total: total.max(0),
    }
}

fn gpus(total: &Resources, idle: &Resources) -> Use {
    used(total.gpus, idle.gpus)
}

#[cfg(test)]
mod tests;
