//! Attributes of this process in traces and exported metrics.
//!
//! Invariant: `service.instance.id` is the host's name and the process id, so replicas can be distinguished in every
//! trace. Containers need host names of their own for that, because their process ids may be equal.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use crate::config::Telemetry;

/// Version of OpenTelemetry's conventions.
pub(super) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.40.0";

const SERVICE_NAME: &str = "service.name";

/// Attributes of this process; those of the settings win over the built-in ones.
pub(super) fn resource(telemetry: &Telemetry) -> Resource {
    let given = telemetry
        .resource_attributes
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    // The name has a setting of its own, which wins over the attribute.
    let name = telemetry.service_name.clone();
    let name = name.map(|name| KeyValue::new(SERVICE_NAME, name));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new(SERVICE_NAME, "cue-scheduler"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", replica()))
        .with_attributes(given.chain(name))
        .build()
}

/// Name of this process among the replicas: the host's name and the process id.
#[must_use]
pub fn replica() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    format!("{name}-{}", std::process::id())
}
