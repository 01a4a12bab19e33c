//! Counters of the five accounting tables: their keys, and how they differ from their procs.
//!
//! Healing never adds to a counter and never subtracts from it: it sets the counter to the sum of
//! its procs, under the lock of its row and in a snapshot taken after that. So it does not matter
//! how often a row is healed, by how many replicas, or which messages were lost. Caps are neither
//! read outside of the lock nor changed by it (OPENCUE.md, Counters).

mod drift;
mod keys;
mod messages;
mod session;

pub use drift::{Corrected, Drift};
pub use keys::{ACCOUNTING_TABLES, CounterKeys};
pub use messages::{Heard, HeardLook, Look};
pub use session::{AccountsSession, Compared, Healed};
