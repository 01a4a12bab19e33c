//! All settings, by topic.

use super::admin::{Admin, Lifecycle};
use super::booking::Booking;
use super::database::Database;
use super::feed::{Feed, Fetch, Lock};
use super::logging::Logging;
use super::matching::Matching;
use super::metrics::MetricsExport;
use super::policy::Policy;
use super::reader::Reader;
use super::rqd::Rqd;
use super::stages::Stages;
use super::telemetry::Telemetry;

/// All settings, each checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Workers and queues of the stages.
    pub stages: Stages,
    /// Connections to the database.
    pub database: Database,
    /// Turns of the shows.
    pub feed: Feed,
    /// Size of a turn.
    pub fetch: Fetch,
    /// Size of a transaction.
    pub lock: Lock,
    /// Order of the waiting work.
    pub policy: Policy,
    /// Choice of hosts.
    pub matching: Matching,
    /// Contents of a booking.
    pub booking: Booking,
    /// Calls of hosts.
    pub rqd: Rqd,
    /// The admin server.
    pub admin: Admin,
    /// End of the program.
    pub lifecycle: Lifecycle,
    /// Log lines.
    pub logging: Logging,
    /// Export of traces, and the settings of all signals.
    pub telemetry: Telemetry,
    /// Export of metrics.
    pub metrics: MetricsExport,
}

impl Settings {
    /// Reads every topic. Values with a fault have a stand-in.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            stages: Stages::read(reader)?,
            database: Database::read(reader)?,
            feed: Feed::read(reader)?,
            fetch: Fetch::read(reader)?,
            lock: Lock::read(reader)?,
            policy: Policy::read(reader)?,
            matching: Matching::read(reader)?,
            booking: Booking::read(reader)?,
            rqd: Rqd::read(reader)?,
            admin: Admin::read(reader)?,
            lifecycle: Lifecycle::read(reader)?,
            logging: Logging::read(reader)?,
            telemetry: Telemetry::read(reader)?,
            metrics: MetricsExport::read(reader)?,
        })
    }
}
