//! Start of the pipeline for the service, with the conditions of its readiness.

use std::sync::Arc;
use std::time::Instant;

use cue_cluster_feed::FeedHandle;
use cue_domain::BookingHealth;
use cue_loops::{Latest, maestro_conflict};
use cue_store::{Connected, Store};
use prometheus::Registry;

use crate::admin::{Probe, asked_once};
use crate::config::Settings;
use crate::hosts::{FarmHosts, HostParts};
use crate::pipeline::{self, Pipeline};
use crate::report;
use crate::service::{Running, StartError};
use crate::why::{Explainer, Seen};

/// Builds the pipeline.
///
/// # Errors
/// It cannot be built; nothing runs then.
pub async fn start(settings: &Settings, registry: &Registry) -> Result<Running, StartError> {
    let pipeline = Pipeline::build(settings, registry)
        .await
        .map_err(|source| StartError::Pipeline {
            doing: match source {
                pipeline::StartError::Store(_) => "connect to the database",
                pipeline::StartError::Facility { .. } => "serve the facility",
                pipeline::StartError::Timings(_) => "book beside other replicas",
                pipeline::StartError::Metrics(_) => "register the metrics",
            },
            source: source.into(),
        })?;
    let explainer = explainer(&pipeline, settings);
    let hosts = farm_hosts(&pipeline);
    let status = report::reader(&pipeline, settings.booking.dry_run);
    let probes = probes(&pipeline, settings);
    let Pipeline {
        flow,
        feed,
        pauses,
        store,
        settle,
        ..
    } = pipeline;
    let finish = async move {
        settle.last_look().await;
        store.close().await;
    };
    Ok(Running {
        flow,
        feed,
        probes,
        status,
        explainer: Some(explainer),
        hosts: Some(hosts),
        pauses: Some(pauses),
        finish: Box::pin(finish),
    })
}

/// Probes that must be well for a pipeline to be ready.
#[must_use]
pub fn probes(pipeline: &Pipeline, settings: &Settings) -> Vec<Probe> {
    let store = &pipeline.store;
    vec![
        database_probe(store.clone()),
        breaker_probe(store.clone()),
        booking_probe(pipeline.health.clone()),
        feed_probe(pipeline.flow.stop_token()),
        maestro_probe(pipeline.replicas.clone()),
        facility_probe(pipeline.feed.clone(), settings.feed.facility.clone()),
    ]
}

fn database_probe(store: Store) -> Probe {
    asked_once("database", move || {
        let store = store.clone();
        async move {
            let answer = store.ping().await;
            answer.map_err(|error| crate::output::chain(&error))
        }
    })
}

/// Not ready while every booking fails. The probe asks nobody: the stages have tried.
fn booking_probe(health: BookingHealth) -> Probe {
    Probe::new("booking", move || {
        let trouble = health.trouble(Instant::now());
        async move { trouble.map_or(Ok(()), |trouble| Err(trouble.to_string())) }
    })
}

/// It asks nobody: it says what the stages have found.
fn breaker_probe(store: Store) -> Probe {
    Probe::new("breaker", move || {
        let outage = store.outage();
        async move {
            outage.map_or(Ok(()), |outage| {
                Err(format!(
                    "the database does not answer and is asked again in {} ms",
                    outage.retry_in.as_millis()
                ))
            })
        }
    })
}

/// Not ready while somebody else plans the same shows, though booking goes on.
fn maestro_probe(roll: Latest<Connected>) -> Probe {
    Probe::new("maestro", move || {
        let leader = roll.read().maestro;
        async move { leader.map_or(Ok(()), |leader| Err(maestro_conflict(&leader))) }
    })
}

/// It asks nobody: the scan has looked.
fn facility_probe(feed: FeedHandle, facility: Option<String>) -> Probe {
    Probe::new("facility", move || {
        let gone = facility.clone().filter(|_| feed.is_facility_gone());
        async move {
            gone.map_or(Ok(()), |name| {
                Err(format!(
                    "facility {name} is not in the database: was it renamed or removed? Nothing is booked; see CUE_FACILITY"
                ))
            })
        }
    })
}

fn feed_probe(stop: cue_flow::StopToken) -> Probe {
    Probe::new("feed", move || {
        let stopped = stop.is_cancelled();
        async move {
            if stopped {
                Err("the feed has been told to stop".to_owned())
            } else {
                Ok(())
            }
        }
    })
}

/// The hosts of the farm, for people.
#[must_use]
pub fn farm_hosts(pipeline: &Pipeline) -> FarmHosts {
    FarmHosts::new(HostParts {
        store: pipeline.store.clone(),
        hosts: pipeline.hosts.clone(),
        demand: pipeline.demand.clone(),
        closed: pipeline.closed.clone(),
        backoffs: Arc::clone(&pipeline.host_backoffs),
        missing: Arc::clone(&pipeline.missing),
        pending: Arc::clone(&pipeline.pending),
        refusals: pipeline.refusals.clone(),
        supply: Arc::clone(&pipeline.supply),
    })
}

/// Says why something does not run, from the database and from what the pipeline has seen.
#[must_use]
pub fn explainer(pipeline: &Pipeline, settings: &Settings) -> Explainer {
    let seen = Seen {
        layers: Arc::clone(&pipeline.layer_backoffs),
        hosts: pipeline.hosts.clone(),
        closed: pipeline.closed.clone(),
        refusals: pipeline.refusals.clone(),
        health: pipeline.health.clone(),
        farm: pipeline.farm.clone(),
        demand: pipeline.demand.clone(),
        pauses: pipeline.pauses.clone(),
    };
    Explainer::new(pipeline.store.clone(), settings, Some(seen))
}
