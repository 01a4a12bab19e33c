//! A row of the table: a fault, and what must hold while it lasts and after it.

use std::time::Duration;

use crate::farm::Setting;
use crate::fault::Fault;

/// The longest that a sound job may wait while a fault concerns others.
pub const SOUND: Duration = Duration::from_secs(1);

/// The longest until bookings are back once the database is well.
pub const OUTAGE: Duration = Duration::from_secs(5);

/// The longest until `/readyz` says that nothing can be booked.
pub const SAID: Duration = Duration::from_secs(8);

/// The longest that a job may wait whose session of the server says nothing: a round trip is given up after 6 s, and the
/// next session may be silent too.
pub const SILENCE: Duration = Duration::from_secs(13);

/// The longest until bookings are back once a row is well or free.
pub const ROW: Duration = Duration::from_secs(2);

/// Expectation of sound jobs while the fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sounds {
    /// Each starts at most [`SOUND`] later than without a fault, and `/readyz` says 200 throughout.
    GoOn,
    /// They start again within this time though the fault is not lifted.
    Recover(Duration),
    /// None can be booked, and `/readyz` says 503.
    Stand,
}

/// Effect of the fault on the victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// Nothing; it does not run before the end.
    Apart,
    /// It waits for a row of this table, which somebody holds. It runs within [`ROW`] after that.
    Held(&'static str),
    /// It is refused, with this SQLSTATE. Afterwards it backs off for no longer than it has failed already.
    Refused(&'static str),
    /// It does not run, and nobody can say why.
    Unexplained,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub fault: Fault,
    /// The least time that the fault lasts. It lasts until it has shown what it does.
    pub least: Duration,
    pub setting: Setting,
    pub sounds: Sounds,
    /// Sound jobs belong to the other show only: the first one cannot book.
    pub only_other_show: bool,
    /// No sound job can come meanwhile, and what waits is read all the same. So if only the victim waits, only one
    /// layer fails, which proves nothing about the others.
    pub keeps_jobs_away: bool,
    pub victim: Victim,
    /// The longest until bookings are back after the fault.
    pub back: Duration,
    /// Text that a failed line of `check` must have meanwhile.
    pub check: Option<&'static str>,
}

impl Row {
    /// A fault that the service must be able to work around.
    pub fn goes_on(name: impl Into<String>, fault: Fault) -> Self {
        Self {
            name: name.into(),
            fault,
            least: Duration::ZERO,
            setting: Setting::default(),
            sounds: Sounds::GoOn,
            only_other_show: false,
            keeps_jobs_away: false,
            victim: Victim::Apart,
            back: ROW,
            check: None,
        }
    }

    /// A fault that costs connections, but not the database.
    pub fn recovers(name: impl Into<String>, fault: Fault) -> Self {
        Self {
            sounds: Sounds::Recover(OUTAGE),
            back: OUTAGE,
            ..Self::goes_on(name, fault)
        }
    }

    /// A fault that silences sessions.
    pub fn silences(name: impl Into<String>, fault: Fault) -> Self {
        Self {
            sounds: Sounds::Recover(SILENCE),
            ..Self::recovers(name, fault).lasting(7)
        }
    }

    /// A fault under which nothing can be booked.
    pub fn stands(name: impl Into<String>, fault: Fault) -> Self {
        Self {
            sounds: Sounds::Stand,
            back: OUTAGE,
            ..Self::goes_on(name, fault)
        }
    }

    /// A row of a table that somebody holds and the victim needs.
    pub fn held(table: &'static str, condition: &str) -> Self {
        let lock = format!("SELECT 1 FROM {table} WHERE {condition} FOR UPDATE");
        Self {
            victim: Victim::Held(table),
            ..Self::goes_on(format!("row of {table} held"), Fault::Open(lock))
        }
    }

    /// A fault of the victim's rows only, which raises a SQLSTATE.
    pub fn refused(name: impl Into<String>, code: &'static str, fault: Fault) -> Self {
        Self {
            victim: Victim::Refused(code),
            ..Self::goes_on(name, fault)
        }
    }

    pub fn only_other_show(self) -> Self {
        Self {
            only_other_show: true,
            ..self
        }
    }

    pub fn lasting(self, seconds: u64) -> Self {
        Self {
            least: Duration::from_secs(seconds),
            ..self
        }
    }

    pub fn on(self, setting: Setting) -> Self {
        Self { setting, ..self }
    }

    /// The service has a role of its own, and `check` says what is wrong with it.
    pub fn with_own_role(self, check: &'static str) -> Self {
        Self {
            setting: Setting::OwnRole,
            check: Some(check),
            ..self
        }
    }
}
