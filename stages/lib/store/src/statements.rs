//! Every statement, by name.
//!
//! The name is the file's, the span's and the metric's. [`ALL`] is what the test prepares, as far as the
//! schema has what a statement needs.

use sqlx::postgres::PgArguments;
use sqlx::{Postgres, query::Query};

/// A statement with its arguments.
pub(crate) type Bound = Query<'static, Postgres, PgArguments>;

/// Features of the schema (OPENCUE.md, Schema versions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Limits have types, enforcement and reported usage: `limit_record.str_type`, `limit_host` and
    /// `limit_usage` exist (V49).
    pub limit_types: bool,
}

/// One SQL statement in a file of its own.
#[derive(Debug)]
pub struct Statement {
    /// Its name: the file's stem.
    pub name: &'static str,
    /// Its text.
    pub sql: &'static str,
    /// Returns true if the schema has the tables of the statement, which are not in all schemas.
    pub fits: fn(&Features) -> bool,
}

/// A statement before its arguments are bound.
pub(crate) fn query(statement: &Statement) -> Bound {
    sqlx::query(statement.sql)
}

macro_rules! statements {
    ($($(#[$doc:meta])* $constant:ident = $name:literal $(if $feature:ident)?;)*) => {
        $($(#[$doc])* pub const $constant: Statement = Statement {
            name: $name,
            sql: include_str!(concat!("../sql/", $name, ".sql")),
            fits: |_features| true $(&& _features.$feature)?,
        };)*

        /// All of them.
        pub const ALL: &[Statement] = &[$($constant),*];
    };
}

statements! {
    /// Makes the settings of a session.
    OPEN_SESSION = "open_session";
    /// The mark of another session, if a pooler shares sessions.
    SESSION_MARK = "session_mark";
    /// Tags of hosts by allocation.
    CARRIED_TAGS = "carried_tags";
    /// The names of all facilities.
    KNOWN_FACILITIES = "known_facilities";
    /// Layers by key, as far as they could run.
    WANTED_LAYERS = "wanted_layers";
    /// Jobs with waiting frames, or those that changed.
    DEMAND_JOBS = "demand_jobs";
    /// Jobs without waiting frames or out of service.
    DEMAND_GONE = "demand_gone";
    /// Layers with waiting frames, or those that changed.
    DEMAND_LAYERS = "demand_layers";
    /// Subscriptions of shows, and the transactions that the snapshot knows.
    DEMAND_SUBSCRIPTIONS = "demand_subscriptions";
    /// Hosts that may not be booked.
    CLOSED_HOSTS = "closed_hosts";
    /// Names of allocations.
    ALLOCATIONS = "allocations";
    /// Frames that run on a host.
    RUNNING_ON = "running_on";
    /// Pauses of booking.
    PAUSES = "pauses";
    /// Sets a pause.
    LEVER_PAUSE = "lever_pause";
    /// Ends a pause.
    LEVER_RESUME = "lever_resume";
    /// Numbers of procs by layer and host.
    LAYER_HOSTS = "layer_hosts";
    /// Memory that frames of layers were seen to use.
    LAYER_MEMORY = "layer_memory";
    /// Procs of hosts.
    HOST_PROCS = "host_procs";
    /// Procs that no host report names.
    CHECK_UNREPORTED = "check_unreported";
    /// Locks layers.
    LOCK_LAYERS = "lock_layers";
    /// Counts layers that others hold.
    HELD_LAYERS = "held_layers";
    /// Locks their next frames.
    LOCK_FRAMES = "lock_frames";
    /// The same, by an index.
    LOCK_FRAMES_INDEXED = "lock_frames_indexed";
    /// Locks the rows the frame triggers update, and jobs.
    LOCK_STATS = "lock_stats";
    /// Locks hosts, passing over those that are held.
    LOCK_TARGETS = "lock_targets";
    /// Locks hosts, waiting.
    WAIT_HOSTS = "wait_hosts";
    /// Locks the counters that caps are about.
    LOCK_COUNTERS = "lock_counters";
    /// Keys of the rows that a booking needs.
    BOOKING_KEYS = "booking_keys";
    /// Rows that somebody else holds, and who.
    HELD_ROWS = "held_rows";
    /// Locks limits.
    LOCK_LIMITS = "lock_limits";
    /// Counts what runs under limits.
    LIMIT_USE = "limit_use";
    /// Usage of limits that licence reports account for.
    LIMIT_REPORTS = "limit_reports" if limit_types;
    /// Starts frames.
    START_FRAMES = "start_frames";
    /// Charges the counters for them.
    CHARGE_COUNTERS = "charge_counters";
    /// Facts that launches need.
    LAUNCH_LAYERS = "launch_layers";
    /// The hosts that may be booked.
    HOST_SNAPSHOT = "host_snapshot";
    /// The tags of hosts.
    HOST_TAGS = "host_tags";
    /// The programs that work on the same database.
    REPLICAS = "replicas";
    /// The oldest snapshot in the database.
    OLDEST_SNAPSHOT = "oldest_snapshot";
    /// Waits for frames that an unfinished commit may hold.
    WAIT_FRAMES = "wait_frames";
    /// Procs of a commit that took place.
    COMMITTED_PROCS = "committed_procs";
    /// Locks the frames of a lost plan again.
    RELOCK_FRAMES = "relock_frames";
    /// Records that hosts accepted launches.
    ACKNOWLEDGE_LAUNCHES = "acknowledge_launches";
    /// Procs that were booked and, it seems, never launched.
    UNLAUNCHED_PROCS = "unlaunched_procs";
    /// Locks frames to be undone.
    LOCK_STARTED = "lock_started";
    /// Keys of the rows that an undo locks.
    UNDO_KEYS = "undo_keys";
    /// Locks procs to be undone.
    LOCK_PROCS = "lock_procs";
    /// The job, layer or frame that a text names.
    WHY_SUBJECT = "why_subject";
    /// Facts that keep a job from running, or do not.
    WHY_FACTS = "why_facts";
    /// Hosts, caps and work of a farm.
    RECORD_FARM = "record_farm";
    /// The hosts that have tags which no open host has.
    WHY_TAGGED = "why_tagged";
    /// Waiting frames of a job, and the counters of them.
    WHY_COUNTERS = "why_counters";
    /// Undoes bookings.
    UNDO_BOOKINGS = "undo_bookings";
    /// Gives undone frames their checkpoints back.
    RESTORE_CHECKPOINTS = "restore_checkpoints";
    /// Compares counters with the sums of their procs.
    COMPARE_ACCOUNTS = "compare_accounts";
    /// Sets counters to the sum of their procs.
    RECOUNT = "recount";
    /// Puts back caps that made way for a counter.
    RESTORE_CAPS = "restore_caps";
    /// Server, database and role.
    CHECK_SERVER = "check_server";
    /// Settings of the server.
    CHECK_SETTINGS = "check_settings";
    /// The rights that are needed, and those that are held.
    CHECK_RIGHTS = "check_rights";
    /// Triggers that are missing.
    CHECK_TRIGGERS = "check_triggers";
    /// Statement triggers in place of row triggers.
    CHECK_STATEMENT_TRIGGERS = "check_statement_triggers";
    /// Tables and columns of newer schemas that exist.
    CHECK_FEATURES = "check_features";
    /// The version of the schema.
    CHECK_SCHEMA = "check_schema";
    /// The active shows.
    CHECK_SHOWS = "check_shows";
    /// Allocations that shows of both kinds use.
    CHECK_SHARED = "check_shared";
    /// Rows that mean something else to Cuebot.
    CHECK_MEANING = "check_meaning";
    /// Limits that need a look.
    CHECK_LIMITS = "check_limits";
    /// Hosts whose ledger is not what their procs leave.
    LEDGER_FAULTS = "ledger_faults";
    /// Counters of waiting frames that are not their number.
    CHECK_COUNTERS = "check_counters";
    /// The indexes of some tables.
    CHECK_INDEXES = "check_indexes";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_file_is_a_statement_and_says_its_name_first() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        files.sort();
        let mut names: Vec<&str> = ALL.iter().map(|statement| statement.name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
        for statement in ALL {
            assert!(
                statement
                    .sql
                    .starts_with(&format!("-- {}: ", statement.name)),
                "{}",
                statement.name
            );
        }
    }
}
