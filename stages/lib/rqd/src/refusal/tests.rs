//! The meaning of every code, with the texts of both programs and with any other text.

use std::sync::Arc;

use proptest::prelude::*;

use super::Refusal::{BadRequest, HostUnavailable, NoRoom, Other};
use super::*;

const CODES: [Code; 17] = [
    Code::Ok,
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// The answers of both programs to a launch, in their own words.
const ANSWERS: [(Code, &str, Option<Refusal>); 24] = [
    // The Rust RQD.
    (
        Code::InvalidArgument,
        "Not lauching, frame is already running on this host 8f1c",
        None,
    ),
    (
        Code::InvalidArgument,
        "Not launching, will not run frame as uid = Some(Uid(0))",
        Some(BadRequest),
    ),
    (
        Code::InvalidArgument,
        "Not launching, num_cores must be positive",
        Some(BadRequest),
    ),
    (
        Code::InvalidArgument,
        "Not launching, num_cores must be multiple of 100 (Fractional Cores are not allowed)",
        Some(BadRequest),
    ),
    (
        Code::InvalidArgument,
        "Missing run_frame in request",
        Some(BadRequest),
    ),
    (
        Code::FailedPrecondition,
        "Not launching, host HardwareState is not Up",
        Some(HostUnavailable),
    ),
    (Code::Aborted, "Nimby Locked", Some(HostUnavailable)),
    (
        Code::Aborted,
        "Not launching, user ghost(1042:0) could not be created. useradd failed",
        Some(BadRequest),
    ),
    (
        Code::Aborted,
        "Not launching, failed to reserve cpu resources NotEnoughResourcesAvailable",
        Some(NoRoom),
    ),
    (
        Code::Aborted,
        "Not launching, insufficient resources no gpus",
        Some(NoRoom),
    ),
    // The Python RQD, now and in older versions.
    (
        Code::Unknown,
        "Exception calling application: Not launching, rqd HardwareState is not Up",
        Some(HostUnavailable),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, rqd is waiting for idle to shutdown",
        Some(HostUnavailable),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, rqd is lockNimby and not Ignore Nimby",
        Some(HostUnavailable),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, rqd is lockNimby and User is Active",
        Some(HostUnavailable),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, frame is already running on this proc 8f1c",
        None,
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, will not run frame as uid=0",
        Some(BadRequest),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, numCores must be > 0",
        Some(BadRequest),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, insufficient idle cores",
        Some(NoRoom),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, insufficient hyperthreading cores available",
        Some(NoRoom),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, insufficient hyperthreading cores to reserve based on frameCores (1 < 2.0)",
        Some(NoRoom),
    ),
    (
        Code::Unknown,
        "Exception calling application: Not launching, insufficient GPUs to reserve based on reservedGpus",
        Some(NoRoom),
    ),
    (
        Code::Unknown,
        "Exception calling application: can't start new thread",
        Some(HostUnavailable),
    ),
    // gRPC's C-core, under the Python RQD.
    (
        Code::ResourceExhausted,
        "SERVER: Received message larger than max (5000000 vs. 4194304)",
        Some(BadRequest),
    ),
    (
        Code::Unimplemented,
        "Method not found!",
        Some(HostUnavailable),
    ),
];

fn refusal(status: &Status) -> Option<Refusal> {
    match meaning(status) {
        Meaning::Refused(refusal) => Some(refusal),
        Meaning::AlreadyRunning | Meaning::Unknown => None,
    }
}

#[test]
fn the_words_of_both_programs_are_understood() {
    for (code, text, expected) in ANSWERS {
        assert_eq!(refusal(&Status::new(code, text)), expected, "{text}");
    }
    for (code, text) in [
        (Code::InvalidArgument, ANSWERS[0].1),
        (Code::Unknown, ANSWERS[14].1),
    ] {
        let answer = Status::new(code, text);
        assert_eq!(meaning(&answer), Meaning::AlreadyRunning, "{text}");
    }
}

#[test]
fn only_codes_of_checks_that_come_before_a_launch_are_refusals() {
    for code in CODES {
        let expected = match code {
            Code::InvalidArgument => Some(BadRequest),
            Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated => {
                Some(HostUnavailable)
            }
            Code::FailedPrecondition | Code::Aborted | Code::ResourceExhausted => Some(Other),
            _ => None,
        };
        assert_eq!(refusal(&Status::new(code, "no")), expected, "{code:?}");
    }
}

#[test]
fn a_status_made_on_this_side_proves_nothing() {
    for (code, text, _) in ANSWERS {
        let mut status = Status::new(code, text);
        status.set_source(Arc::new(std::io::Error::other("reset")));
        assert_eq!(meaning(&status), Meaning::Unknown, "{text}");
    }
}

proptest! {
    /// An exception that a program raises after the launch began, or any other text, is never proof.
    #[test]
    fn an_unknown_text_of_unknown_is_doubt(text in ".*", raised: bool, said: bool) {
        let said = if said { "Not launching, " } else { "" };
        let text = format!("{said}{text}");
        prop_assume!(PYTHON.iter().all(|(start, _)| !text.starts_with(start)));
        let prefix = if raised { RAISED } else { "" };
        let status = Status::unknown(format!("{prefix}{text}"));
        prop_assert_eq!(meaning(&status), Meaning::Unknown);
    }

    /// A text refines what its code proves, and makes no refusal out of doubt; in the middle of
    /// another text it is not what the program says.
    #[test]
    fn words_count_only_where_a_program_says_them(
        index in 10..22_usize,
        code in prop::sample::select(CODES.to_vec()),
        before in "[a-z ]{1,20}",
    ) {
        let text = ANSWERS[index].1;
        if code != Code::Unknown && by_code(code) == Meaning::Unknown {
            prop_assert_eq!(meaning(&Status::new(code, text)), Meaning::Unknown);
        }
        let status = Status::unknown(format!("{before}{text}"));
        prop_assert_eq!(meaning(&status), Meaning::Unknown);
    }
}
