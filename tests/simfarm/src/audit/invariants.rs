//! The list of what must be true of the database at any commit.
//!
//! Invariant: each entry is one file of `sql/audit`, which starts with a sentence and returns one
//! text a row that offends; an entry without rows holds.

/// What an invariant depends on.
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

/// Something that must be true.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invariant {
    /// The name of its file.
    pub(super) name: &'static str,
    /// What it depends on.
    pub(super) kind: Kind,
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
    ($($kind:ident $name:literal,)*) => {
        &[$(Invariant {
            name: $name,
            kind: Kind::$kind,
            sql: include_str!(concat!("../../sql/audit/", $name, ".sql")),
        }),*]
    };
}

/// All of them.
pub(super) const ALL: &[Invariant] = invariants![
    Sound "running_frame_has_a_proc",
    Sound "proc_has_a_running_frame",
    Sound "frame_names_its_host",
    Sound "frame_shows_its_reservation",
    Sound "proc_names_its_owners",
    Cap "host_idle_is_in_bounds",
    Sound "host_taken_equals_procs",
    Account "subscription_equals_procs",
    Account "layer_resource_equals_procs",
    Account "job_resource_equals_procs",
    Account "folder_resource_equals_procs",
    Account "point_equals_procs",
    Cap "subscription_is_within_burst",
    Cap "job_is_within_max_cores",
    Cap "job_is_within_max_gpus",
    Cap "folder_is_within_max_cores",
    Cap "folder_is_within_max_gpus",
    Cap "limit_is_within_max",
    Sound "layer_stat_equals_frames",
    Sound "job_stat_equals_frames",
    Sound "layer_has_all_its_frames",
    Sound "job_has_all_its_frames",
    Sound "proc_reserves_whole_cores",
    Sound "frame_version_is_sane",
    Sound "frame_state_is_legal",
    Sound "open_history_is_single",
    Sound "open_history_is_of_a_running_frame",
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
