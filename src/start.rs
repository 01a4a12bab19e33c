//! Starting the pipeline for the shell: what must be well for it to be ready, and what there is to see.

use std::sync::Arc;

use cue_cluster_feed::{ClusterStatus, FeedHandle, Phase, TurnBook};
use cue_dispatch::{AccountsState, Refusals};
use cue_hosts::HostIndex;
use cue_store::Store;
use prometheus::Registry;
use serde_json::{Value, json};

use crate::admin::{Probe, Section, asked_once};
use crate::config::Settings;
use crate::pipeline::{self, Pipeline};
use crate::replicas::{Roll, maestro_conflict};
use crate::service::{Running, StartError};
use crate::why::{Oracle, Seen};
use crate::words;

/// Builds the pipeline and says how it is watched.
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
    let oracle = oracle(&pipeline, settings);
    let sections = sections(&pipeline);
    let Pipeline {
        flow,
        feed,
        store,
        settle,
        replicas,
        ..
    } = pipeline;
    let probes = vec![
        asked_once("database", {
            let store = store.clone();
            move || {
                let store = store.clone();
                async move {
                    store
                        .ping()
                        .await
                        .map_err(|error| crate::service::chain(&error))
                }
            }
        }),
        breaker_probe(store.clone()),
        feed_probe(flow.stop_token()),
        maestro_probe(replicas),
        facility_probe(feed.clone(), settings.feed.facility.clone()),
    ];
    let finish = async move {
        settle.last_look().await;
        store.close().await;
    };
    Ok(Running {
        flow,
        feed,
        probes,
        sections,
        oracle: Some(oracle),
        finish: Box::pin(finish),
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
fn maestro_probe(roll: Roll) -> Probe {
    Probe::new("maestro", move || {
        let leader = roll.maestro();
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

/// What there is to see of a pipeline besides its stages: the clusters, the hosts, and what keeps it
/// from working as it should.
#[must_use]
pub fn sections(pipeline: &Pipeline) -> Vec<Section> {
    vec![
        clusters(pipeline.book.clone()),
        farm(pipeline.hosts.clone()),
        condition(pipeline),
        connected(pipeline.replicas.clone()),
        refused(pipeline.refusals.clone()),
        accounts(pipeline.accounts.clone()),
    ]
}

/// Says why something does not run, from the database and from what the pipeline has seen.
#[must_use]
pub fn oracle(pipeline: &Pipeline, settings: &Settings) -> Oracle {
    let seen = Seen {
        layers: Arc::clone(&pipeline.resting_layers),
        hosts: pipeline.hosts.clone(),
        refusals: pipeline.refusals.clone(),
    };
    Oracle::new(pipeline.store.clone(), settings, Some(seen))
}

fn condition(pipeline: &Pipeline) -> Section {
    let (store, stop) = (pipeline.store.clone(), pipeline.flow.stop_token());
    let roll = pipeline.replicas.clone();
    let feed = pipeline.feed.clone();
    Section::new("condition", move || {
        let retry = store.outage().map(|outage| outage.retry_in.as_millis());
        let leader = roll.maestro();
        json!({
            "draining": stop.is_cancelled(),
            "facility_gone": feed.is_facility_gone(),
            "database_retry_ms": retry.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            "maestro_leader": leader.map(|leader| json!({ "session": leader.pid, "address": leader.address })),
        })
    })
}

fn clusters(book: TurnBook) -> Section {
    Section::new("clusters", move || {
        book.status().iter().map(cluster).collect()
    })
}

fn cluster(status: &ClusterStatus) -> Value {
    let (turn, due_in) = match status.phase {
        Phase::Running => ("running", None),
        Phase::Waiting(due) => ("waiting", Some(due)),
        Phase::Asleep => ("asleep", None),
    };
    json!({
        "name": status.cluster.to_string(),
        "facility": &*status.cluster.facility_name,
        "show": &*status.cluster.show_name,
        "kind": status.cluster.key.kind.label(),
        "tags": status.cluster.key.tags.iter().map(cue_domain::Tag::as_str).collect::<Vec<_>>(),
        "turn": turn,
        "due_in_ms": due_in.map(|due| u64::try_from(due.as_millis()).unwrap_or(u64::MAX)),
        "last": status.last.map(|end| json!({
            "reason": end.reason(), "jobs": end.jobs, "layers": end.layers, "placed": end.placed,
            "booked": end.booked, "launched": end.launched, "refused": end.refused,
        })),
    })
}

fn connected(roll: Roll) -> Section {
    Section::new("replicas", move || {
        let list = roll.read().replicas;
        let lines = list.iter().map(
            |one| json!({ "name": one.name, "connections": one.connections, "this": one.this }),
        );
        lines.collect()
    })
}

fn accounts(state: AccountsState) -> Section {
    Section::new("accounts", move || {
        let now = state.read();
        let age = now.checked.map(|age| age.as_millis());
        json!({
            "checked_ms_ago": age.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            "by": now.by,
            "this": now.leads,
            "differing": now.differing,
            "corrected": now.corrected,
        })
    })
}

fn refused(refusals: Refusals) -> Section {
    Section::new("last_refusals", move || {
        let last = refusals.last().into_iter();
        let told = last.map(|(cap, (why, age))| {
            let age = words::age(age);
            (cap.to_owned(), json!(format!("{why}, {age} ago")))
        });
        Value::Object(told.collect())
    })
}

fn farm(hosts: HostIndex) -> Section {
    Section::new("hosts", move || {
        let stats = hosts.stats();
        json!({
            "known": stats.hosts,
            "leased": stats.leased,
            "idle_centicores": stats.idle_cores.0,
            "total_centicores": stats.total_cores.0,
        })
    })
}
