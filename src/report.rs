//! State of a running pipeline, for the admin server.
//!
//! Invariant: the state is made of numbers that are kept anyway; no lock that booking waits for is held for longer
//! than a copy takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cue_cluster_feed::{ClusterStatus, FeedHandle, Phase};
use cue_demand::DemandIndex;
use cue_dispatch::Refusals;
use cue_domain::backoff::Backoffs;
use cue_domain::{BookingHealth, BookingTrouble, LayerId};
use cue_flow::StopToken;
use cue_hosts::HostIndex;
use cue_loops::{AccountsState, Latest, Pauses};
use cue_store::{Connected, ReplicaRow, Store};

use crate::pipeline::Pipeline;
use crate::status::{
    Accounts, BookingFailure, Cluster, Condition, Hosts, LastTurn, Maestro, Replica, SetAside,
    SetAsideLayer, Status, StatusReader, Turn, Unserved, ms, of_view, pauses_now, stages,
};
use crate::words;

/// Layers that back off, at most, in the state.
const SET_ASIDE_SHOWN: usize = 20;

/// Reader of the state of a pipeline.
#[must_use]
pub fn reader(pipeline: &Pipeline, dry_run: bool) -> StatusReader {
    let control = pipeline.flow.control();
    let condition = condition(pipeline);
    let clusters = pipeline.turn_queue.clone();
    let replicas = pipeline.replicas.clone();
    let accounts = pipeline.accounts.clone();
    let unserved = pipeline.unserved.clone();
    let farm_view = pipeline.farm.clone();
    let hosts = pipeline.hosts.clone();
    let refusals = pipeline.refusals.clone();
    let layers = Arc::clone(&pipeline.layer_backoffs);
    let demand = pipeline.demand.clone();
    let replica = crate::telemetry::replica();
    Arc::new(move || {
        let unserved = unserved.read();
        let (shows, stranded) = of_view(&farm_view.read());
        Status {
            replica: replica.clone(),
            dry_run,
            condition: condition(),
            stages: stages(&control),
            clusters: clusters.status().iter().map(cluster).collect(),
            shows,
            stranded,
            replicas: connected(&replicas),
            accounts: Some(compared(&accounts)),
            unserved: Unserved {
                layers: unserved.layers,
                frames: unserved.frames,
                examples: unserved.examples.clone(),
            },
            hosts: Some(farm(&hosts)),
            last_refusals: last_refusals(&refusals),
            set_aside: set_aside(&layers, &demand),
            ..Status::default()
        }
    })
}

fn condition(pipeline: &Pipeline) -> impl Fn() -> Condition + Send + Sync + use<> {
    let store: Store = pipeline.store.clone();
    let stop: StopToken = pipeline.flow.stop_token();
    let roll = pipeline.replicas.clone();
    let feed: FeedHandle = pipeline.feed.clone();
    let health: BookingHealth = pipeline.health.clone();
    let pauses: Pauses = pipeline.pauses.clone();
    move || Condition {
        draining: stop.is_cancelled(),
        database_retry_ms: store.outage().map(|outage| ms(outage.retry_in)),
        maestro_leader: roll.read().maestro.map(|leader| Maestro {
            session: leader.pid,
            address: leader.address,
        }),
        facility_gone: feed.is_facility_gone(),
        booking_failing: health.trouble(Instant::now()).as_ref().map(failing),
        pauses: pauses_now(&pauses),
    }
}

fn failing(trouble: &BookingTrouble) -> BookingFailure {
    BookingFailure {
        step: trouble.step.code().to_owned(),
        reason: trouble.reason(),
        statement: trouble.statement.to_owned(),
        sqlstate: trouble.code.clone(),
        seconds: trouble.since.as_secs(),
        failures: trouble.failures,
    }
}

fn cluster(status: &ClusterStatus) -> Cluster {
    let (turn, due_in) = match status.phase {
        Phase::Running => (Turn::Running, None),
        Phase::Waiting(due) => (Turn::Waiting, Some(due)),
    };
    Cluster {
        name: status.cluster.to_string(),
        facility: status.cluster.facility_name.to_string(),
        show: status.cluster.show_name.to_string(),
        turn,
        due_in_ms: due_in.map(ms),
        last: status.last.map(|end| LastTurn {
            reason: end.reason().to_owned(),
            jobs: end.jobs,
            layers: end.layers,
            placed: end.placed,
            booked: end.booked,
            launched: end.launched,
            refused: end.refused,
        }),
    }
}

fn connected(roll: &Latest<Connected>) -> Vec<Replica> {
    let roll = roll.read();
    let replica = |row: &ReplicaRow| Replica {
        name: row.name.clone(),
        connections: row.connections.unsigned_abs(),
        this: row.this,
    };
    roll.replicas.iter().map(replica).collect()
}

fn compared(state: &AccountsState) -> Accounts {
    let now = state.read();
    Accounts {
        checked_ms_ago: now.checked.map(ms),
        by: now.by,
        this: now.leads,
        differing: now.differing,
        corrected: now.corrected,
    }
}

fn last_refusals(refusals: &Refusals) -> BTreeMap<String, String> {
    let last = refusals.last().into_iter();
    let sentence = |(cap, (reason, age)): (&str, (String, _))| {
        (cap.to_owned(), format!("{reason}, {} ago", words::age(age)))
    };
    last.map(sentence).collect()
}

fn set_aside(layers: &Backoffs<LayerId>, demand: &DemandIndex) -> SetAside {
    let now = Instant::now();
    let mut shown = layers.all(now, SET_ASIDE_SHOWN);
    shown.retain(|(_, backoff)| !backoff.reason.makes_way());
    let ids: Vec<LayerId> = shown.iter().map(|(layer, _)| layer.clone()).collect();
    let names = demand.names_of(&ids);
    let first = shown.into_iter().map(|(layer, backoff)| SetAsideLayer {
        name: names.get(&layer).cloned().unwrap_or_default(),
        layer: layer.as_str().to_owned(),
        backoff: (&backoff).into(),
    });
    SetAside {
        layers: layers.count(now),
        first: first.collect(),
    }
}

fn farm(hosts: &HostIndex) -> Hosts {
    let stats = hosts.stats();
    let count = |hosts: usize| u64::try_from(hosts).unwrap_or(u64::MAX);
    Hosts {
        known: count(stats.hosts),
        leased: count(stats.leased),
        idle_centicores: stats.idle_cores.0,
        total_centicores: stats.total_cores.0,
    }
}
