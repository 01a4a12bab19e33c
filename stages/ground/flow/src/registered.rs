//! A metric that is kept and shown.

use prometheus::Registry;
use prometheus::core::Collector;

/// Registers a metric and hands it back, so that it can be made and kept in one expression.
///
/// # Errors
/// A metric of the same name is registered.
pub fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
