//! The side loops of the scheduler: work that no turn waits for.
//!
//! - [`HostRefresh`] and [`DemandRefresh`] read the farm into the two indexes.
//! - [`Reserving`] keeps hosts for layers that fit nowhere yet.
//! - [`Settle`] finds out what became of launches without a clear answer, and [`Reconcile`] finds those that a
//!   dead scheduler left behind.
//! - [`Pauses`] obeys the pauses of booking that people set.
//! - [`Accounts`] sets counters that differ from their procs.
//! - [`FarmWatch`] looks at both indexes by show, for metrics and page.
//! - [`Replicas`], [`Snapshots`], [`HealthWatch`], [`UnservedWatch`] and [`ClosedHostsWatch`] watch the database and the farm,
//!   and report what they find.
//!
//! Each loop is a [`Tick`](cue_flow::Tick). The stages work without any of them, on what was last read.

mod accounts;
mod booking_health;
mod closed_hosts;
mod demand_refresh;
mod farm_watch;
mod host_refresh;
mod latest;
mod outage;
mod pauses;
mod reconcile;
mod replicas;
mod reservations;
mod settle;
mod snapshots;
mod unserved;

pub use accounts::{Accounts, AccountsMetrics, AccountsReading, AccountsState};
pub use booking_health::HealthWatch;
pub use closed_hosts::{ClosedFarm, ClosedHostsWatch};
pub use demand_refresh::{DemandMetrics, DemandRefresh, DemandRefreshSettings};
pub use farm_watch::{FarmWatch, Indexes};
pub use host_refresh::{HostMetrics, HostRefresh, HostRefreshSettings};
pub use latest::Latest;
pub use pauses::{ActivePause, Pauses};
pub use reconcile::Reconcile;
pub use replicas::{MAESTRO_REMEDY, Replicas, maestro_conflict};
pub use reservations::{ExpectedRoom, Reserving, expected_room};
pub use settle::{Settle, SettleMetrics};
pub use snapshots::{SNAPSHOT_REMEDY, Snapshots};
pub use unserved::UnservedWatch;
