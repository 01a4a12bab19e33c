//! Export of the metrics to an OTLP collector, beside `/metrics`.
//!
//! Invariants: the collector receives the families of the registry that `/metrics` shows, so each is declared once;
//! a collector that is slow, away or broken costs a count and a log line a minute, and booking goes on.

mod client;
mod families;

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use cue_flow::Labelled;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use prometheus::Registry;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use self::client::Client;
use super::destination::Destination;
use super::error::TelemetryError;
use super::resource::resource;
use super::trouble::Trouble;
use crate::config::{MetricsExport, Telemetry};

/// Periodic export of the metrics of a registry.
#[derive(Debug)]
pub(super) struct MetricExport {
    client: Client,
    registry: Registry,
    resource: Resource,
    /// Beginning of all counts.
    began: SystemTime,
    interval: Duration,
    timeout: Duration,
    exports: Labelled,
    trouble: Trouble,
}

impl MetricExport {
    /// The export that the settings ask for, if any. Call it inside the runtime.
    pub(super) fn new(
        (telemetry, metrics): (&Telemetry, &MetricsExport),
        registry: &Registry,
        exports: &Labelled,
    ) -> Result<Option<Self>, TelemetryError> {
        let Some(destination) = Destination::of_metrics(telemetry, metrics) else {
            return Ok(None);
        };
        Ok(Some(Self {
            client: connect(metrics, &destination)?,
            registry: registry.clone(),
            resource: resource(telemetry),
            began: SystemTime::now(),
            interval: metrics.interval,
            timeout: metrics.timeout.min(metrics.export_timeout),
            exports: exports.clone(),
            trouble: Trouble::new(Some(destination)),
        }))
    }

    /// Exports the metrics once an interval.
    pub(super) async fn repeat(&self) -> Infallible {
        let mut ticks = interval_at(Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.once(self.timeout).await;
        }
    }

    /// Exports the metrics as they are now, within `limit`.
    pub(super) async fn once(&self, limit: Duration) {
        let families = self.registry.gather();
        let times = (self.began, SystemTime::now());
        let request = families::request(&families, &self.resource, times);
        let timeout = self.timeout.min(limit);
        match send(&self.client, request, timeout).await {
            Ok(()) => {
                self.exports.inc("ok");
                self.trouble.is_over();
            }
            Err(error) => {
                self.exports.inc("failed");
                self.trouble.record(1, &error);
            }
        }
    }
}

/// Asks the collector of the settings to take no metric at all. Returns `None` if metrics are not exported.
pub(super) async fn try_collector(
    telemetry: &Telemetry,
    metrics: &MetricsExport,
) -> Option<(Destination, Result<(), String>)> {
    let destination = Destination::of_metrics(telemetry, metrics)?;
    let answer = match connect(metrics, &destination) {
        Ok(client) => {
            let nothing = ExportMetricsServiceRequest::default();
            let answer = send(&client, nothing, metrics.timeout).await;
            answer.map_err(|error| error.to_string())
        }
        Err(error) => Err(crate::output::chain(&error)),
    };
    Some((destination, answer))
}

fn connect(metrics: &MetricsExport, destination: &Destination) -> Result<Client, TelemetryError> {
    let endpoint = &destination.endpoint;
    Client::new(metrics.otlp(), endpoint).map_err(|source| TelemetryError::Exporter {
        signal: destination.signal,
        endpoint: endpoint.clone(),
        source,
    })
}

async fn send(
    client: &Client,
    request: ExportMetricsServiceRequest,
    timeout: Duration,
) -> OTelSdkResult {
    match tokio::time::timeout(timeout, client.send(request)).await {
        Ok(answer) => answer.map_err(OTelSdkError::InternalFailure),
        Err(_elapsed) => Err(OTelSdkError::Timeout(timeout)),
    }
}
