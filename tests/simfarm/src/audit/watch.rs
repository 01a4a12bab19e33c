//! Looks at the caps again and again while a test runs.
//!
//! Invariant: a watch that could not look does not say that all is well. A refused look and a
//! watch without a single look are findings.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::invariants::{ALL, Features, Kind};
use super::{Audit, Finding, SNAPSHOT, look};

/// The name under which a watch reports its own failures.
const WATCH: &str = "watch_could_look";
/// Findings kept; a broken cap is found again in every round.
const KEPT: usize = 50;
/// The rest between two rounds, so that the watch does not become the load.
const REST: Duration = Duration::from_millis(5);

/// A continuous audit of the caps; dropping it ends it.
pub struct AuditWatch {
    stop: CancellationToken,
    rounds: watch::Receiver<u64>,
    task: JoinSet<Audit>,
}

impl AuditWatch {
    /// Starts to look.
    #[must_use]
    pub fn start(pool: PgPool) -> Self {
        let stop = CancellationToken::new();
        let (counter, rounds) = watch::channel(0);
        let mut task = JoinSet::new();
        let stopped = stop.clone();
        task.spawn(async move {
            let mut audit = Audit::default();
            loop {
                match round(&pool).await {
                    Ok(seen) => keep(&mut audit, seen),
                    Err(error) => {
                        let detail = format!("{error:#}");
                        keep(
                            &mut audit,
                            Audit {
                                findings: vec![Finding {
                                    invariant: WATCH,
                                    detail,
                                }],
                                checked: 0,
                            },
                        );
                    }
                }
                counter.send_modify(|n| *n += 1);
                tokio::select! {
                    () = stopped.cancelled() => return audit,
                    () = tokio::time::sleep(REST) => {}
                }
            }
        });
        Self { stop, rounds, task }
    }

    /// Rounds that are over.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        *self.rounds.borrow()
    }

    /// Waits until `n` rounds are over; false when the watch ended before.
    pub async fn looked_at_least(&self, n: u64) -> bool {
        self.rounds
            .clone()
            .wait_for(|rounds| *rounds >= n)
            .await
            .is_ok()
    }

    /// Ends after the round under way, and says what was found in all of them.
    pub async fn finish(mut self) -> Audit {
        self.stop.cancel();
        match self.task.join_next().await {
            Some(Ok(audit)) => audit,
            Some(Err(error)) => failed(format!("the watch died: {error}")),
            None => failed("the watch had no task".to_owned()),
        }
    }
}

fn failed(detail: String) -> Audit {
    Audit {
        findings: vec![Finding {
            invariant: WATCH,
            detail,
        }],
        checked: 0,
    }
}

/// One look at every cap, in one snapshot.
async fn round(pool: &PgPool) -> anyhow::Result<Audit> {
    let mut snapshot = pool.begin_with(SNAPSHOT).await?;
    let features = Features::of(&mut snapshot).await?;
    let mut audit = Audit::default();
    let caps = ALL.iter().filter(|invariant| invariant.kind == Kind::Cap);
    for invariant in caps.filter(|invariant| features.fit(invariant)) {
        audit.findings.extend(look(&mut snapshot, invariant).await?);
        audit.checked += 1;
    }
    snapshot.rollback().await?;
    Ok(audit)
}

fn keep(audit: &mut Audit, seen: Audit) {
    audit.checked = audit.checked.max(seen.checked);
    for finding in seen.findings {
        if audit.findings.len() < KEPT && !audit.findings.contains(&finding) {
            audit.findings.push(finding);
        }
    }
}
