//! The collectors of traces and metrics: where they are, the protocol, and what they answer.

use super::finding::{Finding, ok, warn};
use crate::config::Settings;
use crate::telemetry::{Destination, Signal, try_collector, try_metrics_collector};

/// Tries the collectors. They are asked to take nothing. Without an export of metrics there is no finding about it.
pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    let telemetry = &settings.telemetry;
    let sampler = format!("; sampler {}", telemetry.sampler_text());
    let traces = match try_collector(telemetry).await {
        None => {
            let reason = telemetry.not_exported_because();
            ok(format!("traces are not exported: {reason}"))
        }
        Some(tried) => judge("traces", tried, &sampler),
    };
    let metrics = try_metrics_collector(telemetry, &settings.metrics).await;
    let metrics = metrics.map(|tried| judge("metrics", tried, ""));
    let metrics = metrics.map(|finding| finding.about("metrics"));
    [traces.about("traces")]
        .into_iter()
        .chain(metrics)
        .collect()
}

fn judge(
    signal: &str,
    (destination, answer): (Destination, Result<(), String>),
    more: &str,
) -> Finding {
    match answer {
        Ok(()) => ok(format!("{signal} go to {destination}, which answers{more}")),
        Err(error) => {
            let lost = match destination.signal {
                Signal::Traces => "booking goes on, and traces are lost",
                Signal::Metrics => "booking goes on, and the metrics are at /metrics alone",
            };
            let advice = destination.hint(&error).unwrap_or(lost);
            let says = format!("{signal} go to {destination}{more}, and it fails: {error}");
            warn(says, advice)
        }
    }
}
