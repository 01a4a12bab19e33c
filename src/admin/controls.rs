//! Controls of a running service: the workers of a stage and the filter of the log.
//!
//! Invariants: without a token in the settings nothing can be changed, and the answer says how to switch changes
//! on; the token is checked before the request; a change that would break the sum of connections is refused; one
//! change is made at a time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cue_flow::{Control, NoSuchStage};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::refusal::refusal;
use crate::config::{Fault, LiveWidths, MOST_WORKERS, Settings};
use crate::telemetry::{ALWAYS, FilterError, LogFilter};

/// Controls. Cloning shares them.
#[derive(Clone, Debug)]
pub struct AdminControls(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    token: Option<SecretString>,
    control: Control,
    widths: LiveWidths,
    log: LogFilter,
    one_at_a_time: Mutex<()>,
    wrong_tokens: WrongTokens,
}

/// Caller who asks for a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) peer: SocketAddr,
}

/// Wrong tokens. They are logged once a minute, so that guessing cannot fill the log.
#[derive(Debug, Default)]
struct WrongTokens(Mutex<(Option<Instant>, u64)>);

impl WrongTokens {
    fn record(&self, peer: SocketAddr) {
        let mut state = self.0.lock();
        let (logged, wrong) = &mut *state;
        *wrong += 1;
        if logged.is_none_or(|logged| logged.elapsed() >= Duration::from_secs(60)) {
            tracing::warn!(%peer, wrong = *wrong, "a change was asked for with a wrong token");
            (*logged, *wrong) = (Some(Instant::now()), 0);
        }
    }
}

/// Reason to change nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
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
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    Database(String),
    #[error(transparent)]
    PoolTooSmall(Fault),
    #[error("{}", crate::output::chain(.0))]
    Filter(#[from] FilterError),
}

impl Inner {
    /// Workers that the stages have now.
    fn running(&self) -> Vec<(&'static str, NonZeroUsize)> {
        let status = self.control.snapshot();
        let running = status.iter().filter_map(|part| {
            let workers = usize::try_from(part.workers).ok()?;
            Some((part.name, NonZeroUsize::new(workers)?))
        });
        running.collect()
    }

    /// Changes the workers of a stage. The caller makes one change at a time.
    fn resize(&self, stage: &str, workers: NonZeroUsize) -> Result<(), ChangeError> {
        let fits = self.widths.check(self.running(), stage, workers);
        fits.map_err(ChangeError::PoolTooSmall)?;
        Ok(self.control.set_workers(stage, workers)?)
    }
}

impl AdminControls {
    /// Controls of nothing, which no setting switches on.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Controls of a flow and a log, for callers who have the token.
    #[must_use]
    pub fn new(
        token: Option<SecretString>,
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
            wrong_tokens: WrongTokens::default(),
        })))
    }

    /// Returns true if a caller with the token can change something.
    pub(super) fn are_on(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.token.is_some())
    }

    /// Filter of the log; empty if there is no log to control.
    pub(super) fn log_filter(&self) -> String {
        let inner = self.0.as_ref();
        inner.map_or_else(String::new, |inner| inner.log.current())
    }

    /// Changes the workers of a stage, and returns their number.
    pub(super) fn set_workers(
        &self,
        caller: Caller<'_>,
        stage: &str,
        body: &Bytes,
    ) -> Result<StageWorkers, ChangeError> {
        let inner = self.admit(caller)?;
        let wanted: Workers = read(body, r#"{"workers": n} with a whole number from 1 to 256"#)?;
        let workers = wanted.workers;
        if workers.get() > MOST_WORKERS {
            return Err(ChangeError::BadBody {
                wanted: r#"{"workers": n} with a whole number from 1 to 256"#,
                found: format!("{workers} is too many"),
            });
        }
        let _one = inner.one_at_a_time.lock();
        inner.resize(stage, workers)?;
        tracing::info!(target: ALWAYS, stage, workers, peer = %caller.peer, "the workers of a stage were changed");
        let stage = stage.to_owned();
        Ok(StageWorkers { stage, workers })
    }

    /// Changes the filter of the log.
    pub(super) fn set_filter(
        &self,
        caller: Caller<'_>,
        body: &Bytes,
    ) -> Result<Filter, ChangeError> {
        let inner = self.admit(caller)?;
        let wanted: Filter = read(body, r#"{"filter": "..."}"#)?;
        let before = inner.log.current();
        inner.log.set(&wanted.filter)?;
        tracing::info!(target: ALWAYS, filter = wanted.filter, before, peer = %caller.peer, "the log filter was changed");
        Ok(wanted)
    }

    /// Changes workers and filter to those of these settings. A change that would be refused is logged and left out.
    pub fn adopt(&self, settings: &Settings) {
        let Some(inner) = &self.0 else { return };
        let _one = inner.one_at_a_time.lock();
        let running: HashMap<_, _> = inner.running().into_iter().collect();
        let mut changes = settings.stages.workers();
        // Those that get fewer make room for those that get more.
        changes.sort_by_key(|(stage, workers)| running.get(stage).is_none_or(|now| now < workers));
        for (stage, workers) in changes {
            if running.get(stage).is_none_or(|now| *now == workers) {
                continue;
            }
            match inner.resize(stage, workers) {
                Ok(()) => {
                    tracing::info!(target: ALWAYS, stage, workers, "the workers of a stage were changed")
                }
                Err(error) => tracing::warn!(stage, workers, %error, "the workers of a stage stay"),
            }
        }
        let (before, filter) = (inner.log.current(), &settings.logging.filter);
        if before == *filter {
            return;
        }
        match inner.log.set(filter) {
            Ok(()) => tracing::info!(target: ALWAYS, filter, before, "the log filter was changed"),
            Err(error) => tracing::warn!(%error, "the log filter stays"),
        }
    }

    /// Refuses a caller without the token.
    pub(super) fn authorize(&self, caller: Caller<'_>) -> Result<(), ChangeError> {
        self.admit(caller).map(|_| ())
    }

    fn admit(&self, caller: Caller<'_>) -> Result<&Inner, ChangeError> {
        let inner = self.0.as_deref().ok_or(ChangeError::Off)?;
        let token = inner.token.as_ref().ok_or(ChangeError::Off)?;
        let given = caller
            .headers
            .get(header::AUTHORIZATION)
            .ok_or(ChangeError::NoToken)?;
        let given = given
            .to_str()
            .ok()
            .and_then(|given| given.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, given)| given.trim())
            .ok_or(ChangeError::NoToken)?;
        if same(given.as_bytes(), token.expose_secret().as_bytes()) {
            Ok(inner)
        } else {
            inner.wrong_tokens.record(caller.peer);
            Err(ChangeError::WrongToken)
        }
    }
}

impl IntoResponse for ChangeError {
    fn into_response(self) -> Response {
        let code = match &self {
            Self::Off => StatusCode::FORBIDDEN,
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::Unreadable(rejection) => rejection.status(),
            Self::BadBody { .. } | Self::Filter(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchStage(_) | Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::PoolTooSmall(_) => StatusCode::CONFLICT,
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut answer = refusal(code, &self);
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

/// Workers that a stage has after a change.
#[derive(Debug, Serialize)]
pub(super) struct StageWorkers {
    stage: String,
    workers: NonZeroUsize,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    filter: String,
}

fn read<'a, T: Deserialize<'a>>(body: &'a Bytes, wanted: &'static str) -> Result<T, ChangeError> {
    serde_json::from_slice(body).map_err(|error| ChangeError::BadBody {
        wanted,
        found: error.to_string(),
    })
}

/// Compares in a time that does not show how much of the guess was right.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differing = given
        .iter()
        .zip(token)
        .fold(0, |sum, (left, right)| sum | (left ^ right));
    given.len() == token.len() && differing == 0
}
