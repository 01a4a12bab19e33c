//! Values that are allowed each, and impossible together.
//!
//! Invariant: a check of values of which one has a fault of its own is left out, so that no fault is
//! reported about a stand-in.

use std::path::Path;

use super::database::Database;
use super::fault::Fault;
use super::feed::Lock;
use super::otlp::{Exporter, Otlp};
use super::rqd::Rqd;
use super::settings::Settings;
use super::stages::Stages;

/// Connections beside the stages' own: waiting work, reservations, hosts, launches whose outcome is
/// unknown, bookings that were forgotten, the list of replicas, acknowledged launches, launches that
/// are taken back; and one for health, one for questions why something waits. The accounts have a
/// connection outside of the pool.
const SIDE_LOOPS: usize = 10;

/// Adds impossible combinations to `faults`, which has the faults of the values themselves.
pub(super) fn check(settings: &Settings, faults: &mut Vec<Fault>) {
    let Settings {
        stages,
        database,
        lock,
        rqd,
        telemetry,
        metrics,
        ..
    } = settings;
    // A fault of variables that both signals read is reported once.
    let pair = |otlp: Otlp<'_>| {
        [otlp.client_certificate, otlp.client_key].map(|path| path.map(Path::to_path_buf))
    };
    let is_metrics_own =
        metrics.exporter == Exporter::Otlp && pair(metrics.otlp()) != pair(telemetry.otlp());
    let checks: [(&[&str], Option<Fault>); 5] = [
        (
            &["stages.", "database.pool"],
            pool_covers_stages(stages, database),
        ),
        (&["lock."], layers_fit_batch(lock)),
        (&["rqd."], launches_fit_connections(rqd)),
        (
            &["telemetry.client_"],
            certificate_and_key_go_together(
                telemetry.otlp(),
                ["telemetry.client_certificate", "telemetry.client_key"],
            ),
        ),
        (
            &["metrics.client_"],
            is_metrics_own
                .then(|| {
                    certificate_and_key_go_together(
                        metrics.otlp(),
                        ["metrics.client_certificate", "metrics.client_key"],
                    )
                })
                .flatten(),
        ),
    ];
    let read_well = |keys: &[&str]| {
        let about = |fault: &Fault| matches!(fault, Fault::Value { key, .. } if keys.iter().any(|part| key.starts_with(part)));
        !faults.iter().any(about)
    };
    let found = checks.into_iter().filter(|(keys, _)| read_well(keys));
    let found: Vec<Fault> = found.filter_map(|(_, fault)| fault).collect();
    faults.extend(found);
}

/// A batch keeps its connection from the lock to the commit, also while it waits in a queue. A pool
/// smaller than that would make the stages wait for each other.
pub(super) fn pool_covers_stages(stages: &Stages, database: &Database) -> Option<Fault> {
    let needs = [
        ("job_fetch.workers", stages.job_fetch.workers.get()),
        ("layer_lock.workers", stages.layer_lock.workers.get()),
        ("host_match.queue", stages.host_match.queue.get()),
        ("host_match.workers", stages.host_match.workers.get()),
        ("dispatch.queue", stages.dispatch.queue.get()),
        ("dispatch.workers", stages.dispatch.workers.get()),
        ("side loops", SIDE_LOOPS),
    ];
    let sum: usize = needs.iter().map(|(_, count)| count).sum();
    let pool = usize::try_from(database.pool).unwrap_or(usize::MAX);
    let parts = needs.map(|(name, count)| format!("{count} {name}"));
    (pool < sum).then(|| Fault::Combination {
        key: "database.pool",
        value: database.pool.to_string(),
        reason: format!(
            "the stages need {sum} connections ({}), raise CUE_DATABASE_POOL to at least {sum} or make \
             the stages narrower",
            parts.join(" + ")
        ),
    })
}

fn layers_fit_batch(lock: &Lock) -> Option<Fault> {
    (lock.batch_layers > lock.batch_frames).then(|| Fault::Combination {
        key: "lock.batch_layers",
        value: lock.batch_layers.to_string(),
        reason: format!(
            "a batch holds {} frames (lock.batch_frames) and a layer has at least one, give at \
             most that many",
            lock.batch_frames
        ),
    })
}

fn launches_fit_connections(rqd: &Rqd) -> Option<Fault> {
    (rqd.connections < rqd.launches_in_flight).then(|| Fault::Combination {
        key: "rqd.connections",
        value: rqd.connections.to_string(),
        reason: format!(
            "{} launches go on at a time (rqd.launches_in_flight), each on a host of its own, give \
             at least that many",
            rqd.launches_in_flight
        ),
    })
}

/// Finds one of the two without the other.
fn certificate_and_key_go_together(
    otlp: Otlp<'_>,
    [certificate_key, key_key]: [&'static str; 2],
) -> Option<Fault> {
    let (key, value, missing) = match (otlp.client_certificate, otlp.client_key) {
        (Some(certificate), None) => (certificate_key, certificate, "CLIENT_KEY"),
        (None, Some(key)) => (key_key, key, "CLIENT_CERTIFICATE"),
        _ => return None,
    };
    Some(Fault::Combination {
        key,
        value: value.display().to_string(),
        reason: format!(
            "a certificate and its key go together, give OTEL_EXPORTER_OTLP_{missing} too"
        ),
    })
}
