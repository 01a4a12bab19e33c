//! The meaning of an answer to a launch that is not OK.
//!
//! Pure. The rule errs on one side only: an answer is a refusal if it is certainly given before
//! anything starts, and every other answer is doubt. A status made on this side proves nothing,
//! with any code. The texts are those of the two programs that hosts run: the Rust RQD, which has a
//! code for most reasons, and the Python RQD, whose refusals are all UNKNOWN
//! (OPENCUE.md, Launch answers).

use std::error::Error;

use tonic::{Code, Status};

/// The reason of a refusal, as far as it says who should back off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Too few idle cores, hyper-threads or GPUs. The host is healthy and takes smaller frames, or
    /// this one later. A Python RQD whose cores an operator locked gives the same answer.
    NoRoom,
    /// The host takes no frame now: it is not UP, locked by NIMBY, about to shut down, or no RQD of
    /// ours. The host should back off.
    HostUnavailable,
    /// No host would take the frame. Its layer should back off.
    BadRequest,
    /// A refusal that names nobody: the host or the layer can be its cause.
    Other,
}

/// The meaning of an answer to a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing was started.
    Refused(Refusal),
    /// The host has the frame already. A first attempt cannot meet that unless an earlier run was
    /// lost sight of, and then the host is the one to ask.
    AlreadyRunning,
    /// The frame may run.
    Unknown,
}

/// Returns true if the peer sent the status. A status made on this side, from a broken connection
/// or a reset stream, carries its cause.
pub(crate) fn is_answer(status: &Status) -> bool {
    status.source().is_none()
}

/// The meaning of an answer to a launch.
pub(crate) fn meaning(status: &Status) -> Meaning {
    if !is_answer(status) {
        return Meaning::Unknown;
    }
    if status.code() == Code::Unknown {
        return python(status.message());
    }
    let known = RUST
        .iter()
        .find(|(code, text, _)| *code == status.code() && status.message().contains(text));
    known.map_or_else(|| by_code(status.code()), |(_, _, meaning)| *meaning)
}

const NO_ROOM: Meaning = Meaning::Refused(Refusal::NoRoom);
const UNAVAILABLE: Meaning = Meaning::Refused(Refusal::HostUnavailable);
const BAD: Meaning = Meaning::Refused(Refusal::BadRequest);

/// Texts that say more than their code does.
const RUST: [(Code, &str, Meaning); 7] = [
    (
        Code::InvalidArgument,
        "already running",
        Meaning::AlreadyRunning,
    ),
    (
        Code::FailedPrecondition,
        "HardwareState is not Up",
        UNAVAILABLE,
    ),
    (Code::Aborted, "Nimby Locked", UNAVAILABLE),
    // The user of the job is unknown, and no host that may not make one will ever run it.
    (Code::Aborted, "could not be created", BAD),
    (Code::Aborted, "failed to reserve cpu resources", NO_ROOM),
    (Code::Aborted, "insufficient resources", NO_ROOM),
    // Said by gRPC's C-core before the message reaches RQD.
    (
        Code::ResourceExhausted,
        "Received message larger than max",
        BAD,
    ),
];

/// The meaning of a code with any other text. Codes that are also given for things that go wrong
/// later or elsewhere are doubt.
const fn by_code(code: Code) -> Meaning {
    match code {
        Code::InvalidArgument => BAD,
        // No RQD listens there, or a proxy before it lets nobody pass.
        Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated => UNAVAILABLE,
        Code::FailedPrecondition | Code::Aborted | Code::ResourceExhausted => {
            Meaning::Refused(Refusal::Other)
        }
        _ => Meaning::Unknown,
    }
}

/// grpcio puts this before the text of whatever a handler raises.
const RAISED: &str = "Exception calling application: ";

/// All that LaunchFrame can raise in `opencue-rqd` 1.37.0 and its predecessors, by its beginning.
/// Each is raised before the thread of the frame starts.
const PYTHON: [(&str, Meaning); 10] = [
    ("Not launching, rqd HardwareState is not Up", UNAVAILABLE),
    (
        "Not launching, rqd is waiting for idle to shutdown",
        UNAVAILABLE,
    ),
    ("Not launching, rqd is lockNimby", UNAVAILABLE),
    (
        "Not launching, frame is already running",
        Meaning::AlreadyRunning,
    ),
    ("Not launching, will not run frame as uid", BAD),
    ("Not launching, numCores must be > 0", BAD),
    // Also the answer of a host whose cores are locked (LockAll).
    ("Not launching, insufficient idle cores", NO_ROOM),
    ("Not launching, insufficient hyperthreading cores", NO_ROOM),
    ("Not launching, insufficient GPUs", NO_ROOM),
    // Python's own words: the thread of the frame is the only one that a launch starts.
    ("can't start new thread", UNAVAILABLE),
];

fn python(message: &str) -> Meaning {
    let Some(text) = message.strip_prefix(RAISED) else {
        return Meaning::Unknown;
    };
    let known = PYTHON.iter().find(|(start, _)| text.starts_with(start));
    known.map_or(Meaning::Unknown, |(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests;
