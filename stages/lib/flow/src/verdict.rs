//! The verdict of a stage on an item, and errors.
//!
//! Invariant: a stage returns a verdict, and the runtime acts. Logging, counting, backing off and stopping follow from
//! the verdict in one place (`pass`), so that no stage repeats or forgets them.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::edge::Closed;

/// Any error, with its sources.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Outcome of handling an item.
#[derive(Debug)]
pub enum Verdict {
    /// The item was handled.
    Done,
    /// The item needed no work, for this reason.
    Skip(&'static str),
    /// The item failed for now. Dropping it gave back its work, which will be found again. The worker backs off for
    /// the delay and keeps its permit, so that a peer in trouble slows the stages before this one.
    RetryAfter(Duration, BoxError),
    /// The program cannot go on.
    Fatal(BoxError),
}

impl<T> From<Closed<T>> for Verdict {
    /// Drops the item, and with it all that it has on loan.
    fn from(_closed: Closed<T>) -> Self {
        Self::Fatal(StageGone.into())
    }
}

/// The stage after this one has ended, so nothing can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the next stage is gone; look for the reason it ended")]
pub struct StageGone;

/// Message of a panic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub(crate) struct Panicked(pub String);

impl Panicked {
    /// Reads the payload of a caught panic.
    pub(crate) fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<&'static str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Self(message.unwrap_or_else(|| "without a message".to_owned()))
    }
}

/// Prints an error and all its sources, outermost first. A source that ends the message before it is left out.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl<'a> Chain<'a> {
    /// The chain that starts at `error`.
    pub fn of(error: &'a BoxError) -> Self {
        Self(error.as_ref())
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let next = error.to_string();
            if !last.ends_with(&next) {
                write!(f, ": {next}")?;
                last = next;
            }
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Failure {
        words: &'static str,
        #[source]
        source: Option<Box<Failure>>,
    }

    fn failure(words: &'static str, source: Option<Failure>) -> Failure {
        let source = source.map(Box::new);
        Failure { words, source }
    }

    #[test]
    fn a_chain_has_every_cause_once() {
        let cause = failure("the row is held", Some(failure("by another session", None)));
        let error = failure("the server says: the row is held", Some(cause));
        let error = failure("statement lock_layers failed", Some(error));
        assert_eq!(
            Chain(&error).to_string(),
            "statement lock_layers failed: the server says: the row is held: by another session"
        );
    }
}
