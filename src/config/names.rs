//! Names that are no settings: those of other programs, those of earlier versions, and misspelt ones.

use super::fault::Fault;

/// The variable that names the settings file; it cannot be a setting of the file itself.
pub(super) const CONFIG: &str = "CUE_CONFIG";

/// Variables with our prefix that belong to other programs: RQD sets them for a frame, OpenCue's clients read
/// them, or the scheduler that OpenCue retired did. A service may be started from a shell that has them.
const FOREIGN: &str = "CUE_CHUNK CUE_FRAME CUE_FRAME_ID CUE_FRAME_LOG_DIR CUE_FS_ROOT CUE_GPUS CUE_GPU_CORES \
    CUE_GPU_MEMORY CUE_HT CUE_IFRAME CUE_JOB CUE_JOB_ID CUE_LAYER CUE_LAYER_ID CUE_LOG_PATH CUE_MEMORY \
    CUE_MODULE_PATHS CUE_PARENT_JOB CUE_PARENT_JOB_ID CUE_PYTHONPATH CUE_PYTHON_BIN CUE_RANGE CUE_RQD_CONFIG \
    CUE_SHOT CUE_SHOW CUE_SLEEP CUE_THREADABLE CUE_THREADS CUE_USER CUE_SCHEDULER_CONFIG CUE_SCHEDULER_PORT \
    CUE_SCHEDULER_SERVICE_HOST";

/// Kubernetes describes a Service named `cue-scheduler` to every pod in variables that begin so.
const OF_KUBERNETES: [&str; 2] = ["CUE_SCHEDULER_PORT_", "CUE_SCHEDULER_SERVICE_PORT"];

/// Settings of earlier versions: key and variable, and the behaviour of the program without them.
const REMOVED: [(&str, &str); 19] = [
    ("booking.accounting CUE_ACCOUNTING", ACCOUNTS),
    ("booking.recompute CUE_ACCOUNTING_RECOMPUTE", ACCOUNTS),
    ("stages.cluster_feed.workers CUE_CLUSTER_FEED_WORKERS", FEED),
    ("feed.cluster_reload CUE_CLUSTER_RELOAD", DEMAND),
    ("feed.scan CUE_ACTIVE_SCAN", DEMAND),
    ("feed.manual_tags_chunk CUE_MANUAL_TAGS_CHUNK", SHOWS),
    ("feed.hostname_tags_chunk CUE_HOSTNAME_TAGS_CHUNK", SHOWS),
    ("feed.productivity_bias CUE_PRODUCTIVITY_BIAS", FIXED),
    ("fetch.jobs_per_turn CUE_JOBS_PER_TURN", TURNS),
    ("lock.frames_per_layer CUE_FRAMES_PER_LAYER", ORDER),
    (
        "database.acquire_timeout CUE_DATABASE_ACQUIRE_TIMEOUT",
        FIXED,
    ),
    (
        "database.breaker_failures CUE_DATABASE_BREAKER_FAILURES",
        FIXED,
    ),
    ("database.breaker_base CUE_DATABASE_BREAKER_BASE", FIXED),
    (
        "database.breaker_longest CUE_DATABASE_BREAKER_LONGEST",
        FIXED,
    ),
    ("matching.host_refresh CUE_HOST_REFRESH", ADAPTS),
    ("matching.lease_timeout CUE_LEASE_TIMEOUT", LEASES),
    (
        "matching.epvm_max_candidates CUE_EPVM_MAX_CANDIDATES",
        FIXED,
    ),
    ("telemetry.keep_slow CUE_TRACE_KEEP_SLOW", COLLECTOR),
    ("telemetry.keep_failed CUE_TRACE_KEEP_FAILED", COLLECTOR),
];

const COLLECTOR: &str =
    "the collector keeps slow and failed turns, see config/otel-collector-tail-sampling.yaml";

const ACCOUNTS: &str = "the accounts heal themselves beside every Cuebot";
const FEED: &str = "the feed is always one worker";
const DEMAND: &str = "waiting work is read by what changed";
const SHOWS: &str = "a cluster is a show in a facility, whatever its tags";
const TURNS: &str = "a turn is bounded by layers and frames";
const ORDER: &str = "the order of jobs decides how many frames of a layer are next";
const FIXED: &str = "the value is fixed";
const ADAPTS: &str = "the period adapts to the time of a reading";
const LEASES: &str = "a lease outlasts any booking by itself";

/// Returns true if the variable belongs to another program.
pub(super) fn is_foreign(name: &str) -> bool {
    let is_kubernetes = OF_KUBERNETES.iter().any(|prefix| name.starts_with(prefix));
    is_kubernetes || FOREIGN.split(' ').any(|foreign| foreign == name)
}

/// The fault of a key or variable that an earlier version had.
pub(super) fn removed(name: &str) -> Option<Fault> {
    let known = |(names, _): &&(&str, &str)| names.split(' ').any(|known| known == name);
    REMOVED.iter().find(known).map(|(_, why)| Fault::Removed {
        name: name.to_owned(),
        why,
    })
}

/// The candidate that looks most like `name`, unless none looks like it at all.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .min()
        .filter(|(edits, _)| *edits <= 2.max(name.len() / 3))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Edits between a variable of OpenTelemetry that is meant and the one that is written.
const SLIPS: usize = 2;

/// Variables for batches of log records, which look like those for batches of spans.
const OF_LOGS: &str = "OTEL_BLRP_";

/// The fault of a variable that is nearly one of the `known`, which a program for all signals would ignore.
pub(super) fn misspelt_telemetry(name: &str, known: impl Iterator<Item = String>) -> Option<Fault> {
    if name.starts_with(OF_LOGS) {
        return None;
    }
    let ours = known.filter(|known| known.starts_with("OTEL_"));
    let near = ours.map(|known| (strsim::levenshtein(name, &known), known));
    let (_, meant) = near.min().filter(|(edits, _)| *edits <= SLIPS)?;
    Some(Fault::UnknownVariable {
        name: name.to_owned(),
        nearest: Some(meant),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not_offered() {
        let names = ["CUE_DRY_RUN", "CUE_FACILITY", "CUE_RQD_PORT"];
        assert_eq!(
            nearest("CUE_DRYRUN", names.into_iter()).as_deref(),
            Some("CUE_DRY_RUN")
        );
        assert_eq!(nearest("CUE_QUITE_ANOTHER_THING", names.into_iter()), None);
    }
}
