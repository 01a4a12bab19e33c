//! The words of the real programs: codes and texts of their refusals (OPENCUE.md, Launch answers).

use tonic::{Code, Status};

use super::settings::Program;

/// A reason to refuse a launch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal<'a> {
    /// The host runs the frame.
    AlreadyRunning(&'a str),
    /// The user id is not positive.
    User(i32),
    /// The number of cores is not positive.
    NoCores,
    /// The number of cores is not whole.
    Fraction,
    /// NIMBY has locked the host.
    Locked,
    /// Too few cores are idle.
    Room,
}

impl Program {
    /// The answer to a launch that is refused.
    pub(super) fn refuse(self, why: Refusal<'_>) -> Status {
        match self {
            Self::Rust => in_rust(why),
            Self::Python => raised(&in_python(why)),
        }
    }

    /// The answer to a question about a frame that the host does not run, and the Python RQD's
    /// answer to any.
    pub(super) fn no_such_frame(self, frame_id: &str) -> Status {
        match self {
            Self::Rust => Status::not_found(format!("Could not find frame with id {frame_id}")),
            Self::Python => raised("frameId"),
        }
    }
}

/// The answer of grpcio to a call whose handler raised.
fn raised(text: &str) -> Status {
    Status::unknown(format!("Exception calling application: {text}"))
}

fn in_rust(why: Refusal<'_>) -> Status {
    let (code, text) = match why {
        Refusal::AlreadyRunning(frame_id) => (
            Code::InvalidArgument,
            format!("Not lauching, frame is already running on this host {frame_id}"),
        ),
        Refusal::User(uid) => (
            Code::InvalidArgument,
            format!("Not launching, will not run frame as uid = Some(Uid({uid}))"),
        ),
        Refusal::NoCores => (
            Code::InvalidArgument,
            "Not launching, num_cores must be positive".to_owned(),
        ),
        Refusal::Fraction => (
            Code::InvalidArgument,
            "Not launching, num_cores must be multiple of 100 (Fractional Cores are not allowed)"
                .to_owned(),
        ),
        Refusal::Locked => (Code::Aborted, "Nimby Locked".to_owned()),
        Refusal::Room => (
            Code::Aborted,
            "Not launching, failed to reserve cpu resources NotEnoughResourcesAvailable".to_owned(),
        ),
    };
    Status::new(code, text)
}

fn in_python(why: Refusal<'_>) -> String {
    match why {
        Refusal::AlreadyRunning(frame_id) => {
            format!("Not launching, frame is already running on this proc {frame_id}")
        }
        Refusal::User(uid) => format!("Not launching, will not run frame as uid={uid}"),
        Refusal::NoCores | Refusal::Fraction => "Not launching, numCores must be > 0".to_owned(),
        Refusal::Locked => "Not launching, rqd is lockNimby and not Ignore Nimby".to_owned(),
        Refusal::Room => "Not launching, insufficient idle cores".to_owned(),
    }
}
