//! The example of a render that joins by a link: its own trace, the link to the launch, the exit code.

use std::sync::{Arc, Mutex};

use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/guides/render_trace.py");

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// Runs `sh -c shell` in the wrapper of a frame with this flag. Returns the exit code and what a collector received.
async fn render(shell: &str, flag: &str) -> (Option<i32>, Vec<Value>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&received);
    let take = move |body: String| {
        kept.lock()
            .unwrap()
            .push(serde_json::from_str(&body).unwrap());
        std::future::ready("{}")
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    let app = axum::Router::new().route("/v1/traces", post(take));
    serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let status = Command::new("python3")
        .args([EXAMPLE, "--", "sh", "-c", shell])
        .env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-{flag}"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("CUE_JOB", "shot")
        .status()
        .await
        .unwrap();
    let received = received.lock().unwrap().clone();
    (status.code(), received)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_render_has_a_trace_of_its_own_that_links_to_its_launch() {
    let (code, received) = render("exit 3", "01").await;
    assert_eq!(code, Some(3), "the frame ends as its render did");
    let span = &received[0]["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["links"][0]["traceId"], TRACE);
    assert_eq!(span["links"][0]["spanId"], SPAN);
    assert_ne!(span["traceId"], TRACE);
    assert!(span["parentSpanId"].is_null());
    assert_eq!(span["status"]["code"], 2);
    let text = span["attributes"].to_string();
    assert!(
        text.contains(r#""cue.job.name""#) && text.contains(r#""shot""#),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_render_of_a_turn_that_is_not_sampled_sends_nothing() {
    let (code, received) = render("true", "00").await;
    assert_eq!((code, received.len()), (Some(0), 0));
}
