//! The client for OTLP over HTTP, plain or with TLS.
//!
//! Invariant: why a message could not be sent is remembered until somebody asks. The library calls
//! whatever happens on the way a network error, and a log line that says no more helps nobody.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

use super::tls::Tls;
use crate::service::chain;

/// Why the last message could not be sent, if it could not. Copies share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Cause(Arc<Mutex<Option<String>>>);

impl Cause {
    fn set(&self, cause: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cause;
    }

    /// Takes it away.
    pub(super) fn take(&self) -> Option<String> {
        let mut cause = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cause.take()
    }
}

/// A client that remembers why.
#[derive(Debug)]
pub(super) struct Client {
    inner: Box<dyn HttpClient>,
    cause: Cause,
}

impl Client {
    /// One for addresses that begin with `https`, if there is TLS, or else with `http`.
    pub(super) fn new(tls: Option<Tls>, limit: Duration, cause: Cause) -> Self {
        let inner: Box<dyn HttpClient> = match tls {
            Some(tls) => {
                let connector = HttpsConnectorBuilder::new()
                    .with_tls_config(tls.for_http())
                    .https_only()
                    .enable_http1()
                    .build();
                Box::new(HyperClient::new(connector, limit, None))
            }
            None => Box::new(HyperClient::with_default_connector(limit, None)),
        };
        Self { inner, cause }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.inner.send_bytes(request).await;
        let cause = answer.as_ref().err().map(|error| chain(error.as_ref()));
        self.cause.set(cause);
        answer
    }
}
