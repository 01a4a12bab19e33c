//! The outcome of a scenario: figures with the bounds that they must keep, and the verdict.

use std::fmt;

use serde::Serialize;

/// Fewer completed frames than this prove nothing: a farm that ran nothing violates nothing.
pub const ENOUGH: u64 = 100;

/// The verdict on a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Every figure keeps its bound.
    Pass,
    /// A figure does not keep its bound, or the scenario could not be played.
    Fail,
    /// Too few frames were completed.
    Inconclusive,
}

/// The bound of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
    /// None: the figure is for information.
    None,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The name.
    pub name: String,
    /// The value; NaN, `null` in JSON, if there was nothing to measure.
    pub value: f64,
    /// The bound.
    pub bound: Bound,
    /// Returns true if the value keeps the bound.
    pub holds: bool,
}

/// Figures of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The figures.
    pub figures: Vec<Figure>,
    /// Frames that were completed.
    pub completed: u64,
    /// Circumstances that the reader must know, such as settings that the service lacks.
    pub remarks: Vec<String>,
}

impl Outcome {
    /// Adds a figure that must be no less than `least`.
    #[must_use]
    pub fn at_least(self, name: &str, value: f64, least: f64) -> Self {
        self.figure(name, value, Bound::AtLeast(least), value >= least)
    }

    /// Adds a figure that must be no more than `most`.
    #[must_use]
    pub fn at_most(self, name: &str, value: f64, most: f64) -> Self {
        self.figure(name, value, Bound::AtMost(most), value <= most)
    }

    /// Adds a figure for information.
    #[must_use]
    pub fn also(self, name: &str, value: f64) -> Self {
        self.figure(name, value, Bound::None, true)
    }

    fn figure(mut self, name: &str, value: f64, bound: Bound, holds: bool) -> Self {
        self.figures.push(Figure {
            name: name.to_owned(),
            value,
            bound,
            holds,
        });
        self
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.completed < ENOUGH {
            Verdict::Inconclusive
        } else if self.figures.iter().all(|figure| figure.holds) {
            Verdict::Pass
        } else {
            Verdict::Fail
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
        })
    }
}

impl fmt::Display for Figure {
    /// The figure with its bound, in bold if it does not keep it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.holds { "" } else { "**" };
        write!(f, "{mark}{} {}", self.name, number(self.value))?;
        match self.bound {
            Bound::AtLeast(least) => write!(f, " (≥ {})", number(least))?,
            Bound::AtMost(most) => write!(f, " (≤ {})", number(most))?,
            Bound::None => {}
        }
        f.write_str(mark)
    }
}

/// A whole number as such, infinity as a time that does not come, large numbers without a fraction, others with two digits.
fn number(value: f64) -> String {
    if value.is_nan() {
        "none".to_owned()
    } else if value.is_infinite() {
        "never".to_owned()
    } else if value.fract() == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(completed: u64) -> Outcome {
        Outcome {
            completed,
            ..Outcome::default()
        }
    }

    #[test]
    fn a_scenario_passes_only_if_every_figure_keeps_its_bound() {
        let good = outcome(ENOUGH)
            .at_least("rho", 0.98, 0.98)
            .at_most("peak", 50.0, 50.0);
        assert_eq!(good.verdict(), Verdict::Pass);
        assert_eq!(
            good.clone().at_least("least", 0.0, 1.0).verdict(),
            Verdict::Fail
        );
        assert_eq!(
            good.at_most("nothing measured", f64::NAN, 1.0).verdict(),
            Verdict::Fail
        );
    }

    #[test]
    fn too_few_frames_prove_nothing() {
        assert_eq!(
            outcome(ENOUGH - 1).at_most("peak", 0.0, 50.0).verdict(),
            Verdict::Inconclusive
        );
        assert_eq!(
            outcome(0).at_most("peak", 60.0, 50.0).verdict(),
            Verdict::Inconclusive
        );
    }

    #[test]
    fn a_figure_shows_its_bound_and_whether_it_is_kept() {
        let outcome = outcome(0)
            .at_least("rho", -0.163, 0.98)
            .at_most("peak", 50.0, 50.0)
            .also("cores in use", 633.4)
            .at_most("start, s", f64::INFINITY, 34.0);
        let shown: Vec<String> = outcome.figures.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "**rho -0.16 (≥ 0.98)**",
                "peak 50 (≤ 50)",
                "cores in use 633",
                "**start, s never (≤ 34)**"
            ]
        );
    }
}
