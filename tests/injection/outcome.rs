//! Observations of a row, and what of them is not as it should be.

use std::fmt;
use std::time::Duration;

/// Observations of a row.
#[derive(Debug, Default)]
pub struct Outcome {
    pub name: String,
    pub lasted: Duration,
    /// The longest that a sound job waited which came while the fault lasted.
    pub delay: Option<Duration>,
    /// From the end of the fault until everything that waited for it was back.
    pub back: Option<Duration>,
    /// From the end of the fault until the victim ran.
    pub victim: Option<Duration>,
    /// From the fault until `/readyz` said 503, and from its end until 200.
    pub unready: Option<Duration>,
    pub ready: Option<Duration>,
    pub faults: Vec<Violation>,
    pub tries: u32,
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Something came too late or was not said in time, as may happen on a busy machine.
    Missed(String),
    /// Something that no busy machine explains.
    Broken(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missed(what) => write!(f, "missed: {what}"),
            Self::Broken(what) => write!(f, "broken: {what}"),
        }
    }
}

impl Outcome {
    /// An outcome without observations.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tries: 1,
            ..Self::default()
        }
    }

    pub fn missed(&mut self, what: String) {
        self.faults.push(Violation::Missed(what));
    }

    pub fn broken(&mut self, what: String) {
        self.faults.push(Violation::Broken(what));
    }

    /// Returns true if another run may end well.
    pub fn is_only_missed(&self) -> bool {
        let missed = |fault: &Violation| matches!(fault, Violation::Missed(_));
        !self.faults.is_empty() && self.faults.iter().all(missed)
    }

    /// The outcome as a sentence.
    pub fn described(&self) -> String {
        let faults: Vec<_> = self.faults.iter().map(ToString::to_string).collect();
        format!("{}: {}", self.name, faults.join("; "))
    }
}

/// The outcomes of a table, one a line.
pub fn printed(title: &str, outcomes: &[Outcome]) -> String {
    let seconds = |time: Option<Duration>| {
        let text = time.map(|time| format!("{:.2}", time.as_secs_f64()));
        text.unwrap_or_else(|| "-".to_owned())
    };
    let mut text = format!("\n{title:<64} lasted  delay   back victim    503    200 tries\n");
    for outcome in outcomes {
        let mark = if outcome.faults.is_empty() {
            ""
        } else {
            "  FAILED"
        };
        text.push_str(&format!(
            "{:<64} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>5}{mark}\n",
            outcome.name,
            seconds(Some(outcome.lasted)),
            seconds(outcome.delay),
            seconds(outcome.back),
            seconds(outcome.victim),
            seconds(outcome.unready),
            seconds(outcome.ready),
            outcome.tries,
        ));
    }
    text
}
