//! An exporter that is watched: its failures are counted, and told once when they begin and end.
//!
//! Invariant: a failure goes no further than a counter and a log line.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::counts::Counts;

/// Passes spans to another exporter and watches what comes of it.
#[derive(Debug)]
pub(super) struct Watched<E> {
    inner: E,
    counts: Counts,
    failing: AtomicBool,
}

impl<E> Watched<E> {
    pub(super) fn new(inner: E, counts: Counts) -> Self {
        Self {
            inner,
            counts,
            failing: AtomicBool::new(false),
        }
    }

    fn note(&self, spans: usize, result: &OTelSdkResult) {
        let ok = result.is_ok();
        self.counts
            .spans(ok)
            .inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
        let failed_before = self.failing.swap(!ok, Ordering::Relaxed);
        match result {
            Err(error) if !failed_before => {
                tracing::warn!(%error, "spans cannot be exported, booking goes on without traces");
            }
            Ok(()) if failed_before => tracing::info!("spans are exported again"),
            _ => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        self.note(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
