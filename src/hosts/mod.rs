//! The hosts of the farm for people: lists, the map, one host, and the end of its backoff.
//!
//! Invariants: everything but the frames of one host comes from memory; hosts that may not be booked are those of the
//! last reading. A list is bounded, whatever the number of hosts.

mod command;
mod filter;
mod seen;
mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_demand::DemandIndex;
use cue_dispatch::{PendingLaunches, Refusals};
use cue_domain::backoff::Backoffs;
use cue_domain::missing_room::MissingRoom;
use cue_domain::{Centicores, HostId, LayerId};
use cue_hosts::HostIndex;
use cue_loops::{ClosedFarm, Latest};
use cue_store::{RunningFrame, Store};
use tokio::sync::Notify;

use crate::status::{
    HostDetail, HostList, HostMap, HostRow, MissingCores, ReservedFor, RunningOn, ms,
};
use crate::words;

use seen::{Item, Snapshot};

pub use command::{HostsQuery, show};
pub use filter::HostFilter;
pub(crate) use seen::reason as closing_reason;
pub(crate) use text::note;

/// Frames of one host that are read, at most.
const MOST_FRAMES: i64 = 500;

/// Parts of a pipeline that know hosts.
pub struct HostParts {
    /// The database, for what runs on a host.
    pub store: Store,
    /// The hosts that may be booked.
    pub hosts: HostIndex,
    /// Reservations, and the names of layers.
    pub demand: DemandIndex,
    /// The hosts that may not be booked.
    pub closed: Latest<ClosedFarm>,
    /// Backoffs of hosts, with their reasons.
    pub backoffs: Arc<Backoffs<HostId>>,
    /// Room that hosts did not have.
    pub missing: Arc<MissingRoom<HostId>>,
    /// Launches that no host has acknowledged yet.
    pub pending: Arc<PendingLaunches>,
    /// Launches that failed.
    pub refusals: Refusals,
    /// Notified when a host is forgiven.
    pub supply: Arc<Notify>,
}

/// The hosts of the farm. Cloning shares them.
#[derive(Clone)]
pub struct FarmHosts(Arc<HostParts>);

impl FarmHosts {
    /// The hosts that these parts know.
    #[must_use]
    pub fn new(parts: HostParts) -> Self {
        Self(Arc::new(parts))
    }

    /// A page of the hosts that the filter admits.
    #[must_use]
    pub fn list(&self, filter: &HostFilter) -> HostList {
        let snapshot = self.snapshot();
        let mut list = HostList::default();
        let mut page = Vec::new();
        for item in snapshot.items(filter) {
            list.matching += 1;
            *list.states.entry(item.state).or_default() += 1;
            list.cores.used = list.cores.used.saturating_add(item.cores.used);
            list.cores.total = list.cores.total.saturating_add(item.cores.total);
            let is_before = |after: &String| item.name <= after.as_str();
            if filter.after.as_ref().is_some_and(is_before) {
                continue;
            }
            if page.len() < filter.limit() {
                page.push(item);
            } else if list.next.is_none() {
                list.next = page.last().map(|last: &Item<'_>| last.name.to_owned());
            }
        }
        list.hosts = self.rows(&page);
        list
    }

    /// The map of the hosts that the filter admits.
    #[must_use]
    pub fn map(&self, filter: &HostFilter) -> HostMap {
        self.snapshot().map(filter)
    }

    /// The host of this name or id, with what runs on it; `None` if it is not known.
    pub async fn detail(&self, name: &str) -> Option<HostDetail> {
        let host = self.find(name)?;
        let id = HostId::from(host.id.clone());
        let running = self.0.store.running_on(&id, MOST_FRAMES).await;
        let running = running.inspect_err(|error| {
            tracing::debug!(%error, host = host.name, "the frames of a host cannot be read");
        });
        let refusals = self.0.refusals.launches_on(&id).into_iter();
        let refusals = refusals.map(|(reason, age)| format!("{reason}, {} ago", words::age(age)));
        Some(HostDetail {
            running: running
                .ok()
                .map(|found| found.into_iter().map(running_on).collect()),
            refusals: refusals.collect(),
            host,
        })
    }

    /// Ends the backoff of a host, and forgets its failures and its missing room, on this replica. Returns its name and
    /// true if something backed off; `None` if it is not known.
    #[must_use]
    pub fn forgive(&self, name: &str) -> Option<(String, bool)> {
        let host = self.find(name)?;
        let (id, parts) = (HostId::from(host.id), &self.0);
        let now = Instant::now();
        let backed_off = parts.hosts.end_backoff(&id);
        let missed = parts.missing.forgive(&id, now);
        let failed = parts.backoffs.is_active(&id, now);
        parts.backoffs.reset(&id);
        parts.supply.notify_one();
        Some((host.name, backed_off || missed || failed))
    }

    fn find(&self, name: &str) -> Option<HostRow> {
        let snapshot = self.snapshot();
        let items = snapshot.items(&HostFilter::default());
        let mut items = items.into_iter();
        let item = items.find(|item| item.name == name || item.id.as_str() == name)?;
        self.rows(&[item]).pop()
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            open: self.0.hosts.entries(),
            closed: self.0.closed.read(),
            reservations: self.0.demand.reservations(),
        }
    }

    /// Rows of a page, with the reasons for backoffs and the owners of reservations.
    fn rows(&self, page: &[Item<'_>]) -> Vec<HostRow> {
        let now = Instant::now();
        let missing = self.0.missing.all(now);
        let owners: Vec<LayerId> = page.iter().filter_map(Item::owner).cloned().collect();
        let names = self.0.demand.names_of(&owners);
        let row = |item: &Item<'_>| self.row(item, &missing, &names, now);
        page.iter().map(row).collect()
    }

    fn row(
        &self,
        item: &Item<'_>,
        missing: &HashMap<HostId, (Centicores, Duration)>,
        names: &HashMap<LayerId, String>,
        now: Instant,
    ) -> HostRow {
        let reserved = item.reserved.map(|reserved| ReservedFor {
            layer: reserved.owner.as_str().to_owned(),
            name: names.get(&reserved.owner).cloned().unwrap_or_default(),
            ready_in_ms: ms(reserved.ready_at.saturating_duration_since(now)),
        });
        let backoff = self.0.backoffs.get(item.id, now);
        HostRow {
            reserved,
            backoff: backoff.as_ref().map(Into::into),
            unresolved: self.0.pending.unresolved_on(item.name),
            missing: missing.get(item.id).map(|(cores, remaining)| MissingCores {
                centicores: cores.0,
                remaining_ms: ms(*remaining),
            }),
            ..item.row()
        }
    }
}

/// Error for a host that is not known.
pub(crate) fn unknown_host(name: &str) -> String {
    format!("there is no host `{name}` here: give its name or id, as at /hosts")
}

fn running_on(found: RunningFrame) -> RunningOn {
    RunningOn {
        show: found.show,
        job: found.job,
        layer: found.layer,
        frame: found.frame,
        centicores: found.holds.cores.0,
        memory_kib: found.holds.memory.0,
        used_kib: found.memory_used,
        gpus: found.holds.gpus,
        elapsed_ms: ms(found.elapsed),
        unreported: found.is_unreported,
    }
}

impl std::fmt::Debug for FarmHosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FarmHosts").finish_non_exhaustive()
    }
}
