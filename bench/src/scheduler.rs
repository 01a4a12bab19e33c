//! The scheduler, run in this process on a database.

use std::collections::BTreeMap;

use anyhow::Context;
use cue_scheduler::config::{self, Settings};
use cue_scheduler::pipeline::Pipeline;
use prometheus::Registry;

/// A scheduler that runs.
pub struct Scheduler {
    /// Its pipeline.
    pub pipeline: Pipeline,
    /// Its metrics.
    pub registry: Registry,
    /// Its settings.
    pub settings: Settings,
}

/// Settings for a benchmark: the given variables over the caller's own `CUE_*` ones, so that every
/// benchmark can be run with any setting changed.
///
/// # Errors
/// A setting is refused.
pub fn settings(variables: &[(&str, String)]) -> anyhow::Result<Settings> {
    let mut environment: BTreeMap<String, String> = std::env::vars()
        .filter(|(name, _)| name.starts_with("CUE_") && !name.starts_with("CUE_SIMFARM"))
        .collect();
    environment.extend(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    config::load(None, &environment, &[])
        .settings
        .map_err(|faults| anyhow::anyhow!("{faults}"))
}

impl Scheduler {
    /// Builds and starts it.
    ///
    /// # Errors
    /// It cannot start.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        let registry = Registry::new();
        let pipeline = Pipeline::build(&settings, &registry)
            .await
            .context("the scheduler cannot start")?;
        Ok(Self {
            pipeline,
            registry,
            settings,
        })
    }

    /// The sum of a counter over its labels; 0 when there is none of that name.
    #[must_use]
    pub fn counter(&self, name: &str) -> f64 {
        counter(&self.registry, name)
    }
}

/// The sum of a counter over its labels; 0 when there is none of that name.
#[must_use]
pub fn counter(registry: &Registry, name: &str) -> f64 {
    registry
        .gather()
        .iter()
        .filter(|family| family.name() == name)
        .flat_map(|family| {
            family
                .get_metric()
                .iter()
                .map(|metric| metric.get_counter().get_value())
        })
        .sum()
}
