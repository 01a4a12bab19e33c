//! Failures to set up telemetry.

use super::destination::Signal;
use super::logs::FilterError;

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of the log cannot be used.
    #[error("logging cannot be set up, set CUE_LOG to a filter such as `info`")]
    Filter(#[from] FilterError),
    /// The exporter refuses its settings.
    #[error("{} cannot be exported to {endpoint}, check the variables OTEL_EXPORTER_OTLP_*", signal.contents())]
    Exporter {
        /// The signal.
        signal: Signal,
        /// Address of the collector.
        endpoint: String,
        /// Reason of the exporter.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Another subscriber was installed before.
    #[error("logging was already set up in this process, call `init` once")]
    Installed(#[from] tracing::subscriber::SetGlobalDefaultError),
}
