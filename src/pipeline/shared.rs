//! Values that the parts of the pipeline share, and the checks before any of them starts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cue_demand::DemandIndex;
use cue_domain::backoff::Backoffs;
use cue_domain::missing_room::MissingRoom;
use cue_domain::{BookingHealth, HostId, LayerId};
use cue_hosts::HostIndex;
use cue_rqd::RqdClient;
use cue_store::Store;
use prometheus::Registry;
use tokio::sync::Notify;

use super::error::StartError;
use super::{settings as parts, timings};
use crate::config::{Settings, wiring};

/// First and longest backoff of a layer that a host refuses to run for good.
const LAYER_BACKOFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// First and longest backoff of a host that fails launches.
const HOST_BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// First and longest backoff of room that a host promises and does not have.
const MISSING_ROOM: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// Shared values, from which each part takes its own (see [`parts`](super::parts)).
pub(super) struct Shared<'a> {
    pub settings: &'a Settings,
    pub registry: &'a Registry,
    pub store: Store,
    pub rqd: RqdClient,
    pub hosts: HostIndex,
    pub demand: DemandIndex,
    /// Notified when hosts gain capacity.
    pub supply: Arc<Notify>,
    pub layer_backoffs: Arc<Backoffs<LayerId>>,
    pub host_backoffs: Arc<Backoffs<HostId>>,
    pub missing: Arc<MissingRoom<HostId>>,
    pub health: BookingHealth,
}

impl<'a> Shared<'a> {
    /// Connects to the database and checks the settings against it.
    pub(super) async fn connect(
        settings: &'a Settings,
        registry: &'a Registry,
    ) -> Result<Self, StartError> {
        let store = Store::connect(&parts::replica_store(settings), registry).await?;
        if !settings.booking.dry_run {
            let connected = store.connected().await?;
            timings::agree(&connected.replicas, &parts::timings(settings))?;
        }
        check_facility(&store, settings.feed.facility.as_deref()).await?;
        Ok(Self {
            settings,
            registry,
            store,
            rqd: RqdClient::new(parts::rqd(settings)),
            hosts: HostIndex::new(parts::index(settings)),
            demand: DemandIndex::new(wiring::ignored_tags(settings)),
            supply: Arc::default(),
            layer_backoffs: Arc::new(Backoffs::new(LAYER_BACKOFF.0, LAYER_BACKOFF.1)),
            host_backoffs: Arc::new(Backoffs::new(HOST_BACKOFF.0, HOST_BACKOFF.1)),
            missing: Arc::new(MissingRoom::new(MISSING_ROOM.0, MISSING_ROOM.1)),
            health: BookingHealth::default(),
        })
    }
}

async fn check_facility(store: &Store, name: Option<&str>) -> Result<(), StartError> {
    let Some(name) = name else { return Ok(()) };
    let known: BTreeSet<String> = store.known_facilities().await?.into_iter().collect();
    if known.contains(name) {
        return Ok(());
    }
    Err(StartError::Facility {
        name: name.to_owned(),
        known: known.into_iter().collect(),
    })
}
