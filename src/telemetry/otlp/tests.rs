//! Where spans are sent, what goes with them, and how long it may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::super::tests::telemetry;
use super::*;
use crate::config::Secret;
use crate::service::chain;

#[test]
fn the_path_of_traces_is_appended_once() {
    for given in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
        assert_eq!(http_endpoint(given), "http://c:4318/v1/traces", "{given}");
    }
    assert_eq!(http_endpoint("http://c/otlp"), "http://c/otlp/v1/traces");
}

#[test]
fn an_address_for_traces_alone_wins_and_is_taken_as_it_is() {
    let with = |all: Option<&str>, traces: Option<&str>, protocol| {
        address(&Telemetry {
            endpoint: all.map(str::to_owned),
            traces_endpoint: traces.map(str::to_owned),
            protocol,
            ..telemetry()
        })
    };
    let (all, traces) = (Some("http://a:4318"), Some("http://t:4318/in"));
    let told = |text: &str| Some(text.to_owned());
    assert_eq!(with(all, traces, Protocol::Http), told("http://t:4318/in"));
    assert_eq!(with(None, traces, Protocol::Grpc), told("http://t:4318/in"));
    let appended = "http://a:4318/v1/traces";
    assert_eq!(with(all, None, Protocol::Http), told(appended));
    assert_eq!(with(all, None, Protocol::Grpc), told("http://a:4318"));
    assert_eq!(with(None, None, Protocol::Grpc), None);
}

#[tokio::test]
async fn what_cannot_be_a_header_is_refused_by_name_and_its_value_is_not_told() {
    for (name, value) in [("two words", "fine"), ("fine", "hidden\nline")] {
        let telemetry = Telemetry {
            endpoint: Some("http://127.0.0.1:4317".to_owned()),
            headers: vec![(name.to_owned(), Secret::new(value))],
            ..telemetry()
        };
        let told = chain(&exporter(&telemetry).unwrap_err());
        assert!(told.contains(&format!("the header `{name}`")), "{told}");
        assert!(!told.contains("hidden"), "{told}");
    }
}

/// Fills the queue of a listener that takes no connection, so that the next one hangs as it does
/// behind a firewall that drops what comes. Returns what keeps it so.
async fn fill(listener: &TcpListener) -> Vec<TcpStream> {
    let mut held = Vec::new();
    let connect = || TcpStream::connect(listener.local_addr().unwrap());
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), connect()).await {
        held.push(stream.unwrap());
        assert!(held.len() < 100, "the queue has an end");
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_takes_no_longer_than_said_wherever_it_gets_stuck() {
    let listen = || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap()
    };
    let (silent, full) = (listen(), listen());
    let _held = fill(&full).await;
    let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.cert.pem()).unwrap();
    let limit = Duration::from_millis(300);
    for (stuck, protocol, scheme) in [
        (&silent, Protocol::Grpc, "http"),
        (&full, Protocol::Grpc, "http"),
        (&silent, Protocol::Grpc, "https"),
        (&silent, Protocol::Http, "http"),
        (&full, Protocol::Http, "http"),
        (&full, Protocol::Http, "https"),
    ] {
        let telemetry = Telemetry {
            endpoint: Some(format!("{scheme}://{}", stuck.local_addr().unwrap())),
            certificate: Some(file.path().to_owned()),
            timeout: limit,
            protocol,
            ..telemetry()
        };
        let exporter = exporter(&telemetry).unwrap().unwrap();
        let began = Instant::now();
        let exported = tokio::time::timeout(limit * 20, exporter.export(Vec::new())).await;
        assert!(
            matches!(exported, Ok(Err(_))),
            "{telemetry:?}: {exported:?}"
        );
        assert!(began.elapsed() >= limit, "{exported:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_message_is_tried_again_until_its_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // One more than the library would bear by itself.
    let left = Arc::new(AtomicU32::new(4));
    let away = Arc::clone(&left);
    let answer = move || async move {
        let again = away.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        match again {
            Ok(_) => axum::http::StatusCode::SERVICE_UNAVAILABLE,
            Err(_) => axum::http::StatusCode::OK,
        }
    };
    let router = axum::Router::new().route("/v1/traces", axum::routing::post(answer));
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await });
    let telemetry = Telemetry {
        endpoint: Some(format!("http://{address}")),
        protocol: Protocol::Http,
        timeout: Duration::from_secs(60),
        export_timeout: Duration::from_secs(60),
        ..telemetry()
    };
    let exporter = exporter(&telemetry).unwrap().unwrap();
    exporter.export(Vec::new()).await.unwrap();
    assert_eq!(left.load(Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn why_nothing_could_be_sent_is_told() {
    // A port that was free a moment ago has nobody listening.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr();
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let telemetry = Telemetry {
            endpoint: Some(format!("http://{}", nobody.as_ref().unwrap())),
            protocol,
            ..telemetry()
        };
        let exporter = exporter(&telemetry).unwrap().unwrap();
        let told = exporter.export(Vec::new()).await.unwrap_err().to_string();
        assert!(told.contains("Connection refused"), "{told}");
    }
}
