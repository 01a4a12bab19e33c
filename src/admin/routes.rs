//! The paths of the admin server and what each answers.
//!
//! Invariant: every answer but the page, its events and the metrics is JSON, also those to a wrong
//! path or method.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use prometheus::{Encoder as _, TextEncoder};
use serde_json::{Map, Value, json};

use super::levers::{Asked, Denied};
use super::live::Newest;
use super::server::Peer;
use super::{Exhibits, health, page};

/// The paths that answer, as told to whoever asks for another.
const PATHS: [&str; 9] = [
    "/metrics",
    "/healthz",
    "/readyz",
    "/status",
    "/",
    "/events",
    "/stages/{name}",
    "/log",
    "/why/{*name}",
];

/// What a request to change something may hold, in bytes.
const LARGEST_BODY: usize = 4096;

pub(super) struct Shown {
    pub(super) exhibits: Exhibits,
    pub(super) started: Instant,
    pub(super) newest: Newest,
}

pub(super) fn router(shown: Arc<Shown>) -> Router {
    Router::new()
        .route(PATHS[0], get(metrics))
        .route(PATHS[1], get(healthz))
        .route(PATHS[2], get(readyz))
        .route(PATHS[3], get(status))
        .route(PATHS[4], get(page::page))
        .route(PATHS[5], get(events))
        .route(PATHS[6], put(set_workers))
        .route(PATHS[7], put(set_filter))
        .route(PATHS[8], get(why))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .fallback(|| refuse(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(|| {
            refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not answer this method: look with GET, change with PUT",
            )
        })
        .with_state(shown)
}

/// What answers before the pipeline has been built.
pub(super) fn starting() -> Router {
    let not_ready = || async {
        let reason =
            json!({ "name": "start", "reason": "it is starting, and waits for its database" });
        let body = json!({ "ready": false, "not_ready": [reason] });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body))
    };
    Router::new()
        .route(PATHS[1], get(healthz))
        .route(PATHS[2], get(not_ready))
        .fallback(|| async {
            let body = json!({ "error": "it is starting, and has nothing to show yet" });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        })
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
    body.insert("replica".to_owned(), shown.exhibits.replica.clone().into());
    body.insert("dry_run".to_owned(), shown.exhibits.dry_run.into());
    for section in &shown.exhibits.sections {
        let (name, shown) = section.read();
        body.insert(name.to_owned(), shown);
    }
    Json(Value::Object(body))
}

async fn events(State(shown): State<Arc<Shown>>) -> Response {
    match shown.newest.watch() {
        Some(samples) => samples,
        None => {
            let body = json!({ "error": "too many are watching already, close another page" });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

async fn why(
    State(shown): State<Arc<Shown>>,
    name: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(name)) = name else {
        let error = "the name is not UTF-8: write what is not plain as %XX of its UTF-8 bytes";
        return told(StatusCode::BAD_REQUEST, error.to_owned());
    };
    // PostgreSQL has no text with a NUL in it.
    if name.contains('\0') {
        return told(
            StatusCode::NOT_FOUND,
            crate::why::unknown(&name.replace('\0', "␀")),
        );
    }
    let Some(oracle) = &shown.exhibits.oracle else {
        return told(
            StatusCode::NOT_FOUND,
            "this service has no database to ask".to_owned(),
        );
    };
    match oracle.ask(&name).await {
        Ok(Some(answer)) => Json(json!({
            "subject": answer.subject,
            "layer": answer.layer,
            "sentence": answer.sentence,
        }))
        .into_response(),
        Ok(None) => told(StatusCode::NOT_FOUND, crate::why::unknown(&name)),
        Err(error) => told(
            StatusCode::SERVICE_UNAVAILABLE,
            crate::service::chain(&error),
        ),
    }
}

fn told(code: StatusCode, error: String) -> Response {
    (code, Json(json!({ "error": error }))).into_response()
}

async fn set_workers(
    State(shown): State<Arc<Shown>>,
    Path(stage): Path<String>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Denied> {
    let levers = &shown.exhibits.levers;
    let (body, asked) = (
        body?,
        Asked {
            headers: &headers,
            peer,
        },
    );
    levers.set_workers(asked, &stage, &body).map(Json)
}

async fn set_filter(
    State(shown): State<Arc<Shown>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Denied> {
    let levers = &shown.exhibits.levers;
    let (body, asked) = (
        body?,
        Asked {
            headers: &headers,
            peer,
        },
    );
    levers.set_filter(asked, &body).map(Json)
}

async fn refuse(code: StatusCode, reason: &'static str) -> (StatusCode, Json<Value>) {
    (code, Json(json!({ "error": reason, "paths": PATHS })))
}
