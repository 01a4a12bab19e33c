//! Values that are allowed each, and impossible together.
//!
//! Invariant: a check looks only at topics that were read without a fault, so that no fault is
//! reported about a value nobody gave.

use super::fault::Fault;
use super::{Database, Lock, Matching, Rqd, Stages, Telemetry};

/// Connections beside the stages' own: clusters, the scan for work, hosts, launches whose outcome is
/// unknown, bookings that were forgotten, the list of replicas, acknowledged launches, launches that
/// are taken back; and one for health, one for questions why something waits. The accounts have a
/// connection outside of the pool.
const SIDE_LOOPS: usize = 10;

/// Everything that can be wrong between the topics.
pub(super) struct Topics<'a> {
    pub(super) stages: Option<&'a Stages>,
    pub(super) database: Option<&'a Database>,
    pub(super) lock: Option<&'a Lock>,
    pub(super) matching: Option<&'a Matching>,
    pub(super) rqd: Option<&'a Rqd>,
    pub(super) telemetry: Option<&'a Telemetry>,
}

impl Topics<'_> {
    /// Adds what is wrong to `faults`.
    pub(super) fn check(&self, faults: &mut Vec<Fault>) {
        if let (Some(stages), Some(database)) = (self.stages, self.database) {
            faults.extend(pool_covers_stages(stages, database));
        }
        if let Some(lock) = self.lock {
            faults.extend(frames_fit_batch(lock));
            faults.extend(layers_fit_batch(lock));
        }
        if let Some(matching) = self.matching {
            faults.extend(hosts_are_read_before_they_are_stale(matching));
        }
        if let (Some(matching), Some(database), Some(rqd)) =
            (self.matching, self.database, self.rqd)
        {
            faults.extend(lease_outlives_dispatch(matching, database, rqd));
        }
        if let Some(rqd) = self.rqd {
            faults.extend(launches_fit_connections(rqd));
        }
        if let Some(telemetry) = self.telemetry {
            faults.extend(certificate_and_key_go_together(telemetry));
        }
    }
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
    (pool < sum).then(|| {
        let parts: Vec<String> = needs
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        Fault::Combination {
            key: "database.pool",
            value: database.pool.to_string(),
            reason: format!(
                "the stages need {sum} connections ({}), raise CUE_DATABASE_POOL to at least {sum} \
                 or make the stages narrower",
                parts.join(" + ")
            ),
        }
    })
}

fn frames_fit_batch(lock: &Lock) -> Option<Fault> {
    (lock.frames_per_layer > lock.batch_frames).then(|| Fault::Combination {
        key: "lock.frames_per_layer",
        value: lock.frames_per_layer.to_string(),
        reason: format!(
            "a whole batch holds {} frames (lock.batch_frames), give at most that many",
            lock.batch_frames
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

fn hosts_are_read_before_they_are_stale(matching: &Matching) -> Option<Fault> {
    let stale = matching.host_stale_after?;
    (stale <= matching.host_refresh).then(|| Fault::Combination {
        key: "matching.host_stale_after",
        value: humantime::format_duration(stale).to_string(),
        reason: format!(
            "hosts are read every {} (matching.host_refresh) and all would be stale, give more \
             than that, or `0` for never",
            humantime::format_duration(matching.host_refresh)
        ),
    })
}

/// A lease that ends while its batch is still being booked makes other batches try the same host in
/// vain.
fn lease_outlives_dispatch(matching: &Matching, database: &Database, rqd: &Rqd) -> Option<Fault> {
    let longest = database.statement_timeout + rqd.request_timeout;
    (matching.lease_timeout < longest).then(|| Fault::Combination {
        key: "matching.lease_timeout",
        value: humantime::format_duration(matching.lease_timeout).to_string(),
        reason: format!(
            "a booking may take {} (database.statement_timeout + rqd.request_timeout), give at \
             least that",
            humantime::format_duration(longest)
        ),
    })
}

fn certificate_and_key_go_together(telemetry: &Telemetry) -> Option<Fault> {
    let (key, value, missing) = match (&telemetry.client_certificate, &telemetry.client_key) {
        (Some(certificate), None) => ("telemetry.client_certificate", certificate, "CLIENT_KEY"),
        (None, Some(key)) => ("telemetry.client_key", key, "CLIENT_CERTIFICATE"),
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
