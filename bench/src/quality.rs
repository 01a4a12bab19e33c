//! `bench quality`: whether decisions are good, scenario by scenario.
//!
//! Every scenario is a small farm, jobs, a measure and a bound. The service is the real one, on a real
//! PostgreSQL; hosts and completions are simulated. Frames run for seconds where they run for minutes on
//! a farm, so a scenario shows in half a minute what takes an hour there. Periods of the service that
//! are minutes by default, such as the aging of priorities, are set to seconds as well.
//!
//! The scenarios and their marks are those that OpenCue's own planner is tested with, or stricter.

mod farm;
mod measures;
mod outcome;
mod recorder;
mod scenarios;
mod timeline;

use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

pub use outcome::{Outcome, Verdict};
pub use scenarios::{ChildOptions, schedule};
use scenarios::{SCENARIOS, Scenario};

use crate::stats::markdown;

/// Arguments of the benchmark.
#[derive(Clone, Debug, Args)]
pub struct QualityOptions {
    /// Scenarios to play, by name; all without any
    pub names: Vec<String>,
    /// Play only the scenarios that must pass before a change goes in
    #[arg(long)]
    pub subset: bool,
    /// List the scenarios and play none
    #[arg(long)]
    pub list: bool,
}

/// A scenario that was played.
#[derive(Clone, Debug, Serialize)]
pub struct Played {
    /// The name.
    pub scenario: &'static str,
    /// The pass mark of OpenCue's planner.
    pub their_mark: &'static str,
    /// The figure of OpenCue's planner, where it is known.
    pub their_figure: &'static str,
    /// The figures.
    pub ours: Outcome,
    /// The verdict.
    pub verdict: Verdict,
    /// Time that it took.
    pub seconds: f64,
}

/// Plays the scenarios.
///
/// # Errors
/// A name is unknown. A scenario that could not be played is a failed one.
pub async fn run(options: &QualityOptions) -> anyhow::Result<Vec<Played>> {
    let mut played = Vec::new();
    for scenario in chosen(options)? {
        if options.list {
            eprintln!("{:<18} {}", scenario.name, scenario.their_mark);
            continue;
        }
        let began = Instant::now();
        let ours = (scenario.play)()
            .await
            .unwrap_or_else(|error| failed(&error));
        let row = Played {
            scenario: scenario.name,
            their_mark: scenario.their_mark,
            their_figure: scenario.their_figure,
            verdict: ours.verdict(),
            ours,
            seconds: began.elapsed().as_secs_f64(),
        };
        eprintln!(
            "{:<18} {:<12} {:>3.0} s  {}",
            row.scenario,
            row.verdict,
            row.seconds,
            figures(&row.ours)
        );
        played.push(row);
    }
    Ok(played)
}

/// Succeeds if every scenario passed.
///
/// # Errors
/// One did not; the error names all that did not.
pub fn ensure_passed(rows: &[Played]) -> anyhow::Result<()> {
    let bad = rows.iter().filter(|row| row.verdict != Verdict::Pass);
    let bad: Vec<&str> = bad.map(|row| row.scenario).collect();
    let (failed, all) = (bad.len(), rows.len());
    ensure!(
        bad.is_empty(),
        "{failed} of {all} scenarios did not pass: {}",
        bad.join(" ")
    );
    Ok(())
}

fn chosen(options: &QualityOptions) -> anyhow::Result<Vec<&'static Scenario>> {
    let mut chosen = Vec::new();
    for name in &options.names {
        let found = SCENARIOS
            .iter()
            .find(|scenario| scenario.name.eq_ignore_ascii_case(name));
        chosen
            .push(found.with_context(|| format!("there is no scenario {name}; --list lists all"))?);
    }
    if chosen.is_empty() {
        chosen.extend(SCENARIOS.iter());
    }
    chosen.retain(|scenario| scenario.in_subset || !options.subset);
    Ok(chosen)
}

/// The outcome of a scenario that could not be played.
fn failed(error: &anyhow::Error) -> Outcome {
    let mut outcome = Outcome {
        completed: outcome::ENOUGH,
        ..Outcome::default()
    };
    outcome.remarks.push(format!("{error:#}"));
    outcome.at_most("errors", 1.0, 0.0)
}

fn figures(outcome: &Outcome) -> String {
    let figures = outcome.figures.iter().map(ToString::to_string);
    let remarks = outcome.remarks.iter().cloned();
    figures.chain(remarks).collect::<Vec<_>>().join("; ")
}

/// The scenarios as a Markdown table.
#[must_use]
pub fn table(rows: &[Played]) -> String {
    let head = [
        "scenario",
        "their pass mark",
        "their figure",
        "ours",
        "verdict",
    ];
    let row = |row: &Played| {
        vec![
            row.scenario.to_owned(),
            row.their_mark.to_owned(),
            row.their_figure.to_owned(),
            figures(&row.ours),
            row.verdict.to_string(),
        ]
    };
    if rows.is_empty() {
        return String::new();
    }
    markdown(&head, rows.iter().map(row))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn options(names: &[&str], subset: bool) -> QualityOptions {
        QualityOptions {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            subset,
            list: false,
        }
    }

    fn played(value: f64) -> Played {
        let outcome = Outcome {
            completed: outcome::ENOUGH,
            ..Outcome::default()
        };
        let ours = outcome.at_most("most running", value, 50.0);
        Played {
            scenario: "LIMIT",
            their_mark: "≤ 50 running",
            their_figure: "-",
            verdict: ours.verdict(),
            ours,
            seconds: 1.0,
        }
    }

    #[test]
    fn scenarios_are_chosen_by_name_or_by_subset() {
        let names = |options: &QualityOptions| -> Vec<&str> {
            chosen(options)
                .unwrap()
                .iter()
                .map(|scenario| scenario.name)
                .collect()
        };
        assert_eq!(names(&options(&["pin", "LIMIT"], false)), ["PIN", "LIMIT"]);
        let all: BTreeSet<&str> = names(&options(&[], false)).into_iter().collect();
        assert_eq!(all.len(), SCENARIOS.len(), "names are unique");
        let subset = names(&options(&[], true));
        assert!(!subset.is_empty() && subset.len() < SCENARIOS.len());
        assert!(chosen(&options(&["NO_SUCH"], false)).is_err());
    }

    #[test]
    fn one_scenario_that_does_not_pass_fails_the_whole() {
        assert!(ensure_passed(&[played(50.0)]).is_ok());
        let error = ensure_passed(&[played(50.0), played(51.0)]).unwrap_err();
        assert_eq!(error.to_string(), "1 of 2 scenarios did not pass: LIMIT");
        assert!(table(&[played(51.0)]).contains("| **most running 51 (≤ 50)** | FAIL |"));
        let error = failed(&anyhow::anyhow!("no database"));
        assert_eq!(error.verdict(), Verdict::Fail);
    }
}
