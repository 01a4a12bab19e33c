//! Paths of the admin server and their answers.
//!
//! Invariant: every answer but the page, its events and the metrics is JSON, also those to a wrong
//! path or method.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use prometheus::{Encoder as _, TextEncoder};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::access::HostNames;
use super::controls::{ChangeError, Filter, StageWorkers};
use super::levers::{Head, caller};
use super::limits::limited;
use super::refusal::refusal;
use super::state::Served;
use super::{health, hosts, page, pauses};
use crate::status::Status;
use crate::why::{Parameters, Question, unknown};

/// The paths that answer, for the answer to another path.
const PATHS: [&str; 13] = [
    "/metrics",
    "/healthz",
    "/readyz",
    "/status",
    "/",
    "/events",
    "/stages/{name}",
    "/log",
    "/why/{*name}",
    "/hosts",
    "/map",
    "/hosts/{name}",
    "/pauses",
];

/// Longest body of a request to change something, in bytes.
const LARGEST_BODY: usize = 4096;

/// The pages, once there are some, under the names of the server alone.
pub(super) fn server(pages: Arc<OnceLock<Router>>, names: HostNames) -> Router {
    let starting = starting();
    let answer = move |request: Request| {
        let router = pages.get().unwrap_or(&starting).clone();
        router.oneshot(request)
    };
    let admit = from_fn(move |request, next| names.clone().admit(request, next));
    Router::new().fallback(answer).layer(admit)
}

/// All pages.
pub(super) fn router(served: Arc<Served>) -> Router {
    let router = Router::new()
        .route(PATHS[0], get(metrics))
        .route(PATHS[1], get(healthz))
        .route(PATHS[2], get(readyz))
        .route(PATHS[3], get(status))
        .route(PATHS[4], get(page::page))
        .route(PATHS[5], get(events))
        .route(PATHS[6], put(set_workers))
        .route(PATHS[7], put(set_filter))
        .route(PATHS[8], get(why))
        .route(PATHS[9], get(hosts::list))
        .route(PATHS[10], get(hosts::map))
        .route(PATHS[11], get(hosts::detail).put(hosts::forgive))
        .route(PATHS[12], get(pauses::list).put(pauses::change))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .fallback(|| with_paths(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(|| {
            with_paths(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not answer this method: look with GET, change with PUT",
            )
        })
        .with_state(served);
    limited(router)
}

/// Answers before the pipeline is built.
fn starting() -> Router {
    let not_ready = || async {
        let reason =
            json!({ "name": "start", "reason": "it is starting, and waits for its database" });
        let body = json!({ "ready": false, "not_ready": [reason] });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body))
    };
    let nothing = || async {
        let error = "it is starting, and has nothing to show yet";
        refusal(StatusCode::SERVICE_UNAVAILABLE, error)
    };
    Router::new()
        .route(PATHS[1], get(|| async { alive() }))
        .route(PATHS[2], get(not_ready))
        .fallback(nothing)
}

async fn metrics(State(served): State<Arc<Served>>) -> Response {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&served.state.registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, error)
        }
    }
}

async fn healthz(State(served): State<Arc<Served>>) -> (StatusCode, Json<Value>) {
    served.state.liveness.stalled().map_or_else(alive, |part| {
        let body = json!({ "status": "stalled", "part": part });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body))
    })
}

fn alive() -> (StatusCode, Json<Value>) {
    (StatusCode::OK, Json(json!({ "status": "alive" })))
}

async fn readyz(State(served): State<Arc<Served>>) -> (StatusCode, Json<Value>) {
    let not_ready = health::ask(&served.state.probes, health::PROBE_LIMIT).await;
    let code = if not_ready.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    // A pause is the wish of a person, who resumes by this server: it is said and does not make the service unready.
    let paused = pauses::held(&served);
    let body = json!({ "ready": not_ready.is_empty(), "not_ready": not_ready, "paused": paused });
    (code, Json(body))
}

async fn status(State(served): State<Arc<Served>>) -> Json<Status> {
    Json(served.sampler.read(served.status(), Instant::now()))
}

async fn events(State(served): State<Arc<Served>>) -> Response {
    let error = "too many are watching already, close another page";
    let samples = served.live.watch();
    samples.unwrap_or_else(|| refusal(StatusCode::SERVICE_UNAVAILABLE, error))
}

async fn why(
    State(served): State<Arc<Served>>,
    name: Result<Path<String>, PathRejection>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let Ok(Path(name)) = name else {
        let error = "the name is not UTF-8: write what is not plain as %XX of its UTF-8 bytes";
        return refusal(StatusCode::BAD_REQUEST, error);
    };
    // PostgreSQL has no text with a NUL in it.
    if name.contains('\0') {
        return refusal(StatusCode::NOT_FOUND, unknown(&name.replace('\0', "␀")));
    }
    let Some(explainer) = &served.state.explainer else {
        return refusal(StatusCode::NOT_FOUND, "this service has no database to ask");
    };
    let parameters = match parameters {
        Ok(Query(parameters)) => parameters,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error),
    };
    let question = match Question::new(&name, &parameters) {
        Ok(question) => question,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, error),
    };
    match explainer.answer(&question).await {
        Ok(Some(answer)) => Json(answer).into_response(),
        Ok(None) => refusal(StatusCode::NOT_FOUND, explainer.unknown(&question)),
        Err(error) => refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            crate::output::chain(&error),
        ),
    }
}

async fn set_workers(
    State(served): State<Arc<Served>>,
    Path(stage): Path<String>,
    head: Head,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<StageWorkers>, ChangeError> {
    let controls = &served.state.controls;
    controls
        .set_workers(caller(&head), &stage, &body?)
        .map(Json)
}

async fn set_filter(
    State(served): State<Arc<Served>>,
    head: Head,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Filter>, ChangeError> {
    let controls = &served.state.controls;
    controls.set_filter(caller(&head), &body?).map(Json)
}

async fn with_paths(code: StatusCode, error: &'static str) -> (StatusCode, Json<Value>) {
    (code, Json(json!({ "error": error, "paths": PATHS })))
}
