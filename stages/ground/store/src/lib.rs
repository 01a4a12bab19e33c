//! The SQL of the scheduler.
//!
//! The database is the only truth and the only coordinator, and this is the only service crate
//! that speaks to it. To add a statement: write `sql/<name>.sql` (its first line is
//! `-- <name>: what it does`), add it to [`statements`], call it from one function, and the test
//! that prepares every statement against the schema covers it.
//!
//! Statements work on sets. Nothing here runs once a frame.

mod accounts;
mod address;
mod booking;
mod breaker;
mod clusters;
mod commit;
mod contradictions;
mod error;
mod features;
mod handles;
mod hosts;
mod jobs;
mod launch;
mod layers;
mod ledger;
mod limits;
mod meters;
mod moment;
mod pool;
mod replicas;
mod rows;
mod schema_check;
pub mod statements;
mod timings;
mod tx;
mod undo;
mod unlaunched;
mod why;
mod writing;

pub use accounts::{
    ACCOUNTING_TABLES, AccountsSession, Compared, Corrected, CounterKeys, Drift, Healed, Heard,
    HeardLook, Look,
};
pub use address::{PARAMETERS, is_readable};
pub use booking::{BookRow, Booked, BookedFrame, BookingRules, OpenBooking};
pub use breaker::{BreakerSettings, Outage};
pub use clusters::{ActiveTags, ClusterMark, TagRow};
pub use contradictions::{Found, Miscount};
pub use error::{StoreError, Trouble};
pub use features::Features;
pub use hosts::{HostTags, LeftOut, OpenHosts};
pub use jobs::{PendingJob, PendingLayers};
pub use launch::LaunchFacts;
pub use layers::{Locked, LockedRow, WantedLayer};
pub use moment::Moment;
pub use pool::{LONGEST_IDLE, Store, StoreSettings};
pub use replicas::{Connected, MAESTRO_KEY, MaestroLeader, ReplicaRow};
pub use schema_check::{
    Connections, INDEXES, IndexState, NeededRight, OddLimit, OfferedIndex, SchemaFacts,
    ServerFacts, SharedAllocation, ShowFacts, StrangeRows, Unfit,
};
pub use timings::{Timings, session_name};
pub use undo::{Undone, Unlaunched};
pub use unlaunched::Forgotten;
