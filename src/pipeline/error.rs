//! The errors of starting the pipeline.

use cue_store::StoreError;

use super::timings::OtherTimings;

/// The pipeline could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A database error.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// An unknown facility.
    #[error("facility `{name}` does not exist; the database has {}", known.join(", "))]
    Facility {
        /// Name of the settings.
        name: String,
        /// Names in the database.
        known: Vec<String>,
    },
    /// Times that differ from those of another replica.
    #[error("the settings of the replicas differ")]
    Timings(#[from] OtherTimings),
    /// Two metrics of one name.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}
