//! What came of an item, in the words of the stage that handled it.
//!
//! Invariant: a stage says, the runtime acts. Logging, counting, resting and stopping follow from
//! the verdict in one place (`pass`), so that no stage repeats them and none can forget them.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::edge::Closed;

/// Any error, with its sources.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What came of an item.
#[derive(Debug)]
pub enum Verdict {
    /// It was handled.
    Done,
    /// There was nothing to do with it, for this reason.
    Skip(&'static str),
    /// It failed for now. It was given back by drop and its work will be found again. The worker
    /// rests for the delay and keeps its permit, so a sick peer is felt upstream.
    RetryAfter(Duration, BoxError),
    /// The program cannot go on.
    Fatal(BoxError),
}

impl<T> From<Closed<T>> for Verdict {
    /// The item is dropped, and with it goes what it had on loan.
    fn from(_closed: Closed<T>) -> Self {
        Self::Fatal(StageGone.into())
    }
}

/// The stage after this one has ended, so nothing can be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the next stage is gone; look for the reason it ended")]
pub struct StageGone;

/// Something panicked; this is what it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(pub String);

impl Panicked {
    /// Reads the payload of a caught panic.
    pub(crate) fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let said = payload
            .downcast_ref::<&'static str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Self(said.unwrap_or_else(|| "without a message".to_owned()))
    }
}

/// Prints an error and all its sources, outermost first. A source that the error before it has said
/// already is not said again.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl<'a> Chain<'a> {
    /// The chain that starts at `error`.
    #[must_use]
    pub fn of(error: &'a BoxError) -> Self {
        Self(error.as_ref())
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let next = error.to_string();
            if !said.ends_with(&next) {
                write!(f, ": {next}")?;
                said = next;
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
    struct Told {
        words: &'static str,
        #[source]
        source: Option<Box<Told>>,
    }

    fn told(words: &'static str, source: Option<Told>) -> Told {
        let source = source.map(Box::new);
        Told { words, source }
    }

    #[test]
    fn a_chain_tells_every_cause_and_none_twice() {
        let cause = told("the row is held", Some(told("by another session", None)));
        let error = told("the server says: the row is held", Some(cause));
        let error = told("statement lock_layers failed", Some(error));
        assert_eq!(
            Chain(&error).to_string(),
            "statement lock_layers failed: the server says: the row is held: by another session"
        );
    }
}
