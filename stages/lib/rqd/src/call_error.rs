//! Failed questions to hosts, and failed kills.

use tonic::Code;

use crate::failure::{Failure, NotSent, UnknownOutcome, code_name};

/// A question to a host, or a kill, that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was sent to the host.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// The host.
        host: String,
        /// The cause.
        #[source]
        source: NotSent,
    },
    /// No answer, or one that is an error.
    #[error("{host} gave no useful answer; ask again")]
    NoAnswer {
        /// The host.
        host: String,
        /// The cause.
        #[source]
        source: UnknownOutcome,
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
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => code_name(Code::Unavailable),
            Self::NoAnswer { source, .. } => code_name(source.code()),
            Self::NoReport { .. } => "no_report",
        }
    }

    pub(crate) fn new(host: &str, failure: Failure) -> Self {
        let host = host.to_owned();
        match failure {
            Failure::NotSent(source) => Self::Unreachable { host, source },
            Failure::Unknown(source) => Self::NoAnswer { host, source },
        }
    }
}
