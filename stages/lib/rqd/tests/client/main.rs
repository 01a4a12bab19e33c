//! The client against real servers on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod goaway;
mod host;
mod questions;

use std::num::NonZeroUsize;
use std::time::Duration;

use cue_proto::rqd::RunFrame;
use cue_rqd::{
    CallError, DialError, KillOutcome, LaunchError, LaunchOutcome, NotSent, UnknownOutcome,
};
use cue_rqd::{RqdClient, RqdSettings};
use host::{Host, Script};
use opentelemetry::trace::TracerProvider as _;
use tonic::Code;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

fn settings(address: &str) -> RqdSettings {
    RqdSettings {
        address: address.parse().unwrap(),
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(20),
        ..RqdSettings::default()
    }
}

fn client_of(host: &Host) -> RqdClient {
    RqdClient::new(settings(&host.address().to_string()))
}

fn frame(id: &str) -> RunFrame {
    RunFrame {
        frame_id: id.to_owned(),
        ..RunFrame::default()
    }
}

#[tokio::test]
async fn a_launch_arrives_with_the_name_of_its_host() {
    let host = Host::start(Script::Accept).await;
    client_of(&host)
        .launch("render01", frame("f1"))
        .await
        .unwrap();
    let calls = host.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].frame.as_str(), calls[0].host.as_deref()),
        ("f1", Some("render01"))
    );
    assert_eq!(calls[0].traceparent, None, "no span, no parent");
    assert!(!calls[0].has_deadline, "a host must not give up half-way");
}

#[tokio::test]
async fn the_current_span_goes_along() {
    let host = Host::start(Script::Accept).await;
    let client = client_of(&host);
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let sent = async {
        client.launch("render01", frame("f1")).await.unwrap();
        let silent = RqdClient::new(RqdSettings {
            propagate: false,
            ..settings(&host.address().to_string())
        });
        silent.launch("render01", frame("f2")).await.unwrap();
        assert_eq!(silent.traceparent(), None);
        client.traceparent()
    }
    .instrument(tracing::info_span!("launch"))
    .await
    .unwrap();
    let seen = host.calls().into_iter().map(|call| call.traceparent);
    assert_eq!(seen.collect::<Vec<_>>(), [Some(sent.clone()), None]);
    let parts: Vec<&str> = sent.split('-').collect();
    assert_eq!(
        (parts[0], parts[1].len(), parts[2].len(), parts[3]),
        ("00", 32, 16, "01")
    );
}

#[tokio::test]
async fn each_code_means_what_it_proves_and_no_launch_is_sent_twice() {
    let table = [
        (Code::InvalidArgument, LaunchOutcome::NotRunning),
        (Code::Unimplemented, LaunchOutcome::NotRunning),
        (Code::FailedPrecondition, LaunchOutcome::NotRunning),
        (Code::Aborted, LaunchOutcome::NotRunning),
        (Code::ResourceExhausted, LaunchOutcome::NotRunning),
        (Code::Unavailable, LaunchOutcome::MayRun),
        (Code::DeadlineExceeded, LaunchOutcome::MayRun),
        (Code::Cancelled, LaunchOutcome::MayRun),
        (Code::Unknown, LaunchOutcome::MayRun),
        (Code::Internal, LaunchOutcome::MayRun),
    ];
    for (code, outcome) in table {
        let host = Host::start(Script::Answer(code)).await;
        let error = client_of(&host)
            .launch("render01", frame("f1"))
            .await
            .unwrap_err();
        assert_eq!(error.outcome(), outcome, "{code:?}");
        assert_eq!(host.calls().len(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let client = RqdClient::new(settings(&address.to_string()));
    let error = client.launch("render01", frame("f1")).await.unwrap_err();
    assert_eq!(error.outcome(), LaunchOutcome::NotRunning);
    assert!(matches!(
        error,
        LaunchError::Unreachable {
            source: NotSent::Dial(DialError::Connect { .. }),
            ..
        }
    ));
    let asked = client.running_frames("render01").await.unwrap_err();
    assert!(matches!(asked, CallError::Unreachable { .. }));
}

#[tokio::test]
async fn a_name_that_makes_no_address_is_unreachable() {
    let client = RqdClient::new(settings("{host}:{port}"));
    let error = client.launch("two words", frame("f1")).await.unwrap_err();
    assert!(matches!(
        error,
        LaunchError::Unreachable {
            source: NotSent::Address(_),
            ..
        }
    ));
    let client = RqdClient::new(settings("127.0.0.1:{port}"));
    let error = client.launch("two\nlines", frame("f1")).await.unwrap_err();
    assert!(matches!(
        error,
        LaunchError::Unreachable {
            source: NotSent::Name(_),
            ..
        }
    ));
}

#[tokio::test]
async fn silence_and_a_broken_stream_leave_the_frame_in_doubt() {
    let host = Host::start(Script::Stall).await;
    let client = RqdClient::new(RqdSettings {
        request_timeout: Duration::from_millis(100),
        ..settings(&host.address().to_string())
    });
    let error = client.launch("render01", frame("f1")).await.unwrap_err();
    assert!(matches!(
        error,
        LaunchError::Unknown {
            source: UnknownOutcome::Silence(_),
            ..
        }
    ));

    // The next call does not rely on a connection that may be what is silent.
    client.launch("render01", frame("f2")).await.unwrap_err();
    assert_eq!((host.calls().len(), host.connections()), (2, 2));

    let address = host::hangs_up_after_the_request(b"a-long-frame-id").await;
    let client = RqdClient::new(settings(&address.to_string()));
    let error = client
        .launch("render01", frame("a-long-frame-id"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            LaunchError::Unknown {
                source: UnknownOutcome::Status(_),
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_restarted_host_is_dialled_anew_and_a_stopped_one_is_unreachable() {
    let first = Host::start(Script::Accept).await;
    let address = first.address();
    let client = client_of(&first);
    client.launch("render01", frame("f1")).await.unwrap();
    first.stop().await;

    let second = Host::start_at(address, Script::Accept).await;
    client.launch("render01", frame("f2")).await.unwrap();
    assert_eq!(second.calls().len(), 1);
    second.stop().await;

    let error = client.launch("render01", frame("f3")).await.unwrap_err();
    assert!(
        matches!(error, LaunchError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_kill_knows_not_found() {
    let host = Host::start(Script::Accept).await;
    let client = client_of(&host);
    assert_eq!(
        client.kill("render01", "f1", "test").await.unwrap(),
        KillOutcome::Killed
    );

    let host = Host::start(Script::Answer(Code::NotFound)).await;
    let client = client_of(&host);
    assert_eq!(
        client.kill("render01", "f1", "test").await.unwrap(),
        KillOutcome::NotRunning
    );

    let host = Host::start(Script::Answer(Code::Unavailable)).await;
    let client = client_of(&host);
    let killed = client.kill("render01", "f1", "test").await.unwrap_err();
    assert!(matches!(killed, CallError::NoAnswer { .. }));
}

#[tokio::test]
async fn first_users_share_one_connection_and_one_failure() {
    let host = Host::start(Script::Accept).await;
    let client = client_of(&host);
    let calls = (0..50).map(|n| {
        let client = client.clone();
        async move { client.launch("render01", frame(&n.to_string())).await }
    });
    let mut running: tokio::task::JoinSet<_> = calls.collect();
    while let Some(done) = running.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!((client.connections(), host.connections()), (1, 1));

    // However many wait, they wait for one attempt: one after the other they would need 50 times
    // the limit.
    let limit = Duration::from_millis(200);
    let full = host::Full::start().await;
    let client = RqdClient::new(RqdSettings {
        connect_timeout: limit,
        ..settings(&full.address().to_string())
    });
    let begun = std::time::Instant::now();
    let calls = (0..50).map(|_| {
        let client = client.clone();
        async move { client.launch("render01", frame("f")).await }
    });
    let mut running: tokio::task::JoinSet<_> = calls.collect();
    while let Some(done) = running.join_next().await {
        let error = done.unwrap().unwrap_err();
        let timed_out = LaunchError::outcome(&error) == LaunchOutcome::NotRunning
            && matches!(
                &error,
                LaunchError::Unreachable {
                    source: NotSent::Dial(DialError::TimedOut { .. }),
                    ..
                }
            );
        assert!(timed_out, "{error:?}");
    }
    assert!(begun.elapsed() < limit * 25, "{:?}", begun.elapsed());
}

/// Three hosts at three addresses of the loopback network, all at one port.
async fn three_hosts() -> ([Host; 3], u16) {
    let first = Host::start(Script::Accept).await;
    let port = first.address().port();
    let second = Host::start_at(([127, 0, 0, 2], port).into(), Script::Accept).await;
    let third = Host::start_at(([127, 0, 0, 3], port).into(), Script::Accept).await;
    ([first, second, third], port)
}

#[tokio::test]
async fn the_cache_is_bounded_and_evicts_what_was_used_least_recently() {
    let (hosts, port) = three_hosts().await;
    let client = RqdClient::new(RqdSettings {
        port,
        connections: NonZeroUsize::new(2).unwrap(),
        ..settings("{host}:{port}")
    });
    for name in [
        "127.0.0.1",
        "127.0.0.2",
        "127.0.0.1",
        "127.0.0.3",
        "127.0.0.1",
    ] {
        client.launch(name, frame("f")).await.unwrap();
        assert!(client.connections() <= 2);
        // The clock of the cache counts milliseconds; the next use must be a later one.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let dialled = hosts.each_ref().map(Host::connections);
    assert_eq!(
        dialled,
        [1, 1, 1],
        "the first was in use throughout and was dialled once"
    );
}

#[tokio::test]
async fn idle_connections_are_dropped() {
    let (_hosts, port) = three_hosts().await;
    let client = RqdClient::new(RqdSettings {
        port,
        idle_timeout: Duration::from_secs(2),
        ..settings("{host}:{port}")
    });
    client.launch("127.0.0.1", frame("f")).await.unwrap();
    client.launch("127.0.0.2", frame("f")).await.unwrap();
    assert_eq!(client.connections(), 2);
    // Idleness is the passing of time itself; there is no signal to wait for.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    client.launch("127.0.0.3", frame("f")).await.unwrap();
    assert_eq!(client.connections(), 1);
}
