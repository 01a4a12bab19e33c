//! `cue-scheduler check`: the fitness of a database for the scheduler, asked before the first start.
//!
//! Every check gives one finding or more, each with a verdict and what to do. Invariant: nothing is
//! changed, and a check that fails does not end the others, unless there is no server to ask.

mod accounts;
mod collectors;
mod contradictions;
mod farm;
mod finding;
mod limits;
mod names;
mod neighbours;
mod pauses;
mod server;
mod snapshots;
mod statement_triggers;
mod unreported;

use std::io::Write;

use cue_store::{Store, StoreError, StoreSettings};
use serde::Serialize;

use crate::config::Settings;
use crate::config::wiring;
use crate::lifecycle::Exit;
use crate::output;
use crate::output::chain;

use finding::fail;
pub use finding::{Finding, Verdict};

/// All findings.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The findings, in the order of the checks.
    pub checks: Vec<Finding>,
    /// There was no server to ask.
    #[serde(skip)]
    away: bool,
}

impl Report {
    /// Exit of the program.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.away {
            Exit::FailedStart
        } else if self.count(Verdict::Fail) > 0 {
            Exit::Unfit
        } else {
            Exit::Clean
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        let same = |finding: &&Finding| finding.verdict == verdict;
        self.checks.iter().filter(same).count()
    }

    /// The report as lines, one a finding.
    fn lines(&self) -> String {
        let line = |finding: &Finding| {
            let (word, check, says) = (finding.verdict.word(), finding.check, &finding.says);
            let advice = finding.advice.as_ref().map(|advice| format!("; {advice}"));
            format!(
                "{word:<5} {check:<11} {says}{}\n",
                advice.unwrap_or_default()
            )
        };
        let lines: String = self.checks.iter().map(line).collect();
        let counted =
            [Verdict::Ok, Verdict::Warn, Verdict::Fail].map(|verdict| self.count(verdict));
        let [ok, warn, fail] = counted;
        format!("{lines}{ok} ok, {warn} to look at, {fail} to put right\n")
    }
}

/// Looks at the database of these settings, and writes the findings to `out`, as lines or as JSON.
///
/// # Errors
/// `out` cannot be written to.
pub async fn run(settings: &Settings, json: bool, out: &mut impl Write) -> std::io::Result<Exit> {
    let mut report = look(settings)
        .await
        .unwrap_or_else(|error| unreachable(&error));
    report.checks.extend(collectors::look(settings).await);
    let text = if json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.lines()
    };
    output::answer(out, &text)?;
    Ok(report.exit())
}

async fn look(settings: &Settings) -> Result<Report, StoreError> {
    // The server is looked at as the scheduler sees it.
    let store = open(wiring::store(settings)).await?;
    let (mut checks, role) = server::look(&store, settings).await;
    store.close().await;
    let store = open(wiring::patient_store(settings)).await?;
    checks.extend(farm::fitness(&store, &role).await);
    checks.extend(statement_triggers::look(&store).await);
    checks.extend(neighbours::look(&store).await);
    checks.extend(farm::contents(&store, settings).await);
    checks.extend(limits::look(&store).await);
    checks.extend(unreported::look(&store).await);
    checks.extend(accounts::look(&store).await);
    checks.extend(snapshots::look(&store).await);
    checks.extend(pauses::look(&store).await);
    checks.extend(farm::waiting_index(&store).await);
    store.close().await;
    Ok(Report {
        checks,
        away: false,
    })
}

/// Opens the database with one connection.
async fn open(settings: StoreSettings) -> Result<Store, StoreError> {
    let one = StoreSettings {
        pool: 1,
        ..settings
    };
    Store::connect(&one, &prometheus::Registry::new()).await
}

fn unreachable(error: &StoreError) -> Report {
    let finding = fail(chain(error), "nothing else could be looked at");
    Report {
        checks: vec![finding.about("server")],
        away: true,
    }
}

#[cfg(test)]
mod tests {
    use super::finding::{ok, warn};
    use super::*;

    #[test]
    fn the_worst_finding_decides_the_exit_and_every_line_says_what_to_do() {
        let mut report = Report {
            checks: vec![ok("PostgreSQL 15").about("server")],
            ..Report::default()
        };
        assert_eq!(report.exit(), Exit::Clean);
        report
            .checks
            .push(warn("none is managed", "hand one over").about("shows"));
        assert_eq!(report.exit(), Exit::Clean);
        report
            .checks
            .push(fail("no INSERT on proc", "grant it").about("rights"));
        assert_eq!(report.exit(), Exit::Unfit);
        let wanted = "ok    server      PostgreSQL 15\n\
                      warn  shows       none is managed; hand one over\n\
                      FAIL  rights      no INSERT on proc; grant it\n\
                      1 ok, 1 to look at, 1 to put right\n";
        assert_eq!(report.lines(), wanted);
    }

    #[test]
    fn a_server_that_is_away_is_another_exit() {
        let error = StoreError::Outage {
            retry_in: std::time::Duration::ZERO,
        };
        assert_eq!(unreachable(&error).exit(), Exit::FailedStart);
    }
}
