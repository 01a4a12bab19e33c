//! Failed launches, and the certainty that each leaves about its frame.
//!
//! A launch that failed is of two kinds: its frame certainly does not run, so that its booking can be
//! undone, or its frame may run, so that the host must be asked first. The rule errs on one side
//! only: any failure that is not known to be a refusal ([`Refusal`]) or an unsent call may have launched
//! the frame.

use tonic::{Code, Status};

use crate::failure::{Failure, NotSent, UnknownOutcome, code_name};
use crate::refusal::{Meaning, Refusal, is_answer, meaning};

/// A launch that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The host refused: the frame does not run.
    #[error(
        "{host} refused the frame for {} ({:?}): {}; {}",
        if *.reason == Refusal::BadRequest { "good" } else { "now" },
        .source.code(),
        .source.message(),
        if *.reason == Refusal::BadRequest { "correct its layer or its job" } else { "try again or elsewhere" }
    )]
    Refused {
        /// The host.
        host: String,
        /// The reason, as far as the answer says it.
        reason: Refusal,
        /// The answer.
        #[source]
        source: Status,
    },
    /// Nothing was sent to the host: the frame does not run.
    #[error("{host} cannot be reached; try again or elsewhere")]
    Unreachable {
        /// The host.
        host: String,
        /// The cause.
        #[source]
        source: NotSent,
    },
    /// The call was sent, or may have been: the frame may run.
    #[error("{host} may have launched the frame; ask it before giving the frame back")]
    Unknown {
        /// The host.
        host: String,
        /// The reason of the doubt.
        #[source]
        source: UnknownOutcome,
    },
}

impl LaunchError {
    /// Certainty about the frame.
    pub const fn outcome(&self) -> LaunchOutcome {
        match self {
            Self::Refused { .. } | Self::Unreachable { .. } => LaunchOutcome::NotRunning,
            Self::Unknown { .. } => LaunchOutcome::MayRun,
        }
    }

    /// The reason of a refusal; `None` if the host did not refuse. It says who should back off.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { reason, .. } => Some(*reason),
            Self::Unreachable { .. } | Self::Unknown { .. } => None,
        }
    }

    /// Code and words of the host itself, also where they leave the frame in doubt; `None` if the host
    /// said nothing, or the error was made on this side. A host that answers is alive: a frame in
    /// doubt that turns out not to run may be its layer's fault as well.
    pub fn answer(&self) -> Option<(Code, &str)> {
        let status = match self {
            Self::Refused { source, .. } => source,
            Self::Unknown {
                source: UnknownOutcome::Status(status),
                ..
            } if is_answer(status) => status,
            Self::Unreachable { .. } | Self::Unknown { .. } => return None,
        };
        Some((status.code(), status.message()))
    }

    /// The status the call ended with, in gRPC's own words. A call that the host did not end has the
    /// one that gRPC gives to its kind.
    pub fn status_code(&self) -> &'static str {
        code_name(match self {
            Self::Refused { source, .. } => source.code(),
            Self::Unreachable { .. } => Code::Unavailable,
            Self::Unknown { source, .. } => source.code(),
        })
    }

    pub(crate) fn new(host: &str, failure: Failure) -> Self {
        let host = host.to_owned();
        let status = match failure {
            Failure::NotSent(source) => return Self::Unreachable { host, source },
            Failure::Unknown(source @ UnknownOutcome::Silence(_)) => {
                return Self::Unknown { host, source };
            }
            Failure::Unknown(UnknownOutcome::Status(status)) => status,
        };
        match meaning(&status) {
            Meaning::Refused(reason) => Self::Refused {
                host,
                reason,
                source: status,
            },
            Meaning::AlreadyRunning | Meaning::Unknown => Self::Unknown {
                host,
                source: UnknownOutcome::Status(status),
            },
        }
    }
}

/// Certainty about a frame whose launch did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchOutcome {
    /// It does not run; its booking can be undone.
    NotRunning,
    /// It may run; the host must be asked before its booking is undone.
    MayRun,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failed(status: Status) -> LaunchError {
        LaunchError::new("h", Failure::Unknown(UnknownOutcome::Status(status)))
    }

    #[test]
    fn every_failed_launch_has_a_status_in_grpcs_own_words() {
        let status = |code| failed(Status::new(code, ""));
        assert_eq!(status(Code::Aborted).status_code(), "ABORTED");
        assert_eq!(status(Code::Unavailable).status_code(), "UNAVAILABLE");
        let silence = UnknownOutcome::Silence(Duration::from_secs(1));
        let silence = LaunchError::new("h", Failure::Unknown(silence));
        assert_eq!(silence.status_code(), "DEADLINE_EXCEEDED");
    }

    #[test]
    fn a_refusal_keeps_its_reason_and_the_hosts_words() {
        let text = "Exception calling application: Not launching, insufficient idle cores";
        let error = failed(Status::unknown(text));
        assert_eq!(error.outcome(), LaunchOutcome::NotRunning);
        assert_eq!(error.refusal(), Some(Refusal::NoRoom));
        assert_eq!(error.answer(), Some((Code::Unknown, text)));

        let error = failed(Status::invalid_argument("no cores"));
        assert_eq!(error.refusal(), Some(Refusal::BadRequest));
    }

    #[test]
    fn an_answer_in_doubt_is_the_hosts_and_not_an_error_of_this_side() {
        let error = failed(Status::unknown("Exception calling application: boom"));
        assert_eq!(error.refusal(), None);
        assert_eq!(error.outcome(), LaunchOutcome::MayRun);
        assert!(error.answer().is_some());

        let mut status = Status::unknown("Exception calling application: boom");
        status.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        assert_eq!(failed(status).answer(), None);
    }
}
