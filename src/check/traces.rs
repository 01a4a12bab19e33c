//! The collector of traces: where spans go, by which protocol and sampler, and what it answers.

use super::finding::{Finding, ok, warn};
use crate::config::Telemetry;
use crate::telemetry::try_collector;

/// Subject of these findings.
const TRACES: &str = "traces";

/// Tries the collector. It is asked to take no span.
pub(super) async fn look(telemetry: &Telemetry) -> Finding {
    let sampler = telemetry.sampler_text();
    let found = match try_collector(telemetry).await {
        None => {
            let reason = telemetry.not_exported_because();
            ok(format!("traces are not exported: {reason}"))
        }
        Some((destination, Ok(()))) => ok(format!(
            "traces go to {destination}, which answers; sampler {sampler}"
        )),
        Some((destination, Err(error))) => warn(
            format!("traces go to {destination}, sampler {sampler}, and it fails: {error}"),
            destination
                .hint(&error)
                .unwrap_or("booking goes on, and traces are lost"),
        ),
    };
    found.about(TRACES)
}
