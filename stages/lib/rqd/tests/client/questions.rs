//! The question about the frames of a host.

use cue_rqd::{CallError, Presence, RqdClient};
use tonic::Code;

use super::{client_of, host, settings};
use host::{Host, Script};

#[tokio::test]
async fn one_question_answers_for_all_frames_of_a_host() {
    for (booked_cores, absent) in [(100, Presence::Absent), (200, Presence::Unclear)] {
        let host = Host::start(Script::Reports { booked_cores }).await;
        let frames = client_of(&host).running_frames("h").await.unwrap();
        assert_eq!(frames.presence("f1"), Presence::RunsAs("p1"));
        assert_eq!(frames.presence("f2"), absent);
        assert_eq!(host.calls().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_without_a_report_and_an_error_are_no_answers() {
    let host = Host::start(Script::Accept).await;
    let answer = client_of(&host).running_frames("h").await;
    let no_report = matches!(answer, Err(CallError::NoReport { .. }));
    assert!(no_report, "{answer:?}");
    let host = Host::start(Script::Answer(Code::Unavailable)).await;
    let answer = client_of(&host).running_frames("h").await;
    let no_answer = matches!(answer, Err(CallError::NoAnswer { .. }));
    assert!(no_answer, "{answer:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_answer() {
    let peer = host::hangs_up_after_the_request(b"ReportStatus").await;
    let client = RqdClient::new(settings(&peer.to_string()));
    let answer = client.running_frames("h").await;
    let no_answer = matches!(answer, Err(CallError::NoAnswer { .. }));
    assert!(no_answer, "{answer:?}");
}
