//! Pauses of booking: for everything, a facility or a show, until a time, by a person and for a reason.
//!
//! Invariant: every pause has an end, at most [`Pause::LONGEST`] after it was set.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Cluster;

/// The work that a pause holds back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PauseScope {
    /// Everything.
    All,
    /// All shows in a facility, by its name.
    Facility(Arc<str>),
    /// A show in all facilities, by its name.
    Show(Arc<str>),
}

impl PauseScope {
    /// Returns true if the scope has the cluster.
    pub fn covers(&self, cluster: &Cluster) -> bool {
        match self {
            Self::All => true,
            Self::Facility(name) => *name == cluster.facility_name,
            Self::Show(name) => *name == cluster.show_name,
        }
    }

    /// Kind of the scope, as a label of metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Facility(_) => "facility",
            Self::Show(_) => "show",
        }
    }
}

impl fmt::Display for PauseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Facility(name) => write!(f, "facility/{name}"),
            Self::Show(name) => write!(f, "show/{name}"),
        }
    }
}

/// A text that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is `all`, `facility/NAME` or `show/NAME`")]
pub struct NoScope;

impl FromStr for PauseScope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        match text.split_once('/') {
            None if text == "all" => Ok(Self::All),
            Some(("facility", name)) if is_line(name) => Ok(Self::Facility(name.into())),
            Some(("show", name)) if is_line(name) => Ok(Self::Show(name.into())),
            _ => Err(NoScope),
        }
    }
}

/// A pause, apart from its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The work that it holds back.
    pub scope: PauseScope,
    /// The person who set it.
    pub by: String,
    /// The reason.
    pub reason: String,
}

impl Pause {
    /// Longest pause.
    pub const LONGEST: Duration = Duration::from_secs(24 * 3_600);

    /// Longest name of a person, in characters.
    pub const LONGEST_NAME: usize = 40;

    /// Longest reason, in characters. With scope and name it fits a value of OpenCue's `config` table.
    pub const LONGEST_REASON: usize = 120;

    /// The pause as it is stored: scope, person and reason, a line each.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}", self.scope, self.by, self.reason)
    }

    /// Reads a pause that was stored.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.splitn(3, '\n');
        let (scope, by, reason) = (lines.next()?, lines.next()?, lines.next()?);
        Some(Self {
            scope: scope.parse().ok()?,
            by: by.to_owned(),
            reason: reason.to_owned(),
        })
    }
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cluster(facility: &str, show: &str) -> Cluster {
        Cluster {
            key: crate::cluster::ClusterKey {
                facility: "f".into(),
                show: "s".into(),
            },
            facility_name: facility.into(),
            show_name: show.into(),
        }
    }

    #[test]
    fn a_scope_covers_what_it_names_and_nothing_else() {
        let (alpha, beta) = (cluster("yard", "alpha"), cluster("cloud", "beta"));
        for (text, wanted) in [
            ("all", (true, true)),
            ("facility/yard", (true, false)),
            ("facility/alpha", (false, false)),
            ("show/beta", (false, true)),
        ] {
            let scope: PauseScope = text.parse().unwrap();
            assert_eq!(
                (scope.covers(&alpha), scope.covers(&beta)),
                wanted,
                "{text}"
            );
        }
        for text in ["", "ALL", "show/", "show", "job/a", "show/a\nb", "all/x"] {
            assert_eq!(text.parse::<PauseScope>(), Err(NoScope), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_pause_survives_its_text(
            name in "[^\\p{C}]{1,36}", by in "[^\\p{C}]{1,40}", reason in "[^\\p{C}]{1,120}", kind in 0..3,
        ) {
            let scope = match kind {
                0 => PauseScope::All,
                1 => PauseScope::Facility(name.as_str().into()),
                _ => PauseScope::Show(name.as_str().into()),
            };
            let pause = Pause { scope, by, reason };
            let text = pause.to_text();
            prop_assert!(text.chars().count() <= 255);
            prop_assert_eq!(Pause::from_text(&text), Some(pause));
        }
    }
}
