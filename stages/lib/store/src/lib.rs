//! The SQL of the scheduler.
//!
//! The database is the only truth and the only coordinator, and this is the only service crate
//! that speaks to it. To add a statement: write `sql/<name>.sql` (its first line is
//! `-- <name>: PURPOSE`), add it to [`statements`], call it from one function, and the test
//! that prepares every statement against the schema covers it.
//!
//! Statements work on sets. Nothing here runs once a frame.

mod accounts;
mod acquire;
mod address;
mod booking;
mod breaker;
mod commit;
mod contradictions;
mod demand;
mod error;
mod failure;
mod farm;
mod features;
mod generation;
mod held;
mod horizon;
mod hosts;
mod keys;
mod launch;
mod layers;
mod ledger;
mod limits;
mod meters;
mod moment;
mod pauses;
mod pool;
mod pool_metrics;
mod procs;
mod record;
mod replicas;
mod rows;
mod schema_check;
mod sessions;
mod settings;
mod sites;
mod snapshots;
pub mod statements;
mod time_limit;
mod timings;
mod tx;
mod undo;
mod unlaunched;
mod unreadable;
mod waiting_index;
mod wanted;
mod why;
mod writing;

pub use accounts::{
    ACCOUNTING_TABLES, AccountsSession, Compared, Corrected, CounterKeys, Drift, Healed, Heard,
    HeardLook, Look,
};
pub use address::{PARAMETERS, is_readable, without_password};
pub use booking::{Booked, OpenBooking, Rebooking};
pub use breaker::{BreakerSettings, Outage};
pub use contradictions::{Found, Miscount};
pub use demand::DemandCursor;
pub use error::{ErrorClass, StoreError};
pub use farm::{ClosedHost, RunningFrame};
pub use hosts::{HostCursor, HostRows, HostTags, LeftOut};
pub use layers::{Locked, LockedRow};
pub use moment::Moment;
pub use pauses::PauseRow;
pub use pool::Store;
pub use procs::{HostProc, HostProcs, UNREPORTED_AFTER, UnreportedProcs};
pub use replicas::{Connected, MAESTRO_KEY, MaestroLeader, ReplicaRow};
pub use schema_check::{
    Connections, NeededRight, OddLimit, SchemaFacts, ServerFacts, SharedAllocation, ShowFacts,
    StatementTrigger, StrangeRows, Unfit,
};
pub use settings::{BookingRules, LONGEST_IDLE, StoreSettings};
pub use snapshots::{OLD_SNAPSHOT, SnapshotHolder};
pub use statements::Features;
pub use timings::{Timings, session_name};
pub use undo::Undone;
pub use unlaunched::Unlaunched;
pub use unreadable::Unreadable;
pub use wanted::PendingJob;
