//! What a failed call proves.
//!
//! A launch that failed is one of two things: certainly not running, so that its booking can be
//! undone, or possibly running, so that the host must be asked first. The rule errs on one side
//! only: whatever is not known to be a refusal ([`Refusal`]) or an unsent call may have launched the
//! frame.

use std::time::Duration;

use tonic::metadata::errors::InvalidMetadataValue;
use tonic::{Code, Status};

use crate::address::AddressError;
use crate::dial::{ConnectionLost, DialError};
use crate::refusal::{Meaning, Refusal, is_answer, meaning};

/// Why a launch did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The host refused, and would refuse again: the frame does not run.
    #[error(
        "{host} refused the frame for good ({code:?}): {message}; correct its layer or its job"
    )]
    Refused {
        /// The host.
        host: String,
        /// The code.
        code: Code,
        /// The host's words.
        message: String,
        /// The answer.
        #[source]
        source: Status,
    },
    /// The host refused, and may accept later: the frame does not run.
    #[error("{host} refused the frame for now ({code:?}): {message}; try again or elsewhere")]
    RefusedForNow {
        /// The host.
        host: String,
        /// The reason, as far as the answer says it. Never a bad request.
        reason: Refusal,
        /// The code.
        code: Code,
        /// The host's words.
        message: String,
        /// The answer.
        #[source]
        source: Status,
    },
    /// Nothing was sent to the host: the frame does not run.
    #[error("{host} cannot be reached; try again or elsewhere")]
    Unreachable {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: NotSent,
    },
    /// The call was sent, or may have been: the frame may run.
    #[error("{host} may have launched the frame; ask it before giving the frame back")]
    Unknown {
        /// The host.
        host: String,
        /// Why nothing is known.
        #[source]
        source: Doubt,
    },
}

impl LaunchError {
    /// What is certain about the frame.
    #[must_use]
    pub const fn outcome(&self) -> LaunchOutcome {
        match self {
            Self::Refused { .. } | Self::RefusedForNow { .. } | Self::Unreachable { .. } => {
                LaunchOutcome::NotRunning
            }
            Self::Unknown { .. } => LaunchOutcome::MayRun,
        }
    }

    /// The reason of a refusal; `None` if the host did not refuse. It says who should back off.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { .. } => Some(Refusal::BadRequest),
            Self::RefusedForNow { reason, .. } => Some(*reason),
            Self::Unreachable { .. } | Self::Unknown { .. } => None,
        }
    }

    /// Code and words of the host itself, also where they leave the frame in doubt; `None` if the host
    /// said nothing, or the error was made on this side. A host that answers is alive: a frame in
    /// doubt that turns out not to run may be its layer's fault as well.
    #[must_use]
    pub fn answer(&self) -> Option<(Code, &str)> {
        let status = match self {
            Self::Refused { source, .. } | Self::RefusedForNow { source, .. } => source,
            Self::Unknown {
                source: Doubt::Status(status),
                ..
            } if is_answer(status) => status,
            Self::Unreachable { .. } | Self::Unknown { .. } => return None,
        };
        Some((status.code(), status.message()))
    }

    /// Whether the host said nothing at all: it could not be reached, or gave no answer in time.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Unknown {
                    source: Doubt::Silence(_),
                    ..
                }
        )
    }

    /// The word for metrics and spans.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::RefusedForNow { .. } => "refused_for_now",
            Self::Unreachable { .. } => "unreachable",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The status the call ended with, in gRPC's own words. A call that the host did not end has the
    /// one that gRPC gives to its kind.
    #[must_use]
    pub fn status_code(&self) -> &'static str {
        code_name(match self {
            Self::Refused { code, .. } | Self::RefusedForNow { code, .. } => *code,
            Self::Unreachable { .. } => Code::Unavailable,
            Self::Unknown { source, .. } => source.code(),
        })
    }

    pub(crate) fn new(host: &str, failure: Failure) -> Self {
        let host = host.to_owned();
        let status = match failure {
            Failure::NotSent(source) => return Self::Unreachable { host, source },
            Failure::Doubt(source @ Doubt::Silence(_)) => return Self::Unknown { host, source },
            Failure::Doubt(Doubt::Status(status)) => status,
        };
        let (code, message) = (status.code(), status.message().to_owned());
        match meaning(&status) {
            Meaning::Refused(Refusal::BadRequest) => Self::Refused {
                host,
                code,
                message,
                source: status,
            },
            Meaning::Refused(reason) => Self::RefusedForNow {
                host,
                reason,
                code,
                message,
                source: status,
            },
            Meaning::AlreadyRunning | Meaning::Doubt => Self::Unknown {
                host,
                source: Doubt::Status(status),
            },
        }
    }
}

/// What is certain about a frame whose launch did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchOutcome {
    /// It does not run; its booking can be undone.
    NotRunning,
    /// It may run; the host must be asked before its booking is undone.
    MayRun,
}

/// Why a question to a host, or a kill, did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent to the host.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: NotSent,
    },
    /// No answer, or one that says nothing about the frame.
    #[error("{host} gave no useful answer; ask again")]
    NoAnswer {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: Doubt,
    },
    /// The host says that the frame runs, but not as which proc.
    #[error("{host} says that frame {frame} runs, without a description; ask again")]
    NoDescription {
        /// The host.
        host: String,
        /// The frame.
        frame: String,
    },
    /// The host's report does not list the frame, and does not list all frames either.
    #[error("{host} does not list frame {frame}, and booked more cores than it lists; ask again")]
    Incomplete {
        /// The host.
        host: String,
        /// The frame.
        frame: String,
    },
    /// The answer has no report in it.
    #[error("{host} answered without a report; ask again")]
    NoReport {
        /// The host.
        host: String,
    },
}

impl CallError {
    /// The word for spans: the status the call ended with, in gRPC's own words, or what was wrong with
    /// an answer.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => code_name(Code::Unavailable),
            Self::NoAnswer { source, .. } => code_name(source.code()),
            Self::NoDescription { .. } => "no_description",
            Self::Incomplete { .. } => "incomplete_report",
            Self::NoReport { .. } => "no_report",
        }
    }

    pub(crate) fn new(host: &str, failure: Failure) -> Self {
        let host = host.to_owned();
        match failure {
            Failure::NotSent(source) => Self::Unreachable { host, source },
            Failure::Doubt(source) => Self::NoAnswer { host, source },
        }
    }
}

/// The reason why nothing was sent, or certainly not processed.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The host's name makes no address.
    #[error("the host's name makes no address")]
    Address(#[source] AddressError),
    /// The host's name cannot stand in a header.
    #[error("the host's name cannot stand in a header; it must be ASCII")]
    Name(#[source] InvalidMetadataValue),
    /// It could not be dialled.
    #[error("the host could not be dialled")]
    Dial(#[source] DialError),
    /// The connection ended, and so did the next one, before the call was processed.
    #[error("connections to the host end before a call is processed")]
    Lost(#[source] ConnectionLost),
}

/// Why it is not known what a call did.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Silence(Duration),
    /// The connection broke, or the answer does not say.
    #[error("the call ended with {code:?}: {message}", code = .0.code(), message = .0.message())]
    Status(#[source] Status),
}

impl Doubt {
    /// The status the call ended with; silence has the one that gRPC gives to it.
    fn code(&self) -> Code {
        match self {
            Self::Silence(_) => Code::DeadlineExceeded,
            Self::Status(status) => status.code(),
        }
    }
}

/// How a call of any kind failed.
#[derive(Debug)]
pub(crate) enum Failure {
    NotSent(NotSent),
    Doubt(Doubt),
}

impl Failure {
    /// The status the call ended with. One that was not sent has the one that gRPC gives to that.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NotSent(_) => Code::Unavailable,
            Self::Doubt(doubt) => doubt.code(),
        }
    }

    /// Whether the host itself said that it does not have the frame.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Doubt(Doubt::Status(status))
            if status.code() == Code::NotFound && is_answer(status))
    }

    /// Returns true if the peer itself said that it cannot answer a question of this kind, whatever
    /// frame it is about (contract, 15).
    pub(crate) fn is_no_such_question(&self) -> bool {
        matches!(self, Self::Doubt(Doubt::Status(status))
            if matches!(status.code(), Code::Unknown | Code::Unimplemented) && is_answer(status))
    }
}

/// A code as the gRPC specification spells it.
pub(crate) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: Status) -> LaunchError {
        LaunchError::new("h", Failure::Doubt(Doubt::Status(status)))
    }

    #[test]
    fn every_failed_launch_has_a_status_in_grpcs_own_words() {
        let status = |code| failed(Status::new(code, ""));
        assert_eq!(status(Code::Aborted).status_code(), "ABORTED");
        assert_eq!(status(Code::Unavailable).status_code(), "UNAVAILABLE");
        let silence = Doubt::Silence(Duration::from_secs(1));
        let silence = LaunchError::new("h", Failure::Doubt(silence));
        assert_eq!(silence.status_code(), "DEADLINE_EXCEEDED");
    }

    #[test]
    fn a_refusal_keeps_its_reason_and_the_hosts_words() {
        let text = "Exception calling application: Not launching, insufficient idle cores";
        let error = failed(Status::unknown(text));
        assert_eq!(error.label(), "refused_for_now");
        assert_eq!(error.outcome(), LaunchOutcome::NotRunning);
        assert_eq!(error.refusal(), Some(Refusal::NoRoom));
        assert_eq!(error.answer(), Some((Code::Unknown, text)));

        let error = failed(Status::invalid_argument("no cores"));
        let refusal = Some(Refusal::BadRequest);
        assert_eq!((error.label(), error.refusal()), ("refused", refusal));
    }

    #[test]
    fn doubt_tells_an_answer_of_the_host_from_an_error_of_this_side() {
        let error = failed(Status::unknown("Exception calling application: boom"));
        assert_eq!((error.label(), error.refusal()), ("unknown", None));
        assert_eq!(error.outcome(), LaunchOutcome::MayRun);
        assert!(error.answer().is_some());

        let mut status = Status::unknown("Exception calling application: boom");
        status.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        assert_eq!(failed(status).answer(), None);

        let mut status = Status::not_found("stream reset");
        status.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        assert!(!Failure::Doubt(Doubt::Status(status)).is_not_found());
    }
}
