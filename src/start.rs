//! Starting the pipeline for the shell: what must be well for it to be ready, and what there is to see.

use std::time::Duration;

use cue_cluster_feed::{ClusterStatus, TurnBook};
use cue_hosts::HostIndex;
use prometheus::Registry;
use serde_json::{Value, json};

use crate::admin::{Probe, Section};
use crate::config::Settings;
use crate::pipeline::{self, Pipeline};
use crate::service::{Running, StartError};

/// How long unsettled launches are looked after once the pipeline has drained.
const LAST_SETTLING: Duration = Duration::from_secs(10);

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
                pipeline::StartError::Metrics(_) => "register the metrics",
            },
            source: source.into(),
        })?;
    let Pipeline {
        flow,
        book,
        hosts,
        store,
        settle,
    } = pipeline;
    let probes = vec![
        Probe::new("database", {
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
        feed_probe(flow.stop_token()),
    ];
    let sections = vec![clusters(book), farm(hosts)];
    let finish = async move {
        // Whatever the drain left open is given a last chance: what does not run waits again.
        match tokio::time::timeout(LAST_SETTLING, settle.once()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "open launches could not be settled"
            ),
            Err(_) => tracing::warn!("open launches could not be settled in time"),
        }
        store.close().await;
    };
    Ok(Running {
        flow,
        probes,
        sections,
        finish: Box::pin(finish),
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

fn clusters(book: TurnBook) -> Section {
    Section::new("clusters", move || {
        book.status().iter().map(cluster).collect()
    })
}

fn cluster(status: &ClusterStatus) -> Value {
    json!({
        "name": status.cluster.to_string(),
        "facility": &*status.cluster.facility_name,
        "show": &*status.cluster.show_name,
        "kind": status.cluster.key.kind.label(),
        "tags": status.cluster.key.tags.iter().map(cue_domain::Tag::as_str).collect::<Vec<_>>(),
        "turn": if status.due_in.is_some() { "waiting" } else { "running" },
        "due_in_ms": status.due_in.map(|due| u64::try_from(due.as_millis()).unwrap_or(u64::MAX)),
        "last": status.last.map(|end| json!({
            "reason": end.reason(), "jobs": end.jobs, "layers": end.layers, "placed": end.placed,
            "booked": end.booked, "launched": end.launched, "refused": end.refused,
        })),
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
