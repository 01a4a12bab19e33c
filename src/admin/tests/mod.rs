//! The admin server, asked over a real connection.

mod changes;
mod events;
mod names;

use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::{IntCounter, Registry};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::status::{Cluster, Status, stages};

async fn start(probes: Vec<Probe>) -> AdminServer {
    start_with(AdminState {
        probes,
        ..AdminState::new(Registry::new())
    })
    .await
}

async fn start_with(state: AdminState) -> AdminServer {
    let counter = IntCounter::new("scheduler_things_total", "Things.").unwrap();
    counter.inc_by(7);
    state.registry.register(Box::new(counter)).unwrap();
    let mut server = starting().await;
    server.show(state);
    server
}

/// A server that has nothing to show yet.
async fn starting() -> AdminServer {
    let names = HostNames::new(&["farm.example".to_owned()]);
    AdminServer::start("127.0.0.1:0".parse().unwrap(), names)
        .await
        .unwrap()
}

struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    send(address, method, path, "", "").await
}

/// Sends a request with more header lines (each ended) and a body.
async fn send(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let headers = format!("host: localhost\r\n{headers}");
    send_bare(address, method, path, &headers, body).await
}

/// The same without a `Host` header.
async fn send_bare(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer {
        code: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn metrics_are_the_text_of_the_registry() {
    let server = start(vec![]).await;
    assert_ne!(server.address.port(), 0);
    let answer = ask(server.address, "GET", "/metrics").await;
    assert_eq!(answer.code, 200);
    assert!(
        answer
            .head
            .contains("content-type: text/plain; version=0.0.4")
    );
    assert!(
        answer.body.contains("scheduler_things_total 7"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn readiness_follows_the_probes_and_health_does_not() {
    let well = Arc::new(AtomicBool::new(false));
    let asked = well.clone();
    let probe = Probe::new("database", move || {
        let well = asked.load(Ordering::Relaxed);
        async move {
            if well {
                Ok(())
            } else {
                Err("it is away".to_owned())
            }
        }
    });
    let server = start(vec![probe]).await;
    let answer = ask(server.address, "GET", "/readyz").await;
    assert_eq!(answer.code, 503);
    let expected = json!({
        "ready": false,
        "not_ready": [{ "name": "database", "reason": "it is away" }],
        "paused": [],
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(ask(server.address, "GET", "/healthz").await.code, 200);
    well.store(true, Ordering::Relaxed);
    let answer = ask(server.address, "GET", "/readyz").await;
    assert_eq!(
        (answer.code, answer.json()["ready"].clone()),
        (200, json!(true))
    );
}

#[tokio::test]
async fn health_names_the_part_that_has_stalled() {
    let state = AdminState::new(Registry::new());
    let liveness = state.liveness.clone();
    let server = start_with(state).await;
    liveness.record(Some("dispatch"));
    let answer = ask(server.address, "GET", "/healthz").await;
    let expected = json!({ "status": "stalled", "part": "dispatch" });
    assert_eq!((answer.code, answer.json()), (503, expected));
    liveness.record(None);
    assert_eq!(ask(server.address, "GET", "/healthz").await.code, 200);
}

#[tokio::test]
async fn the_status_is_what_the_program_reads_with_version_uptime_and_verdict() {
    let read = || Status {
        dry_run: true,
        clusters: vec![Cluster {
            name: "yard/a".to_owned(),
            ..Cluster::default()
        }],
        ..Status::default()
    };
    let state = AdminState {
        status: Arc::new(read),
        ..AdminState::new(Registry::new())
    };
    let server = start_with(state).await;
    let answer = ask(server.address, "GET", "/status").await;
    let status: Status = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
    assert!(answer.json()["uptime_seconds"].is_u64() && status.dry_run);
    assert_eq!(
        (status.cluster_count, &*status.clusters[0].name),
        (1, "yard/a")
    );
    assert!(
        status
            .verdict
            .sentence
            .starts_with("Nothing is being booked")
    );
}

#[tokio::test]
async fn the_stages_of_a_flow_are_shown_by_name() {
    struct Idle;
    impl cue_flow::Tick for Idle {
        const NAME: &'static str = "idle_loop";
        async fn tick(&self) -> Result<std::time::Duration, cue_flow::BoxError> {
            Ok(std::time::Duration::from_secs(3600))
        }
    }
    let mut flow = cue_flow::Flow::new(cue_flow::Meters::new(&Registry::new()).unwrap());
    flow.tick(Idle);
    let control = flow.control();
    let read = move || Status {
        stages: stages(&control),
        ..Status::default()
    };
    let state = AdminState {
        status: Arc::new(read),
        ..AdminState::new(Registry::new())
    };
    let server = start_with(state).await;
    let status = ask(server.address, "GET", "/status").await.json();
    assert_eq!(status["stages"][0]["name"], "idle_loop");
    assert_eq!(status["stages"][0]["kind"], "tick");
}

#[tokio::test]
async fn a_wrong_path_or_method_is_told_the_right_paths() {
    let server = start(vec![]).await;
    for (method, path, code) in [("GET", "/metric", 404), ("POST", "/metrics", 405)] {
        let answer = ask(server.address, method, path).await;
        assert_eq!(answer.code, code, "{method} {path}");
        assert_eq!(answer.json()["paths"][0], "/metrics");
    }
}

#[tokio::test]
async fn a_taken_address_is_refused_and_named() {
    let server = start(vec![]).await;
    let error = AdminServer::start(server.address, HostNames::default())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains(&server.address.to_string()),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn the_server_ends_when_it_is_told_to_and_frees_its_address() {
    let server = start(vec![]).await;
    let address = server.address;
    assert_eq!(ask(address, "GET", "/healthz").await.code, 200);
    // A client that is connected and asks nothing does not keep the server.
    let _silent = TcpStream::connect(address).await.unwrap();
    server.end().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn while_it_starts_it_lives_and_is_not_ready_and_then_the_same_address_shows_all() {
    let mut server = starting().await;
    let address = server.address;
    assert_eq!(ask(address, "GET", "/healthz").await.code, 200);
    let ready = ask(address, "GET", "/readyz").await;
    assert_eq!(ready.code, 503);
    assert_eq!(ready.json()["not_ready"][0]["name"], "start");
    assert_eq!(ask(address, "GET", "/status").await.code, 503);
    server.show(AdminState::new(Registry::new()));
    assert_eq!(ask(address, "GET", "/readyz").await.code, 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_in_json_too() {
    let server = start(vec![]).await;
    let name = ask(server.address, "GET", "/why/%ff").await;
    assert_eq!(name.code, 400);
    assert!(name.json()["error"].as_str().unwrap().contains("UTF-8"));
    let huge = "x".repeat(5000);
    let body = send(server.address, "PUT", "/log", "", &huge).await;
    assert_eq!(body.code, 413, "{}", body.body);
    assert!(body.json()["error"].is_string());
}
