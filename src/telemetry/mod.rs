//! Traces, logs and the export of metrics. One subscriber serves traces and logs, with a filter each.
//!
//! Log lines go to standard error. Spans and metrics go to an OTLP collector when one is set. Invariants:
//!
//! 1. The filter of the log never takes a span out of a trace.
//! 2. A collector that is slow, away or broken never stops or slows booking: spans wait in a bounded
//!    queue on a thread of their own, and spans that do not fit are dropped and counted.
//! 3. A turn that found no work makes no trace. Of the others the sampler decides when they begin; keeping slow and
//!    failed ones is up to the collector.

mod counts;
mod destination;
mod error;
mod export;
mod human;
mod ids;
mod logs;
mod metrics;
mod otlp;
mod program;
mod resource;
mod trace_filter;
mod trouble;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::config::{Exporter, Logging, MetricsExport, Settings, Telemetry};
use counts::Counts;
use export::ExportEnd;
use ids::Installed;
use metrics::MetricExport;

pub use destination::{Destination, Signal};
pub use error::TelemetryError;
pub use logs::{ALWAYS, DETAILED, FilterError, LogFilter};
pub use resource::replica;

/// Time for the last spans to be exported when the program ends.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Prefix of the crates of this workspace: their spans are exported, spans of libraries are not.
const OUR_CRATES: &str = "cue_";

/// Owner of the exporters. Finish it when the program ends, so that the last spans and metrics are exported.
#[derive(Debug)]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
    metrics: Option<MetricExport>,
    ended: ExportEnd,
    installed: Installed,
    counts: Counts,
    filter: LogFilter,
}

/// Sets up logs, traces and the export of the metrics in `registry`, for the whole process. Call it once, inside the
/// runtime.
pub fn init(
    settings: &Settings,
    registry: &prometheus::Registry,
) -> Result<TelemetryGuard, TelemetryError> {
    let Settings {
        telemetry,
        metrics,
        logging,
        ..
    } = settings;
    let exporter = otlp::exporter(telemetry)?;
    let (subscriber, mut guard) = subscriber(telemetry, logging, exporter, std::io::stderr)?;
    guard.metrics = MetricExport::new((telemetry, metrics), registry, &guard.counts.metrics)?;
    let dispatch = Dispatch::new(subscriber);
    guard.installed.is(&dispatch);
    tracing::dispatcher::set_global_default(dispatch)?;
    match Destination::of(telemetry) {
        Some(destination) => tracing::info!(
            sampler = telemetry.sampler_text(),
            "traces go to {destination}"
        ),
        None => tracing::info!(
            "traces are not exported: {}",
            telemetry.not_exported_because()
        ),
    }
    match Destination::of_metrics(telemetry, metrics) {
        Some(destination) => tracing::info!("metrics go to {destination}, and are at /metrics"),
        None if metrics.exporter == Exporter::Otlp => tracing::warn!(
            "metrics are at /metrics and not exported: {}",
            telemetry.no_collector_because()
        ),
        None => {}
    }
    Ok(guard)
}

/// Asks the collector of the settings to take no span at all. Returns `None` if spans are not exported.
pub async fn try_collector(telemetry: &Telemetry) -> Option<(Destination, Result<(), String>)> {
    let destination = Destination::of(telemetry)?;
    let answer = match otlp::exporter(telemetry) {
        Ok(Some(exporter)) => {
            let exported = tokio::time::timeout(telemetry.timeout, exporter.export(Vec::new()));
            match exported.await {
                Ok(answer) => answer.map_err(|error| error.to_string()),
                Err(_elapsed) => Err(format!("no answer in {:?}", telemetry.timeout)),
            }
        }
        Ok(None) => return None,
        Err(error) => Err(crate::output::chain(&error)),
    };
    Some((destination, answer))
}

/// Asks the collector of metrics to take none. Returns `None` if metrics are not exported.
pub async fn try_metrics_collector(
    telemetry: &Telemetry,
    export: &MetricsExport,
) -> Option<(Destination, Result<(), String>)> {
    metrics::try_collector(telemetry, export).await
}

/// Makes the subscriber that [`init`] installs, with any exporter and any place for log lines.
pub fn subscriber<E, W>(
    telemetry: &Telemetry,
    logging: &Logging,
    exporter: Option<E>,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + 'static, TelemetryGuard), TelemetryError>
where
    E: SpanExporter + 'static,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (counts, ended) = (Counts::new(), ExportEnd::default());
    let installed = Installed::default();
    let (lines, filter) = logs::layer(logging, writer, &installed)?;
    let mut layers = vec![lines];
    let provider = exporter.map(|exporter| export::provider(telemetry, exporter, &counts, &ended));
    if let Some(provider) = &provider {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer_with_scope(scope()))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            // Nothing here asks for the current OpenTelemetry context; spans know their own.
            .with_context_activation(false)
            .with_filter(Targets::new().with_target(OUR_CRATES, LevelFilter::INFO));
        layers.push(Box::new(layer));
    }
    let guard = TelemetryGuard {
        provider,
        metrics: None,
        ended,
        installed,
        counts,
        filter,
    };
    Ok((Registry::default().with(layers), guard))
}

/// The library that makes the spans, and the version of OpenTelemetry's conventions that their names follow.
fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("cue-scheduler")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(resource::SCHEMA_URL)
        .build()
}

impl TelemetryGuard {
    /// Registers the metrics of exports, and those of the program as a process.
    pub fn register(&self, registry: &prometheus::Registry) -> Result<(), prometheus::Error> {
        self.counts.register(registry)?;
        program::register(registry)
    }

    /// Exports the metrics once an interval, if the settings ask for it.
    pub async fn export_metrics(&self) -> Infallible {
        match &self.metrics {
            Some(metrics) => metrics.repeat().await,
            None => std::future::pending().await,
        }
    }

    /// Filter of the log, to change it while the program runs.
    #[must_use]
    pub fn filter(&self) -> LogFilter {
        self.filter.clone()
    }

    /// Exports the last spans and metrics, for a few seconds at most.
    pub async fn finish(self) {
        self.finish_within(FLUSH_LIMIT).await;
    }

    async fn finish_within(self, limit: Duration) {
        let metrics = async {
            if let Some(metrics) = &self.metrics {
                metrics.once(limit).await;
            }
        };
        let spans = finish_spans(self.provider, self.ended, limit);
        tokio::join!(metrics, spans);
    }
}

/// Exports the last spans.
async fn finish_spans(provider: Option<SdkTracerProvider>, ended: ExportEnd, limit: Duration) {
    let Some(provider) = provider else {
        return;
    };
    // The exporter needs the runtime, so it must not be blocked while the last spans are sent.
    let flush = tokio::task::spawn_blocking(move || {
        let flushed = provider.shutdown_with_timeout(limit);
        // Spans that are not exported by now are given up, since the runtime ends next.
        ended.end();
        flushed
    });
    match flush.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the last spans may not have been exported"),
        Err(error) => tracing::warn!(%error, "the export of the last spans broke off"),
    }
}
