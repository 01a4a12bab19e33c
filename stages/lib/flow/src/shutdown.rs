//! The shutdown of a flow: its three signals, and the cause of death.
//!
//! Invariant: the first cause of death is kept. A stage that could not send to a dead one is a consequence, and gives way
//! to the cause.

use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::verdict::{BoxError, Chain, StageGone};

/// State of the shutdown, shared by all parts of a flow.
#[derive(Default)]
pub(crate) struct ShutdownState {
    /// Cancelled when sources and ticks must stop.
    pub stop: CancellationToken,
    /// Cancelled when a part has died.
    pub died: CancellationToken,
    /// Cancelled when the grace is over.
    pub abort: CancellationToken,
    cause: Mutex<Option<(&'static str, BoxError)>>,
}

impl ShutdownState {
    /// Stops the program because of an error in part `name`.
    pub(crate) fn fail(&self, name: &'static str, error: BoxError) {
        if self.abort.is_cancelled() {
            // Parts are torn down in no order, so an error at this point is no cause of death.
            return;
        }
        log_failure(name, &error);
        let mut cause = self.cause();
        let consequence = |error: &BoxError| error.is::<StageGone>();
        let better = cause.as_ref().is_none_or(|(_, known)| consequence(known));
        if better && !(cause.is_some() && consequence(&error)) {
            *cause = Some((name, error));
        }
        drop(cause);
        self.died.cancel();
        self.stop.cancel();
    }

    pub(crate) fn cause(&self) -> MutexGuard<'_, Option<(&'static str, BoxError)>> {
        self.cause.lock()
    }
}

fn log_failure(name: &'static str, error: &BoxError) {
    let chain = Chain::of(error);
    if error.is::<StageGone>() {
        tracing::warn!(stage = name, error = %chain, "{name} ends: {chain}");
    } else {
        tracing::error!(stage = name, error = %chain, "{name} stops the program: {chain}");
    }
}
