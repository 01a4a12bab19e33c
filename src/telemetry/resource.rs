//! Who sends the spans: the attributes of this process.
//!
//! Invariant: the `service.instance.id` is the host's name and the process's number, so the replicas
//! of a farm can be told apart in every trace. Containers need host names of their own for that, for
//! in each of them the process may have the same number.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;

use crate::config::Telemetry;

/// The name of this service, if nobody gives it another.
const SERVICE: &str = "cue-scheduler";

const SERVICE_NAME: &str = "service.name";

/// The attributes of this process; those of the settings win over the built-in ones.
pub(super) fn resource(telemetry: &Telemetry) -> Resource {
    let given = telemetry
        .resource_attributes
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    // The name has a setting of its own, which is the more precise one.
    let name = telemetry.service_name.clone();
    let name = name.map(|name| KeyValue::new(SERVICE_NAME, name));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new(SERVICE_NAME, SERVICE))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", replica()))
        .with_attributes(given.chain(name))
        .build()
}

/// The name of this process among the replicas: the host's name and the process id.
#[must_use]
pub fn replica() -> String {
    let name = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned());
    format!("{name}-{}", std::process::id())
}
