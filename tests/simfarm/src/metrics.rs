//! Metrics of a scheduler, as a test reads them.

use prometheus::Registry;

/// The sum of a counter or a gauge, or the count of a histogram, over the series with all of these label values.
#[must_use]
pub fn sum(registry: &Registry, name: &str, labels: &[&str]) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metrics = family.iter().flat_map(|family| family.get_metric());
    let wanted = metrics.filter(|metric| {
        let own = metric.get_label();
        let has = |value: &&str| own.iter().any(|label| label.value() == *value);
        labels.iter().all(has)
    });
    wanted
        .map(|metric| {
            metric.get_counter().get_value()
                + metric.get_gauge().get_value()
                + metric.get_histogram().get_sample_count() as f64
        })
        .sum()
}
