//! What may be changed while the service runs: the workers of a stage, the filter of the log.
//!
//! Invariants: without a token in the settings nothing can be changed, and whoever asks is told how
//! to switch it on; who asks is checked before what is asked; a change that would break the sum of
//! connections is refused; one change is made at a time.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Bytes};
use cue_flow::{Control, NoSuchStage};
use serde::Deserialize;
use serde_json::json;

use crate::config::{Fault, LiveWidths, MOST_WORKERS, Secret};
use crate::telemetry::{ALWAYS, FilterError, LogFilter};

/// What can be changed, and by whom. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Levers(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    token: Option<Secret>,
    control: Control,
    widths: LiveWidths,
    log: LogFilter,
    one_at_a_time: Mutex<()>,
    guesses: Guesses,
}

/// Who asks for a change, and what was sent along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) peer: SocketAddr,
}

/// Wrong tokens. They are logged once a minute, so that whoever guesses cannot fill the log.
#[derive(Debug, Default)]
struct Guesses(Mutex<(Option<Instant>, u64)>);

impl Guesses {
    fn note(&self, peer: SocketAddr) {
        let mut guesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, untold) = &mut *guesses;
        *untold += 1;
        if told.is_none_or(|told| told.elapsed() >= Duration::from_secs(60)) {
            tracing::warn!(%peer, wrong = *untold, "a change was asked for with a wrong token");
            (*told, *untold) = (Some(Instant::now()), 0);
        }
    }
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error(
        "changes are switched off: set CUE_ADMIN_TOKEN (admin.token) to a secret text of 16 characters or more and start again, then send it as `Authorization: Bearer TOKEN`"
    )]
    Off,
    #[error("send the token of the settings as `Authorization: Bearer TOKEN`")]
    NoToken,
    #[error("this is not the token of the settings (CUE_ADMIN_TOKEN)")]
    WrongToken,
    #[error("the request cannot be read: {0}")]
    Unreadable(#[from] BytesRejection),
    #[error("send {wanted}: {found}")]
    BadBody { wanted: &'static str, found: String },
    #[error(transparent)]
    NoSuchStage(#[from] NoSuchStage),
    #[error(transparent)]
    PoolTooSmall(Fault),
    #[error("{}", crate::service::chain(.0))]
    Filter(#[from] FilterError),
}

impl Levers {
    /// Nothing can be changed, and no setting switches it on.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Changes to a flow and a log, for whoever has the token.
    #[must_use]
    pub fn new(
        token: Option<Secret>,
        control: Control,
        widths: LiveWidths,
        log: LogFilter,
    ) -> Self {
        Self(Some(Arc::new(Inner {
            token,
            control,
            widths,
            log,
            one_at_a_time: Mutex::new(()),
            guesses: Guesses::default(),
        })))
    }

    /// Whether somebody can change something.
    pub(super) fn are_on(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.token.is_some())
    }

    /// Changes the workers of a stage. The answer says what it has now.
    pub(super) fn set_workers(
        &self,
        asked: Asked<'_>,
        stage: &str,
        body: &Bytes,
    ) -> Result<serde_json::Value, Denied> {
        let inner = self.admit(asked)?;
        let wanted: Workers = read(body, r#"{"workers": n} with a whole number from 1 to 256"#)?;
        let workers = wanted.workers;
        if workers.get() > MOST_WORKERS {
            return Err(Denied::BadBody {
                wanted: r#"{"workers": n} with a whole number from 1 to 256"#,
                found: format!("{workers} is too many"),
            });
        }
        let guard = inner.one_at_a_time.lock();
        let _one = guard.unwrap_or_else(PoisonError::into_inner);
        let status = inner.control.snapshot();
        let running = status.iter().filter_map(|part| {
            let workers = usize::try_from(part.workers).ok()?;
            Some((part.name, NonZeroUsize::new(workers)?))
        });
        inner
            .widths
            .check(running, stage, workers)
            .map_err(Denied::PoolTooSmall)?;
        inner.control.set_workers(stage, workers)?;
        tracing::info!(target: ALWAYS, stage, workers, peer = %asked.peer, "the workers of a stage were changed");
        Ok(json!({ "stage": stage, "workers": workers }))
    }

    /// Changes the filter of the log.
    pub(super) fn set_filter(
        &self,
        asked: Asked<'_>,
        body: &Bytes,
    ) -> Result<serde_json::Value, Denied> {
        let inner = self.admit(asked)?;
        let wanted: Filter = read(body, r#"{"filter": "..."}"#)?;
        let before = inner.log.current();
        inner.log.set(&wanted.filter)?;
        tracing::info!(target: ALWAYS, filter = wanted.filter, before, peer = %asked.peer, "the log filter was changed");
        Ok(json!({ "filter": wanted.filter }))
    }

    fn admit(&self, asked: Asked<'_>) -> Result<&Inner, Denied> {
        let inner = self.0.as_deref().ok_or(Denied::Off)?;
        let token = inner.token.as_ref().ok_or(Denied::Off)?;
        let given = asked
            .headers
            .get(header::AUTHORIZATION)
            .ok_or(Denied::NoToken)?;
        let given = given
            .to_str()
            .ok()
            .and_then(|given| given.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, given)| given.trim())
            .ok_or(Denied::NoToken)?;
        if same(given.as_bytes(), token.reveal().as_bytes()) {
            Ok(inner)
        } else {
            inner.guesses.note(asked.peer);
            Err(Denied::WrongToken)
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let code = match &self {
            Self::Off => StatusCode::FORBIDDEN,
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::Unreadable(rejection) => rejection.status(),
            Self::BadBody { .. } | Self::Filter(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchStage(_) => StatusCode::NOT_FOUND,
            Self::PoolTooSmall(_) => StatusCode::CONFLICT,
        };
        let mut answer = (code, Json(json!({ "error": self.to_string() }))).into_response();
        if code == StatusCode::UNAUTHORIZED {
            let bearer = header::HeaderValue::from_static("Bearer");
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        answer
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Workers {
    workers: NonZeroUsize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    filter: String,
}

fn read<'a, T: Deserialize<'a>>(body: &'a Bytes, wanted: &'static str) -> Result<T, Denied> {
    serde_json::from_slice(body).map_err(|error| Denied::BadBody {
        wanted,
        found: error.to_string(),
    })
}

/// Compares in a time that does not tell how much of the guess was right.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differing = given
        .iter()
        .zip(token)
        .fold(0, |sum, (left, right)| sum | (left ^ right));
    given.len() == token.len() && differing == 0
}
