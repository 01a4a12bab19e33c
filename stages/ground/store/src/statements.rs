//! Every statement, by name.
//!
//! The name is the file's, the span's and the metric's. [`ALL`] is what the test prepares, as far as the
//! schema has what a statement needs.

use crate::features::Features;

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
    /// The tags that make clusters.
    LIST_CLUSTERS = "list_clusters";
    /// Changes when the clusters do.
    CLUSTER_MARK = "cluster_mark";
    /// The names of all facilities.
    KNOWN_FACILITIES = "known_facilities";
    /// Where there is work that a turn could find.
    ACTIVE_TAGS = "active_tags";
    /// The jobs and layers of a cluster that could run.
    PENDING_LAYERS = "pending_layers";
    /// Locks layers.
    LOCK_LAYERS = "lock_layers";
    /// Locks their next frames.
    LOCK_FRAMES = "lock_frames";
    /// Locks the rows the frame triggers update.
    LOCK_STATS = "lock_stats";
    /// Locks hosts, passing over those that are held.
    LOCK_TARGETS = "lock_targets";
    /// Locks hosts, waiting.
    WAIT_HOSTS = "wait_hosts";
    /// Locks the counters that caps are about.
    LOCK_COUNTERS = "lock_counters";
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
    /// What RQD must be told.
    LAUNCH_LAYERS = "launch_layers";
    /// The hosts that may be booked.
    HOST_SNAPSHOT = "host_snapshot";
    /// The tags of hosts.
    HOST_TAGS = "host_tags";
    /// The programs that work on the same database.
    REPLICAS = "replicas";
    /// Waits for frames that an unfinished commit may hold.
    WAIT_FRAMES = "wait_frames";
    /// Whether a commit took place.
    COMMITTED_PROCS = "committed_procs";
    /// Locks the frames of a lost plan again.
    RELOCK_FRAMES = "relock_frames";
    /// Records that hosts accepted launches.
    ACKNOWLEDGE_LAUNCHES = "acknowledge_launches";
    /// Procs that were booked and, it seems, never launched.
    UNLAUNCHED_PROCS = "unlaunched_procs";
    /// Locks frames to be undone.
    LOCK_STARTED = "lock_started";
    /// Locks procs to be undone.
    LOCK_PROCS = "lock_procs";
    /// The job, layer or frame that a text names.
    WHY_SUBJECT = "why_subject";
    /// What keeps a job from running, or does not.
    WHY_FACTS = "why_facts";
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
    /// Which server this is.
    CHECK_SERVER = "check_server";
    /// Settings of the server.
    CHECK_SETTINGS = "check_settings";
    /// The rights that are needed, and those that are held.
    CHECK_RIGHTS = "check_rights";
    /// Triggers that are missing.
    CHECK_TRIGGERS = "check_triggers";
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
