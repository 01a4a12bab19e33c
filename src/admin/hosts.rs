//! Paths about hosts: lists, the map, one host, and the end of its backoff.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::controls::ChangeError;
use super::levers::{Forgive, Head, caller, read};
use super::refusal::refusal;
use super::state::Served;
use crate::hosts::{FarmHosts, HostFilter, unknown_host};
use crate::status::Forgiven;
use crate::telemetry::ALWAYS;

type Filtered = Result<Query<HostFilter>, QueryRejection>;

pub(super) async fn list(State(served): State<Arc<Served>>, filter: Filtered) -> Response {
    answer(&served, filter, |hosts, filter| {
        Json(hosts.list(filter)).into_response()
    })
}

pub(super) async fn map(State(served): State<Arc<Served>>, filter: Filtered) -> Response {
    answer(&served, filter, |hosts, filter| {
        Json(hosts.map(filter)).into_response()
    })
}

fn answer(
    served: &Served,
    filter: Filtered,
    find: impl FnOnce(&FarmHosts, &HostFilter) -> Response,
) -> Response {
    match (&served.state.hosts, filter) {
        (None, _) => refusal(StatusCode::NOT_FOUND, NO_FARM),
        (_, Err(error)) => refusal(StatusCode::BAD_REQUEST, error.body_text()),
        (Some(hosts), Ok(Query(filter))) => find(hosts, &filter),
    }
}

pub(super) async fn detail(
    State(served): State<Arc<Served>>,
    Path(name): Path<String>,
) -> Response {
    let Some(hosts) = &served.state.hosts else {
        return refusal(StatusCode::NOT_FOUND, NO_FARM);
    };
    match hosts.detail(&name).await {
        Some(detail) => Json(detail).into_response(),
        None => refusal(StatusCode::NOT_FOUND, unknown_host(&name)),
    }
}

pub(super) async fn forgive(
    State(served): State<Arc<Served>>,
    Path(name): Path<String>,
    head: Head,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Forgiven>, ChangeError> {
    let caller = caller(&head);
    served.state.controls.authorize(caller)?;
    let wanted: Forgive = read(&body?)?;
    let hosts = served.state.hosts.as_ref();
    let hosts = hosts.ok_or_else(|| ChangeError::Unknown(NO_FARM.to_owned()))?;
    let found = hosts.forgive(&name);
    let (host, forgiven) = found.ok_or_else(|| ChangeError::Unknown(unknown_host(&name)))?;
    tracing::info!(
        target: ALWAYS, host, forgiven, by = wanted.by, reason = wanted.reason, peer = %caller.peer,
        "a host was forgiven"
    );
    Ok(Json(Forgiven { host, forgiven }))
}

const NO_FARM: &str = "this service has no hosts to show";
