//! Failures of the steps of booking.

use std::fmt;
use std::time::Duration;

use crate::text::printable;

/// A step that every booking needs, in the order of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Reading the waiting work.
    Demand,
    /// Reading the hosts.
    Hosts,
    /// Reading the waiting jobs.
    Jobs,
    /// Locking layers and frames.
    Lock,
    /// Booking, up to the commit.
    Book,
}

impl Step {
    /// The step as a label and as a code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::Hosts => "hosts",
            Self::Jobs => "jobs",
            Self::Lock => "lock",
            Self::Book => "book",
        }
    }

    const fn fails(self) -> &'static str {
        match self {
            Self::Demand => "the waiting work cannot be read",
            Self::Hosts => "hosts cannot be read",
            Self::Jobs => "the rows of waiting layers cannot be read",
            Self::Lock => "layers cannot be locked",
            Self::Book => "bookings fail",
        }
    }
}

/// Reach of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A single row may be the cause, so that other rows may pass.
    Row,
    /// The statement or the server fails, with any rows.
    Everything,
}

/// Test that shows, without a booking, that the cause of a failure is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retest {
    /// None: only another attempt shows it.
    None,
    /// The database answers.
    Connection,
    /// The statement fits the schema, and the role has the rights that the statement needs.
    Statement,
}

/// A failure of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Name of the statement.
    pub statement: &'static str,
    /// SQLSTATE, if the server answered.
    pub code: Option<String>,
    /// The server's message, or the program's.
    pub message: String,
    /// Reach of the failure.
    pub scope: Scope,
    /// Test of its cause.
    pub retest: Retest,
}

/// The reason why nothing can be booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingTrouble {
    /// The step that fails.
    pub step: Step,
    /// Name of the statement that failed last.
    pub statement: &'static str,
    /// SQLSTATE of the last failure, if the server answered.
    pub code: Option<String>,
    /// The server's message, or the program's.
    pub message: String,
    /// Time since the first failure in a row.
    pub since: Duration,
    /// Failures in a row.
    pub failures: u32,
}

impl BookingTrouble {
    /// Step and message, as in "bookings fail: permission denied for table proc".
    pub fn reason(&self) -> String {
        format!("{}: {}", self.step.fails(), printable(&self.message))
    }
}

impl fmt::Display for BookingTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (statement {}", self.reason(), self.statement)?;
        if let Some(code) = &self.code {
            write!(f, ", SQLSTATE {code}")?;
        }
        let seconds = self.since.as_secs();
        write!(f, "), {} times in {seconds} s", self.failures)
    }
}
