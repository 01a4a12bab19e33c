//! Outages of the database, as loops treat them.

use cue_flow::Chain;
use cue_store::StoreError;

/// Turns an outage into a success. While the database is unavailable, loops keep their pace and are there when it is
/// back; the circuit breaker makes their attempts cheap and reports the outage.
pub(crate) fn postpone(answer: Result<(), StoreError>) -> Result<(), StoreError> {
    match answer {
        Err(error) if error.class().is_outage() => {
            tracing::debug!(error = %Chain(&error), "database unavailable, postponing the work of a loop");
            Ok(())
        }
        answer => answer,
    }
}
