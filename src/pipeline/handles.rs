//! The running pipeline, as the shell sees it.

use std::sync::Arc;

use cue_cluster_feed::{FeedHandle, TurnQueue};
use cue_demand::{DemandIndex, FarmView};
use cue_dispatch::{PendingLaunches, Refusals};
use cue_domain::backoff::Backoffs;
use cue_domain::missing_room::MissingRoom;
use cue_domain::{BookingHealth, HostId, LayerId, Unserved};
use cue_flow::Flow;
use cue_hosts::HostIndex;
use cue_loops::{AccountsState, ClosedFarm, Latest, Pauses, Settle};
use cue_store::{Connected, Store};
use tokio::sync::Notify;

/// The running pipeline, with handles for the shell.
pub struct Pipeline {
    /// The stages and loops.
    pub flow: Flow,
    /// Clusters in the order of their next turns.
    pub turn_queue: TurnQueue,
    /// Handle of the feed.
    pub feed: FeedHandle,
    /// The index of supply.
    pub hosts: HostIndex,
    /// The index of demand.
    pub demand: DemandIndex,
    /// The database.
    pub store: Store,
    /// The loop that resolves launches of unknown outcome.
    pub settle: Settle,
    /// Layers that back off.
    pub layer_backoffs: Arc<Backoffs<LayerId>>,
    /// Hosts that back off.
    pub host_backoffs: Arc<Backoffs<HostId>>,
    /// Room that hosts did not have.
    pub missing: Arc<MissingRoom<HostId>>,
    /// Launches that no host has acknowledged yet.
    pub pending: Arc<PendingLaunches>,
    /// Hosts that may not be booked.
    pub closed: Latest<ClosedFarm>,
    /// Pauses of booking.
    pub pauses: Pauses,
    /// Notified when hosts gain capacity.
    pub supply: Arc<Notify>,
    /// Replicas that are connected.
    pub replicas: Latest<Connected>,
    /// Last refusal of each cap.
    pub refusals: Refusals,
    /// State of the accounts.
    pub accounts: AccountsState,
    /// Outcomes of the steps of booking.
    pub health: BookingHealth,
    /// The farm by show.
    pub farm: Latest<FarmView>,
    /// Waiting work that no host could serve.
    pub unserved: Latest<Unserved>,
}
