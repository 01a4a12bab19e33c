//! The watch of hosts that may not be booked, and of the names of allocations: for people, who want to see the whole
//! farm.
//!
//! Invariants: at most a twenty-fifth of the time goes into it; a list that could not be read stays as last known.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cue_domain::AllocId;
use cue_flow::{BoxError, Tick};
use cue_store::{ClosedHost, Store, StoreError};

use crate::host_refresh::HostRefreshSettings;
use crate::latest::Latest;

/// Shortest time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks take at most the time divided by this.
const PARTS: u32 = 25;

/// Closed hosts that are listed.
const MOST: i64 = 20_000;

/// Hosts that may not be booked, by name, and the names of allocations.
#[derive(Debug, Default)]
pub struct ClosedFarm {
    /// The hosts.
    pub hosts: Vec<ClosedHost>,
    /// The names.
    pub allocations: HashMap<AllocId, String>,
}

/// The side loop.
#[derive(Debug)]
pub struct ClosedHostsWatch {
    store: Store,
    settings: HostRefreshSettings,
    seen: Latest<ClosedFarm>,
}

impl ClosedHostsWatch {
    /// A loop that has not looked yet, with the settings of the host refresh, which leaves these hosts out.
    pub fn new(store: Store, settings: HostRefreshSettings) -> Self {
        Self {
            store,
            settings,
            seen: Latest::default(),
        }
    }

    /// A handle to what the loop has seen.
    pub fn seen(&self) -> Latest<ClosedFarm> {
        self.seen.clone()
    }

    async fn look(&self) -> Result<(), StoreError> {
        let (facility, stale_after) =
            (self.settings.facility.as_deref(), self.settings.stale_after);
        let hosts = self.store.closed_hosts(facility, stale_after, MOST).await?;
        let allocations = self.store.allocations().await?;
        self.seen.replace(ClosedFarm { hosts, allocations });
        Ok(())
    }
}

impl Tick for ClosedHostsWatch {
    const NAME: &'static str = "closed_hosts";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        match self.look().await {
            Ok(()) => Ok(EVERY.max(began.elapsed() * PARTS)),
            // The breaker reports when the database is back.
            Err(_) if self.store.outage().is_some() => Ok(EVERY),
            Err(error) => Err(error.into()),
        }
    }
}
