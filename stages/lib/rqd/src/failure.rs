//! Failure of a call of any kind: it was not sent, or its effect is not known.

use std::time::Duration;

use tonic::metadata::errors::InvalidMetadataValue;
use tonic::{Code, Status};

use crate::address::AddressError;
use crate::dial::{ConnectionLost, DialError};
use crate::refusal::is_answer;

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

/// The reason why the effect of a call is not known.
#[derive(Debug, thiserror::Error)]
pub enum UnknownOutcome {
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Silence(Duration),
    /// The connection broke, or the answer does not say.
    #[error("the call ended with {code:?}: {message}", code = .0.code(), message = .0.message())]
    Status(#[source] Status),
}

impl UnknownOutcome {
    /// The status the call ended with; silence has the one that gRPC gives to it.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Silence(_) => Code::DeadlineExceeded,
            Self::Status(status) => status.code(),
        }
    }
}

/// Failure of a call of any kind.
#[derive(Debug)]
pub(crate) enum Failure {
    NotSent(NotSent),
    Unknown(UnknownOutcome),
}

impl Failure {
    /// The status the call ended with. One that was not sent has the one that gRPC gives to that.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::NotSent(_) => Code::Unavailable,
            Self::Unknown(outcome) => outcome.code(),
        }
    }

    /// Returns true if the host itself said that it does not have the frame.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Unknown(UnknownOutcome::Status(status))
            if status.code() == Code::NotFound && is_answer(status))
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
    fn only_the_host_itself_says_that_it_does_not_have_a_frame() {
        let failure = |status| Failure::Unknown(UnknownOutcome::Status(status));
        assert!(failure(Status::not_found("no frame")).is_not_found());
        let mut reset = Status::not_found("stream reset");
        reset.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        assert!(!failure(reset).is_not_found());
    }
}
