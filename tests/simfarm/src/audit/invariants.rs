//! The list of what must be true of the database at any commit.
//!
//! Invariant: each entry is one file of `sql/audit`, which starts with a sentence and returns one
//! text a row that offends; an entry without rows holds.

use sqlx::PgConnection;

/// Condition under which an invariant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows that must fit each other.
    Sound,
    /// A sum that must not pass a cap: what a watch looks at again and again. Lowering a cap below
    /// what is booked is legal, so a test that does this must expect a finding.
    Cap,
    /// A counter of the five accounting tables, which are nobody's truth in managed shows.
    Account,
}

/// The schemas for which an invariant is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// All.
    Every,
    /// Those in which limits count frames only, and the others (version 49).
    PlainLimits,
    LimitsByType,
    /// Those in which a booking writes the history itself, and the others (version 50).
    PlainHistory,
    QueuedHistory,
}

/// Features of a schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    limits_by_type: bool,
    queued_history: bool,
}

impl Features {
    /// Features that the database has now; a migration may change the answer.
    pub(super) async fn of(conn: &mut PgConnection) -> sqlx::Result<Self> {
        let (limits_by_type, queued_history) = sqlx::query_as(FEATURES).fetch_one(conn).await?;
        Ok(Self {
            limits_by_type,
            queued_history,
        })
    }

    /// Returns true if the invariant is written for such a schema.
    pub(super) const fn fit(self, invariant: &Invariant) -> bool {
        match invariant.fits {
            Fits::Every => true,
            Fits::PlainLimits => !self.limits_by_type,
            Fits::LimitsByType => self.limits_by_type,
            Fits::PlainHistory => !self.queued_history,
            Fits::QueuedHistory => self.queued_history,
        }
    }
}

const FEATURES: &str = include_str!("../../sql/audit/features.sql");

/// Something that must be true.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invariant {
    /// The name of its file.
    pub(super) name: &'static str,
    /// Condition under which it holds.
    pub(super) kind: Kind,
    fits: Fits,
    sql: &'static str,
}

/// Offenders shown of one invariant.
const SHOWN: usize = 5;

impl Invariant {
    /// The statement that shows the first offenders and counts all.
    pub(super) fn statement(&self) -> String {
        let sql = self.sql;
        format!(
            "SELECT detail, count(*) OVER () AS offenders FROM (\n{sql}\n) AS found LIMIT {SHOWN}"
        )
    }

    /// The sentence its file starts with.
    #[cfg(test)]
    fn sentence(&self) -> &'static str {
        self.sql
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("-- "))
            .unwrap_or_default()
    }
}

macro_rules! invariants {
    ($($kind:ident $fits:ident $name:literal,)*) => {
        &[$(Invariant {
            name: $name,
            kind: Kind::$kind,
            fits: Fits::$fits,
            sql: include_str!(concat!("../../sql/audit/", $name, ".sql")),
        }),*]
    };
}

/// All of them.
pub(super) const ALL: &[Invariant] = invariants![
    Sound Every "running_frame_has_a_proc",
    Sound Every "proc_has_a_running_frame",
    Sound Every "frame_names_its_host",
    Sound Every "frame_shows_its_reservation",
    Sound Every "proc_names_its_owners",
    Cap Every "host_idle_is_in_bounds",
    Sound Every "host_taken_equals_procs",
    Account Every "subscription_equals_procs",
    Account Every "layer_resource_equals_procs",
    Account Every "job_resource_equals_procs",
    Account Every "folder_resource_equals_procs",
    Account Every "point_equals_procs",
    Cap Every "subscription_is_within_burst",
    Cap Every "job_is_within_max_cores",
    Cap Every "job_is_within_max_gpus",
    Cap Every "folder_is_within_max_cores",
    Cap Every "folder_is_within_max_gpus",
    Cap PlainLimits "limit_is_within_max",
    Cap LimitsByType "limit_by_type_is_within_max",
    Sound Every "layer_stat_equals_frames",
    Sound Every "job_stat_equals_frames",
    Sound Every "layer_has_all_its_frames",
    Sound Every "job_has_all_its_frames",
    Sound Every "proc_reserves_whole_cores",
    Sound Every "frame_version_is_sane",
    Sound Every "frame_state_is_legal",
    Sound PlainHistory "open_history_is_single",
    Sound PlainHistory "open_history_is_of_a_running_frame",
    Sound QueuedHistory "queued_history_is_in_order",
    Sound QueuedHistory "queued_history_ends_with_the_run",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_is_said_in_a_sentence_and_returns_a_detail() {
        for invariant in ALL {
            assert!(
                invariant.sentence().ends_with(['.', ':']),
                "{}",
                invariant.name
            );
            assert!(invariant.sql.contains(" AS detail\n"), "{}", invariant.name);
        }
    }
}
