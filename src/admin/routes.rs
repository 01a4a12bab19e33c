//! The paths of the admin server and what each answers.
//!
//! Invariant: every answer but the metrics is JSON, also those to a wrong path or method.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{Encoder as _, TextEncoder};
use serde_json::{Map, Value, json};

use super::{Exhibits, health};

/// The paths that answer, as told to whoever asks for another.
const PATHS: [&str; 4] = ["/metrics", "/healthz", "/readyz", "/status"];

pub(super) struct Shown {
    pub(super) exhibits: Exhibits,
    pub(super) started: Instant,
}

pub(super) fn router(shown: Arc<Shown>) -> Router {
    Router::new()
        .route(PATHS[0], get(metrics))
        .route(PATHS[1], get(healthz))
        .route(PATHS[2], get(readyz))
        .route(PATHS[3], get(status))
        .fallback(|| refuse(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(|| {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered")
        })
        .with_state(shown)
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&shown.exhibits.registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            let body = json!({ "error": error.to_string() });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

async fn healthz() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

async fn readyz(State(shown): State<Arc<Shown>>) -> (StatusCode, Json<Value>) {
    let not_ready = health::ask(&shown.exhibits.probes, health::PROBE_LIMIT).await;
    let code = if not_ready.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "ready": not_ready.is_empty(), "not_ready": not_ready });
    (code, Json(body))
}

async fn status(State(shown): State<Arc<Shown>>) -> Json<Value> {
    let mut body = Map::new();
    body.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    body.insert(
        "uptime_seconds".to_owned(),
        shown.started.elapsed().as_secs().into(),
    );
    for section in &shown.exhibits.sections {
        body.insert(section.name.to_owned(), (section.show)());
    }
    Json(Value::Object(body))
}

async fn refuse(code: StatusCode, reason: &'static str) -> (StatusCode, Json<Value>) {
    (code, Json(json!({ "error": reason, "paths": PATHS })))
}
