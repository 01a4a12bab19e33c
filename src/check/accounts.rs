//! The accounts: counters that differ from their procs, and the replica that compares them.
//!
//! Invariant: only a difference that was seen twice is reported, because a Cuebot that lowers a
//! counter after it deleted a proc makes one for a moment.

use std::time::Duration;

use cue_store::{Drift, Look, ReplicaRow, Store, StoreError};

use super::finding::{Finding, judged, ok, warn};

/// Differences counted at most.
const MOST: usize = 1_000;

/// Time between two looks at differences.
const BETWEEN: Duration = Duration::from_secs(1);

/// Longest wait for a comparison by a replica that is connected.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counters that differ, and who compares them.
pub(super) async fn look(store: &Store) -> Vec<Finding> {
    let asked = async {
        let drift = differing(store).await?;
        let replicas = store.connected().await?.replicas;
        let heard = match replicas[..] {
            [] => None,
            _ => heard(store).await?,
        };
        Ok(judge(&drift, &replicas, heard.as_ref()))
    };
    judged("accounting", asked.await, |found| found)
}

/// Differences now, if there were some a moment ago as well.
async fn differing(store: &Store) -> Result<Drift, StoreError> {
    let drift = store.drift(MOST).await?;
    if drift.keys.is_empty() {
        return Ok(drift);
    }
    tokio::time::sleep(BETWEEN).await;
    store.drift(MOST).await
}

async fn heard(store: &Store) -> Result<Option<Look>, StoreError> {
    let mut session = store.accounts_session().await?;
    session.next_look(PATIENCE).await
}

fn judge(drift: &Drift, replicas: &[ReplicaRow], heard: Option<&Look>) -> Vec<Finding> {
    let counters = if drift.keys.is_empty() {
        ok("every counter of the shows handed over is what its procs add up to")
    } else {
        let tables = drift.tables.iter();
        let tables = tables.map(|(table, count)| format!("{count} in {table}"));
        warn(
            format!(
                "{} counters of the shows handed over differ from their procs ({}), {} cores too high and {} too low",
                drift.keys.len(),
                tables.collect::<Vec<_>>().join(", "),
                drift.too_high / 100.0,
                drift.too_low / 100.0
            ),
            "a replica that runs corrects them within 10 s; if they come back, see AccountsDrift in RUNBOOK.md",
        )
    };
    let compared = heard.map(|look| {
        let (replica, seconds) = (&look.replica, look.period_ms as f64 / 1000.0);
        let says = format!("{replica} compares the accounts with the procs, every {seconds:.1} s");
        ok(says)
    });
    let silent = || {
        let (seconds, connected) = (PATIENCE.as_secs(), replicas.len());
        let says = format!(
            "no replica has compared the accounts for {seconds} s, and {connected} are connected"
        );
        let advice = "look at scheduler_accounting_checked_timestamp_seconds and the log of each replica, see AccountsNotChecked in RUNBOOK.md";
        (connected > 0).then(|| warn(says, advice))
    };
    [Some(counters), compared.or_else(silent)]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    fn verdicts(drift: &Drift, replicas: usize, heard: bool) -> Vec<Verdict> {
        let replica = ReplicaRow {
            name: "host-7".to_owned(),
            connections: 24,
            this: false,
            timings: None,
        };
        let look = heard.then(|| Look {
            replica: "host-7".to_owned(),
            period_ms: 4_000,
        });
        let found = judge(drift, &vec![replica; replicas], look.as_ref());
        found.iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn drift_and_accounts_that_nobody_compares_are_warned_about() {
        let calm = Drift::default();
        let mut drift = Drift::default();
        drift.keys.jobs.insert("job".into());
        assert_eq!(verdicts(&calm, 0, false), [Verdict::Ok]);
        assert_eq!(verdicts(&calm, 2, true), [Verdict::Ok, Verdict::Ok]);
        assert_eq!(verdicts(&calm, 2, false), [Verdict::Ok, Verdict::Warn]);
        assert_eq!(verdicts(&drift, 0, false), [Verdict::Warn]);
        assert_eq!(verdicts(&drift, 1, true), [Verdict::Warn, Verdict::Ok]);
    }
}
