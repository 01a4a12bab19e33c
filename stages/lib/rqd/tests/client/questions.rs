//! Questions about frames, to peers that answer both of them or only one.

use cue_rqd::{CallError, Presence};
use tonic::Code;

use super::{client_of, host};
use host::{ALL_FRAMES, Host, Script};

const PYTHON: Script = Script::OnlyReports {
    status: Code::Unknown,
    booked_cores: 100,
};

fn asked(host: &Host) -> Vec<String> {
    host.calls().into_iter().map(|call| call.frame).collect()
}

#[tokio::test]
async fn a_peer_that_cannot_answer_for_one_frame_is_asked_for_a_report() {
    for status in [Code::Unknown, Code::Unimplemented] {
        let host = Host::start(Script::OnlyReports {
            status,
            booked_cores: 100,
        })
        .await;
        let client = client_of(&host);
        let found = client.running("h", "f1").await.unwrap();
        assert_eq!(found.unwrap().resource_id, "p1", "{status:?}");
        assert_eq!(client.running("h", "f2").await.unwrap(), None, "{status:?}");
        assert_eq!(asked(&host), ["f1", ALL_FRAMES, ALL_FRAMES], "{status:?}");
    }
}

#[tokio::test]
async fn any_other_answer_is_no_reason_to_ask_for_a_report() {
    for status in [
        Code::Unavailable,
        Code::Internal,
        Code::DeadlineExceeded,
        Code::Aborted,
    ] {
        let host = Host::start(Script::OnlyReports {
            status,
            booked_cores: 100,
        })
        .await;
        let answer = client_of(&host).running("h", "f1").await;
        let no_answer = matches!(answer, Err(CallError::NoAnswer { .. }));
        assert!(no_answer, "{status:?}: {answer:?}");
        assert_eq!(asked(&host), ["f1"], "{status:?}");
    }
}

#[tokio::test]
async fn an_error_of_this_side_is_no_answer_of_the_peer() {
    let peer = host::hangs_up_after_the_request(b"f1").await;
    let client = cue_rqd::RqdClient::new(super::settings(&peer.to_string()));
    // The peer takes one connection; a second question would not be answered like this.
    let answer = client.running("h", "f1").await;
    assert!(
        matches!(answer, Err(CallError::NoAnswer { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_frame_that_may_be_starting_is_not_absent() {
    let host = Host::start(Script::OnlyReports {
        status: Code::Unknown,
        booked_cores: 200,
    })
    .await;
    let client = client_of(&host);
    assert!(client.running("h", "f1").await.unwrap().is_some());
    let answer = client.running("h", "f2").await;
    assert!(
        matches!(answer, Err(CallError::Incomplete { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_a_peer_cannot_answer_is_forgotten_with_its_connection() {
    let old = Host::start(PYTHON).await;
    let (address, client) = (old.address(), client_of(&old));
    client.running("h", "f1").await.unwrap();
    old.stop().await;

    let new = Host::start_at(address, Script::Accept).await;
    // The call that finds the connection ended still asks as before; this host makes no reports.
    let answer = client.running("h", "f1").await;
    assert!(
        matches!(answer, Err(CallError::NoReport { .. })),
        "{answer:?}"
    );
    assert!(client.running("h", "f1").await.unwrap().is_some());
    assert_eq!(asked(&new), [ALL_FRAMES, "f1"]);
}

#[tokio::test]
async fn one_question_answers_for_all_frames_of_a_host() {
    let host = Host::start(PYTHON).await;
    let frames = client_of(&host).running_frames("h").await.unwrap();
    assert_eq!(frames.presence("f1"), Presence::RunsAs("p1"));
    assert_eq!(frames.presence("f2"), Presence::Absent);
    assert_eq!(asked(&host), [ALL_FRAMES]);
}
