//! The way of a span: sampler, filter of traces, bounded queue, exporter.
//!
//! Invariants: every span that passes the filter is counted once, as exported, failed or left out; a failed export goes
//! no further than a counter and a log line; an export runs inside the program's runtime and ends within the timeout.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler as Sdk, SdkTracerProvider, SpanData,
    SpanExporter,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::counts::Counts;
use super::destination::Destination;
use super::resource::resource;
use super::trace_filter::TraceFilter;
use super::trouble::Trouble;
use crate::config::{Sampler, Telemetry};

/// Tracer provider with a thread of its own for exports. Call it inside the runtime.
pub(super) fn provider<E: SpanExporter + 'static>(
    telemetry: &Telemetry,
    exporter: E,
    counts: &Counts,
    ended: &ExportEnd,
) -> SdkTracerProvider {
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(telemetry.queue.get())
        // A small queue must not be refused because of the default size of a batch.
        .with_max_export_batch_size(telemetry.batch.min(telemetry.queue).get())
        .with_scheduled_delay(telemetry.delay)
        .build();
    let slots = Arc::new(Semaphore::new(telemetry.queue.get()));
    let monitored = MonitoredExporter {
        inner: exporter,
        runtime: Handle::current(),
        timeout: telemetry.timeout.min(telemetry.export_timeout),
        slots: Arc::clone(&slots),
        counts: counts.clone(),
        trouble: Trouble::new(Destination::of(telemetry)),
        ended: ended.clone(),
    };
    let queue = BatchSpanProcessor::new(monitored, batches);
    SdkTracerProvider::builder()
        .with_sampler(sampler(telemetry))
        .with_resource(resource(telemetry))
        .with_span_processor(TraceFilter::new(queue, slots, counts.clone()))
        .build()
}

fn sampler(telemetry: &Telemetry) -> Sdk {
    let ratio = Sdk::TraceIdRatioBased(telemetry.sampler_arg.unwrap_or(1.0));
    let parent_based = |root| Sdk::ParentBased(Box::new(root));
    match telemetry.sampler {
        Sampler::AlwaysOn => Sdk::AlwaysOn,
        Sampler::AlwaysOff => Sdk::AlwaysOff,
        Sampler::TraceIdRatio => ratio,
        Sampler::ParentBasedAlwaysOn => parent_based(Sdk::AlwaysOn),
        Sampler::ParentBasedAlwaysOff => parent_based(Sdk::AlwaysOff),
        Sampler::ParentBasedTraceIdRatio => parent_based(ratio),
    }
}

/// Exporter that bounds exports and counts their spans, and logs when exports fail and when they succeed again.
#[derive(Debug)]
struct MonitoredExporter<E> {
    inner: E,
    runtime: Handle,
    /// OTLP exporters bound a request, but not the time to connect.
    timeout: Duration,
    slots: Arc<Semaphore>,
    counts: Counts,
    trouble: Trouble,
    ended: ExportEnd,
}

impl<E: SpanExporter> SpanExporter for MonitoredExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.slots.add_permits(batch.len());
        // The thread of the batch processor has no runtime, and may block.
        let result = self.ended.unless_ended(|| {
            self.runtime.block_on(async {
                let export = tokio::time::timeout(self.timeout, self.inner.export(batch));
                let exported = self.ended.token.run_until_cancelled(export).await;
                match exported {
                    Some(Ok(exported)) => exported,
                    Some(Err(_elapsed)) => Err(OTelSdkError::Timeout(self.timeout)),
                    None => Err(OTelSdkError::AlreadyShutdown),
                }
            })
        });
        let label = if result.is_ok() { "ok" } else { "failed" };
        self.counts.spans.inc_by(label, spans);
        match &result {
            Ok(()) => self.trouble.is_over(),
            Err(OTelSdkError::AlreadyShutdown) => {}
            Err(error) => self.trouble.record(spans, error),
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The end of exports. Clones share it.
///
/// Invariant: once [`end`](Self::end) has returned, no export uses the runtime, which may go then.
#[derive(Clone, Debug, Default)]
pub(super) struct ExportEnd {
    token: CancellationToken,
    exporting: Arc<Mutex<()>>,
}

impl ExportEnd {
    /// Cuts off an export that is under way, and lets none begin. Blocks for a moment.
    pub(super) fn end(&self) {
        self.token.cancel();
        drop(self.exporting.lock());
    }

    fn unless_ended(&self, export: impl FnOnce() -> OTelSdkResult) -> OTelSdkResult {
        let _exporting = self.exporting.lock();
        if self.token.is_cancelled() {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        export()
    }
}

#[cfg(test)]
mod tests;
