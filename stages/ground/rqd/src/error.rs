//! What a failed call proves.
//!
//! A launch that failed is one of two things: certainly not running, so that its booking can be
//! undone, or possibly running, so that the host must be asked first. The rule errs on one side
//! only: whatever is not known to be a refusal or an unsent call may have launched the frame.

use std::error::Error;
use std::time::Duration;

use tonic::metadata::errors::InvalidMetadataValue;
use tonic::{Code, Status};

use crate::address::AddressError;
use crate::channels::{ConnectionLost, DialError};

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
            Meaning::Refused => Self::Refused {
                host,
                code,
                message,
                source: status,
            },
            Meaning::RefusedForNow => Self::RefusedForNow {
                host,
                code,
                message,
                source: status,
            },
            Meaning::Doubt => Self::Unknown {
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

/// Why nothing was sent.
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
    /// The connection ended, and so did the next one, before the call was sent.
    #[error("connections to the host end before a call can be sent")]
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

#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Refused,
    RefusedForNow,
    Doubt,
}

/// Whether the peer sent the status. A status made on this side, from a broken connection or a
/// reset stream, carries its cause and proves nothing, whatever its code.
fn is_answer(status: &Status) -> bool {
    status.source().is_none()
}

/// RQD checks a launch before it starts anything, and these codes are how its checks end
/// (contract, 11.3). The other codes are also given for things that go wrong later or elsewhere.
fn meaning(status: &Status) -> Meaning {
    if !is_answer(status) {
        return Meaning::Doubt;
    }
    match status.code() {
        // The host has the frame already. A first attempt cannot meet that unless an earlier run
        // was lost sight of, and then the host is the one to ask.
        Code::InvalidArgument if status.message().contains("already running") => Meaning::Doubt,
        Code::InvalidArgument
        | Code::Unimplemented
        | Code::PermissionDenied
        | Code::Unauthenticated => Meaning::Refused,
        // The user of the job is unknown, and no host that may not make one will ever run it.
        Code::Aborted if status.message().contains("could not be created") => Meaning::Refused,
        Code::FailedPrecondition | Code::Aborted | Code::ResourceExhausted => {
            Meaning::RefusedForNow
        }
        _ => Meaning::Doubt,
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

    #[test]
    fn every_failed_launch_has_a_status_in_grpcs_own_words() {
        let status =
            |code| LaunchError::new("h", Failure::Doubt(Doubt::Status(Status::new(code, ""))));
        assert_eq!(status(Code::Aborted).status_code(), "ABORTED");
        assert_eq!(status(Code::Unavailable).status_code(), "UNAVAILABLE");
        let silence = Doubt::Silence(Duration::from_secs(1));
        let silence = LaunchError::new("h", Failure::Doubt(silence));
        assert_eq!(silence.status_code(), "DEADLINE_EXCEEDED");
    }

    #[test]
    fn only_checks_that_come_before_a_launch_are_refusals() {
        let table = [
            (Code::InvalidArgument, Meaning::Refused),
            (Code::Unimplemented, Meaning::Refused),
            (Code::PermissionDenied, Meaning::Refused),
            (Code::Unauthenticated, Meaning::Refused),
            (Code::FailedPrecondition, Meaning::RefusedForNow),
            (Code::Aborted, Meaning::RefusedForNow),
            (Code::ResourceExhausted, Meaning::RefusedForNow),
            (Code::Ok, Meaning::Doubt),
            (Code::Cancelled, Meaning::Doubt),
            (Code::Unknown, Meaning::Doubt),
            (Code::DeadlineExceeded, Meaning::Doubt),
            (Code::NotFound, Meaning::Doubt),
            (Code::AlreadyExists, Meaning::Doubt),
            (Code::OutOfRange, Meaning::Doubt),
            (Code::Internal, Meaning::Doubt),
            (Code::Unavailable, Meaning::Doubt),
            (Code::DataLoss, Meaning::Doubt),
        ];
        for (code, expected) in table {
            assert_eq!(meaning(&Status::new(code, "no")), expected, "{code:?}");
        }
    }

    #[test]
    fn a_user_that_cannot_be_made_is_no_fault_of_the_host() {
        let status = Status::aborted("Not launching, user ghost:1042 could not be created");
        assert_eq!(meaning(&status), Meaning::Refused);
    }

    #[test]
    fn a_frame_that_is_already_there_is_in_doubt() {
        let status = Status::invalid_argument("Frame is already running");
        assert_eq!(meaning(&status), Meaning::Doubt);
    }

    #[test]
    fn a_status_made_on_this_side_proves_nothing() {
        let mut status = Status::aborted("stream reset");
        status.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        assert_eq!(meaning(&status), Meaning::Doubt);
        let mut status = Status::not_found("stream reset");
        status.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        assert!(!Failure::Doubt(Doubt::Status(status)).is_not_found());
    }
}
