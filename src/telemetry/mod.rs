//! Traces and logs: one subscriber for both, with a filter each.
//!
//! Log lines go to standard error. Spans go to an OTLP collector when one is set. Invariants:
//!
//! 1. The filter of the log never takes a span out of a trace.
//! 2. A collector that is slow, away or broken never stops or slows booking: spans wait in a bounded
//!    queue on a thread of their own, and what does not fit is left out.
//! 3. A turn that found no work makes no trace; of the others, those that failed or were slow always
//!    make one.

mod counts;
mod export;
mod http;
mod logs;
mod otlp;
mod queue;
mod resource;
mod sampler;
mod tail;
mod tls;
mod watched;

#[cfg(test)]
mod tests;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::config::{Logging, Telemetry};
use counts::Counts;

pub use logs::{ALWAYS, DETAILED, FilterError, LogFilter};
pub use resource::replica;
pub use tls::TlsError;

/// How long the end of the program waits for the last spans to be exported.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// The crates of this workspace: their spans are exported, those of libraries are not.
const OUR_CRATES: &str = "cue_";

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of the log is not one.
    #[error("the log filter `{filter}` cannot be read, set CUE_LOG to one such as `info`")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The exporter could not be made.
    #[error("spans cannot be exported to {endpoint}, check OTEL_EXPORTER_OTLP_ENDPOINT")]
    Exporter {
        /// The collector.
        endpoint: String,
        /// What is wrong with it.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// The collector is to be reached over TLS, and what that needs is not there.
    #[error("spans cannot be exported over TLS")]
    Tls(#[from] TlsError),
    /// Something cannot be a header.
    #[error("the header `{name}` cannot be sent with spans, check OTEL_EXPORTER_OTLP_HEADERS")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: axum::http::Error,
    },
    /// Another subscriber was installed before.
    #[error("logging was already set up in this process, call `init` once")]
    Installed(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Keeps telemetry going. Finish it when the program ends, so that the last spans are exported.
#[derive(Debug)]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
    counts: Counts,
    filter: LogFilter,
}

/// Sets up logs and traces for the whole process. Call it once, inside the runtime.
pub fn init(telemetry: &Telemetry, logging: &Logging) -> Result<TelemetryGuard, TelemetryError> {
    let exporter = otlp::exporter(telemetry)?;
    let (subscriber, guard) = subscriber(telemetry, logging, exporter, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber)?;
    // The client that calls hosts writes the trace into its requests with this propagator.
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(guard)
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
    let counts = Counts::new();
    let (lines, filter) = logs::layer(logging, writer)?;
    let mut layers = vec![lines];
    let provider = exporter.map(|exporter| export::provider(telemetry, exporter, &counts));
    if let Some(provider) = &provider {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("cue-scheduler"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            // Nothing here asks for the current OpenTelemetry context; spans know their own.
            .with_context_activation(false)
            .with_filter(Targets::new().with_target(OUR_CRATES, LevelFilter::INFO));
        layers.push(Box::new(layer));
    }
    let guard = TelemetryGuard {
        provider,
        counts,
        filter,
    };
    Ok((Registry::default().with(layers), guard))
}

impl TelemetryGuard {
    /// Adds the numbers about traces to the metrics.
    pub fn register(&self, registry: &prometheus::Registry) -> Result<(), prometheus::Error> {
        self.counts.register(registry)
    }

    /// The filter of the log, to change it while the program runs.
    #[must_use]
    pub fn filter(&self) -> LogFilter {
        self.filter.clone()
    }

    /// Exports what is left, for a few seconds at most.
    pub async fn finish(self) {
        self.finish_within(FLUSH_LIMIT).await;
    }

    async fn finish_within(mut self, limit: Duration) {
        let Some(provider) = self.provider.take() else {
            return;
        };
        // The exporter needs the runtime, so it must not be blocked while the last spans are sent.
        let flush = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(limit));
        match flush.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans may not have been exported"),
            Err(error) => tracing::warn!(%error, "the export of the last spans broke off"),
        }
    }

    /// Waits until all spans that have ended are exported.
    #[cfg(test)]
    fn flush(&self) {
        if let Some(provider) = &self.provider {
            provider.force_flush().unwrap();
        }
    }
}
