//! An exporter that is watched: its failures are counted, and told once when they begin and end. So is
//! a queue in front of it that has no room.
//!
//! Invariant: a failure goes no further than a counter and a log line.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::counts::Counts;
use super::queue::Places;

/// Passes spans to another exporter and watches what comes of it.
#[derive(Debug)]
pub(super) struct Watched<E> {
    inner: E,
    places: Places,
    counts: Counts,
    failing: AtomicBool,
    overrun: AtomicBool,
    /// How many spans had been left out when this was last looked at.
    left_out: AtomicU64,
}

impl<E> Watched<E> {
    pub(super) fn new(inner: E, places: Places, counts: Counts) -> Self {
        Self {
            inner,
            places,
            counts,
            failing: AtomicBool::new(false),
            overrun: AtomicBool::new(false),
            left_out: AtomicU64::new(0),
        }
    }

    fn note(&self, spans: usize, result: &OTelSdkResult) {
        let ok = result.is_ok();
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        self.counts.spans(ok, spans);
        let failed_before = self.failing.swap(!ok, Ordering::Relaxed);
        match result {
            Err(error) if !failed_before => {
                tracing::warn!(%error, "spans cannot be exported, booking goes on without traces");
            }
            Ok(()) if failed_before => tracing::info!("spans are exported again"),
            _ => {}
        }
        self.note_left_out();
    }

    /// Tells here of spans that were left out, and not where they are: that is in the midst of the work.
    fn note_left_out(&self) {
        let left_out = self.counts.left_out();
        if left_out > self.left_out.swap(left_out, Ordering::Relaxed) {
            if !self.overrun.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    left_out,
                    "spans end faster than the collector takes them, traces have gaps"
                );
            }
        } else if self.places.all_free() {
            self.overrun.store(false, Ordering::Relaxed);
        }
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.places.give_back(spans);
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
