//! The oldest snapshot in the database, by which dead rows stay.

use cue_loops::SNAPSHOT_REMEDY;
use cue_store::{OLD_SNAPSHOT, SnapshotHolder, Store};

use super::finding::{Finding, judged, ok, warn};

/// Transactions since a snapshot that are worth a look. Fewer are the work of a moment, and their dead rows are
/// too few to be felt.
const MANY: i64 = 1_000;

/// Looks for an old snapshot.
pub(super) async fn look(store: &Store) -> Vec<Finding> {
    judged("snapshot", store.oldest_snapshot().await, |holder| {
        [judge(holder.as_ref())]
    })
}

/// The transactions alone decide if the age is not known: a snapshot of other roles shows no age.
fn judge(holder: Option<&SnapshotHolder>) -> Finding {
    let old = |holder: &&SnapshotHolder| {
        holder.behind >= MANY && holder.age.is_none_or(|age| age >= OLD_SNAPSHOT)
    };
    let Some(holder) = holder.filter(old) else {
        return ok("nobody keeps dead rows from being removed");
    };
    let age = holder
        .age
        .map(|age| format!(" for {} s", age.as_secs()))
        .unwrap_or_default();
    warn(
        format!(
            "{holder} keeps dead rows from being removed{age}, {} transactions by now, and booking grows slower",
            holder.behind
        ),
        SNAPSHOT_REMEDY,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::Verdict;

    #[test]
    fn only_a_snapshot_that_many_transactions_have_passed_is_worth_a_look() {
        let holder = |behind, seconds: Option<u64>| SnapshotHolder {
            kind: "session".to_owned(),
            name: "71".to_owned(),
            detail: "pg_dump, role backup".to_owned(),
            oldest: "700".to_owned(),
            behind,
            age: seconds.map(Duration::from_secs),
        };
        assert_eq!(judge(None).verdict, Verdict::Ok);
        for (behind, seconds, verdict) in [
            (999, Some(3_600), Verdict::Ok),
            (1_000, Some(59), Verdict::Ok),
            (1_000, Some(60), Verdict::Warn),
            (1_000, None, Verdict::Warn),
        ] {
            let finding = judge(Some(&holder(behind, seconds)));
            assert_eq!(finding.verdict, verdict, "{behind}, {seconds:?}");
        }
        let says = judge(Some(&holder(5_000, Some(90)))).says;
        assert!(
            says.starts_with("session 71 (pg_dump, role backup) keeps dead rows"),
            "{says}"
        );
        assert!(says.contains("for 90 s, 5000 transactions"), "{says}");
    }
}
