//! `cue-scheduler check`: whether this database is fit for the scheduler, asked before the first start.
//!
//! Every check gives one finding or more, each with a verdict and what to do. Invariant: nothing is
//! changed, and what can be found out is found out: a check that fails does not end the others, unless
//! there is no server to ask.

mod accounts;
mod contradictions;
mod farm;
mod indexes;
mod limits;
mod names;
mod neighbours;
mod server;

use std::io::Write;

use cue_store::{Store, StoreError};
use serde::Serialize;

use crate::config::Settings;
use crate::lifecycle::Exit;
use crate::service::chain;
use crate::wiring;

/// What came of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It will run, and somebody should look at this.
    Warn,
    /// It will not run, or not as it should.
    Fail,
}

impl Verdict {
    /// The word at the beginning of its line.
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// Whether that is as it should be.
    pub verdict: Verdict,
    /// What is so.
    pub says: String,
    /// What to do about it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, says.into(), None)
    }

    fn warn(check: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warn, says.into(), Some(advice.into()))
    }

    fn fail(check: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fail, says.into(), Some(advice.into()))
    }

    const fn new(
        check: &'static str,
        verdict: Verdict,
        says: String,
        advice: Option<String>,
    ) -> Self {
        Self {
            check,
            verdict,
            says,
            advice,
        }
    }

    /// A check that could not be made.
    fn unanswered(check: &'static str, error: &StoreError) -> Self {
        Self::fail(
            check,
            format!("this could not be found out: {}", chain(error)),
            "put right what the server says, and check again",
        )
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// In the order in which it was looked at.
    pub checks: Vec<Finding>,
    /// The indexes on offer.
    pub indexes: Vec<indexes::Offer>,
    /// There was no server to ask.
    #[serde(skip)]
    away: bool,
}

impl Report {
    /// How the program ends with it.
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
        let mut text = String::new();
        for finding in &self.checks {
            let (word, check, says) = (finding.verdict.word(), finding.check, &finding.says);
            text.push_str(&format!("{word:<5} {check:<11} {says}"));
            if let Some(advice) = &finding.advice {
                text.push_str(&format!("; {advice}"));
            }
            text.push('\n');
        }
        let count = |verdict| self.count(verdict);
        text.push_str(&format!(
            "{} ok, {} to look at, {} to put right\n",
            count(Verdict::Ok),
            count(Verdict::Warn),
            count(Verdict::Fail)
        ));
        text
    }
}

/// How the report is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Form {
    /// Print the indexes that the scheduler would profit from and OpenCue lacks, as SQL.
    #[arg(long)]
    pub indexes: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Looks at the database of these settings, and writes what it finds to `out`.
///
/// # Errors
/// `out` cannot be written to.
pub async fn run(settings: &Settings, form: Form, out: &mut impl Write) -> std::io::Result<Exit> {
    let mut how = wiring::store(settings);
    how.pool = 1;
    let store = match Store::connect(&how, &prometheus::Registry::new()).await {
        Ok(store) => store,
        Err(error) => return tell(&unreachable(&error), form, out),
    };
    let report = if form.indexes {
        only_indexes(&store).await
    } else {
        everything(&store, settings).await
    };
    store.close().await;
    tell(&report, form, out)
}

fn tell(report: &Report, form: Form, out: &mut impl Write) -> std::io::Result<Exit> {
    let text = if form.json {
        serde_json::to_string_pretty(report)? + "\n"
    } else if form.indexes && report.checks.is_empty() {
        indexes::listing(&report.indexes)
    } else {
        report.lines()
    };
    out.write_all(text.as_bytes())?;
    Ok(report.exit())
}

fn unreachable(error: &StoreError) -> Report {
    Report {
        checks: vec![Finding::fail(
            "server",
            chain(error),
            "nothing else could be looked at",
        )],
        away: true,
        ..Report::default()
    }
}

async fn only_indexes(store: &Store) -> Report {
    match indexes::offers(store).await {
        Ok(indexes) => Report {
            indexes,
            ..Report::default()
        },
        Err(error) => Report {
            checks: vec![Finding::unanswered("indexes", &error)],
            ..Report::default()
        },
    }
}

async fn everything(store: &Store, settings: &Settings) -> Report {
    let (mut checks, role) = server::look(store, settings).await;
    checks.extend(farm::fitness(store, &role).await);
    checks.extend(neighbours::look(store).await);
    checks.extend(farm::contents(store, settings).await);
    checks.extend(limits::look(store).await);
    checks.extend(accounts::look(store).await);
    let indexes = match indexes::offers(store).await {
        Ok(offers) => {
            checks.push(indexes::summary(&offers));
            offers
        }
        Err(error) => {
            checks.push(Finding::unanswered("indexes", &error));
            Vec::new()
        }
    };
    Report {
        checks,
        indexes,
        away: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_the_exit_and_every_line_says_what_to_do() {
        let mut report = Report {
            checks: vec![Finding::ok("server", "PostgreSQL 15")],
            ..Report::default()
        };
        assert_eq!(report.exit(), Exit::Clean);
        report
            .checks
            .push(Finding::warn("shows", "none is managed", "hand one over"));
        assert_eq!(report.exit(), Exit::Clean);
        report
            .checks
            .push(Finding::fail("rights", "no INSERT on proc", "grant it"));
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
