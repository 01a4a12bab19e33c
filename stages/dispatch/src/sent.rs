//! The outcome of one launch, as far as the host's answer proves it.

use cue_domain::blame::Answer;

/// The outcome of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The frame runs.
    Accepted,
    /// The frame certainly does not run. The answer, if it says something about host or layer.
    Dead(Option<Answer>),
    /// The host took the call, and its answer leaves the outcome open.
    Unknown {
        /// The host said nothing at all.
        silent: bool,
    },
    /// The launch was sent, and the host says that the frame does not run: the launch may still arrive.
    NotThere(Answer),
    /// The host does not say.
    Unresolved,
}
