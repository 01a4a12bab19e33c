//! Findings: facts about the database, each with a verdict and advice.

use cue_store::StoreError;
use serde::Serialize;

use crate::output::chain;

/// Result of one check.
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
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// A fact about the database, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Subject of the check.
    pub check: &'static str,
    /// The judgement.
    pub verdict: Verdict,
    /// The fact.
    pub says: String,
    /// Advice.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    const fn new(verdict: Verdict, says: String, advice: Option<String>) -> Self {
        let check = "";
        Self {
            check,
            verdict,
            says,
            advice,
        }
    }

    /// The same finding, about a subject of its own.
    pub(super) fn about(self, check: &'static str) -> Self {
        Self { check, ..self }
    }
}

pub(super) fn ok(says: impl Into<String>) -> Finding {
    Finding::new(Verdict::Ok, says.into(), None)
}

pub(super) fn warn(says: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding::new(Verdict::Warn, says.into(), Some(advice.into()))
}

pub(super) fn fail(says: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding::new(Verdict::Fail, says.into(), Some(advice.into()))
}

/// Judges an answer of the database, or says that there is none. Findings without a subject are about `check`.
pub(super) fn judged<T, F>(
    check: &'static str,
    answer: Result<T, StoreError>,
    judge: impl FnOnce(T) -> F,
) -> Vec<Finding>
where
    F: IntoIterator<Item = Finding>,
{
    let found: Vec<Finding> = match answer {
        Ok(answer) => judge(answer).into_iter().collect(),
        Err(error) => vec![fail(
            format!("this could not be found out: {}", chain(&error)),
            "put right what the server says, and check again",
        )],
    };
    let subject = |finding: Finding| match finding.check {
        "" => finding.about(check),
        _ => finding,
    };
    found.into_iter().map(subject).collect()
}
