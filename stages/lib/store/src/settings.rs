//! Settings of the store.

use std::time::Duration;

use cue_domain::Kib;

use crate::breaker::BreakerSettings;

/// Address and limits of the database connections, and the rules of bookings.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// Connections at most.
    pub pool: u32,
    /// Longest wait for a free connection.
    pub acquire_timeout: Duration,
    /// Longest time of one statement.
    pub statement_timeout: Duration,
    /// Longest wait of a statement for one lock; zero is for ever.
    pub lock_timeout: Duration,
    /// Name of the sessions in `pg_stat_activity`.
    pub application_name: String,
    /// Rules by which bookings are written.
    pub booking: BookingRules,
    /// Failures after which the database is left alone, and for how long.
    pub breaker: BreakerSettings,
}

impl StoreSettings {
    /// Settings for a small pool at this address, with patience for a busy server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool: 4,
            acquire_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(20),
            lock_timeout: Duration::from_secs(10),
            application_name: "cue-scheduler".to_owned(),
            booking: BookingRules::default(),
            breaker: BreakerSettings::default(),
        }
    }
}

/// Time for which a transaction may be idle, after which the server ends its session. A batch is idle while it
/// queues between stages, and is given up long before.
pub const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// Rules by which bookings are written.
#[derive(Clone, Debug)]
pub struct BookingRules {
    /// `proc.int_mem_used` of a fresh proc (OPENCUE.md, Booking).
    pub memory_used_min: Kib,
    /// Exit statuses after which a start charges no retry, beside Cuebot's own and those of limits
    /// (OPENCUE.md, Exit statuses and retries).
    pub uncharged_exit_statuses: Vec<i32>,
}

impl Default for BookingRules {
    fn default() -> Self {
        Self {
            memory_used_min: Kib(262_144),
            uncharged_exit_statuses: Vec::new(),
        }
    }
}
