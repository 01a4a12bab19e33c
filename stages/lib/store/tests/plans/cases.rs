//! Arguments of each statement: one line of SQL expressions for its parameters, over a batch on the farm as it is.

use cue_store::statements::{ALL, Statement};

/// A batch of the next waiting frames with a host for each, and the procs of a batch that runs.
pub const BATCH: &str = "
    DROP TABLE IF EXISTS waiting, charged, running;
    CREATE TABLE waiting AS
    SELECT f.*, h.pk_host, h.str_name AS host_name, h.pk_alloc
    FROM (
        SELECT f.pk_frame, f.int_version, l.pk_layer, j.pk_job, j.pk_show, j.pk_folder, j.pk_dept,
               row_number() OVER (ORDER BY f.pk_frame) AS place
        FROM (SELECT s.pk_layer FROM layer_stat s WHERE s.int_waiting_count > 0 ORDER BY s.pk_layer LIMIT 64) s
        JOIN layer l ON l.pk_layer = s.pk_layer
        JOIN job j ON j.pk_job = l.pk_job
        CROSS JOIN LATERAL (
            SELECT f.pk_frame, f.int_version FROM frame f WHERE f.pk_layer = l.pk_layer AND f.str_state = 'WAITING'
            ORDER BY f.int_dispatch_order, f.int_layer_order LIMIT 2
        ) f
    ) f
    JOIN (SELECT h.*, row_number() OVER (ORDER BY h.int_cores_idle DESC, h.pk_host) AS place, count(*) OVER () AS of
          FROM host h) h
      ON h.place = 1 + f.place % h.of
    ORDER BY f.pk_frame;

    CREATE TABLE charged AS
    SELECT pk_show, pk_alloc, pk_layer, pk_job, pk_folder, pk_dept, 100 * count(*) AS cores
    FROM waiting GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY pk_layer, pk_alloc;

    CREATE TABLE running AS
    SELECT p.pk_proc, p.pk_frame, f.int_version, p.pk_host, p.pk_show, p.pk_layer, p.pk_job, h.pk_alloc, j.pk_folder,
           j.pk_dept
    FROM (SELECT * FROM proc ORDER BY pk_proc LIMIT 64) p
    JOIN frame f ON f.pk_frame = p.pk_frame
    JOIN host h ON h.pk_host = p.pk_host
    JOIN job j ON j.pk_job = p.pk_job
    ORDER BY p.pk_proc";

const ARE_NEW: &str = "ARRAY(SELECT false FROM (SELECT DISTINCT pk_job FROM waiting) job)";
const NONE: &str = "ARRAY[]::text[]";
const LAYERS: &str = "ARRAY(SELECT DISTINCT pk_layer FROM waiting)";
const MANY: &str = "array_fill(4, ARRAY[(SELECT count(DISTINCT pk_layer)::int FROM waiting)])";
const JOBS: &str = "ARRAY(SELECT DISTINCT pk_job FROM waiting)";
const HOSTS: &str = "ARRAY(SELECT DISTINCT pk_host FROM waiting)";
const FOLDERS: &str = "ARRAY(SELECT DISTINCT pk_folder FROM waiting)";
const SHOWS: &str = "ARRAY(SELECT DISTINCT pk_show FROM waiting)";
const ALLOCS: &str = "ARRAY(SELECT pk_alloc FROM alloc WHERE str_tag = 'general')";
const DEPTS: &str = "ARRAY(SELECT DISTINCT pk_dept FROM waiting)";
const FRAMES: &str = "ARRAY(SELECT pk_frame FROM waiting)";
const VERSIONS: &str = "ARRAY(SELECT int_version FROM waiting)";
const LIMITS: &str = "ARRAY(SELECT pk_limit_record FROM limit_record)";
const PROCS: &str = "ARRAY(SELECT pk_proc FROM running)";
const RUNNING: &str = "ARRAY(SELECT pk_frame FROM running)";
const ALLOCS_OF_PROCS: &str = "ARRAY(SELECT pk_alloc FROM running)";
const FOLDERS_OF_PROCS: &str = "ARRAY(SELECT pk_folder FROM running)";
const DEPTS_OF_PROCS: &str = "ARRAY(SELECT pk_dept FROM running)";
const JOB: &str = "(SELECT min(pk_job) FROM waiting)";
const LAYER: &str = "(SELECT min(pk_layer) FROM waiting)";
const FACILITY: &str = "(SELECT pk_facility FROM facility WHERE str_name = 'yard')";
const HORIZON: &str = "pg_snapshot_xmin(pg_current_snapshot())";
const COUNTERS: &[&str] = &[SHOWS, ALLOCS, LAYERS, JOBS, FOLDERS, DEPTS, SHOWS];

/// Statements that read tables of OpenCue, each with its arguments.
const CASES: &[(&str, &[&str])] = &[
    ("carried_tags", &[]),
    ("known_facilities", &[]),
    (
        "wanted_layers",
        &[
            FACILITY,
            "(SELECT pk_show FROM show WHERE str_name = 'alpha')",
            LAYERS,
        ],
    ),
    ("demand_jobs", &["NULL", HORIZON, NONE]),
    ("demand_gone", &["NULL", JOBS]),
    ("demand_layers", &[JOBS, ARE_NEW, HORIZON]),
    ("demand_subscriptions", &["NULL"]),
    ("layer_hosts", &[LAYERS]),
    ("layer_memory", &[LAYERS]),
    ("host_procs", &[HOSTS, "90"]),
    ("check_unreported", &["0", "5"]),
    ("lock_layers", &[LAYERS]),
    ("held_layers", &[LAYERS]),
    ("lock_frames", &[LAYERS, MANY]),
    ("lock_frames_indexed", &[LAYERS, MANY]),
    ("lock_stats", &[LAYERS, JOBS]),
    ("lock_targets", &[HOSTS, SHOWS, ALLOCS, JOBS, FOLDERS]),
    ("wait_hosts", &[HOSTS]),
    ("lock_counters", COUNTERS),
    (
        "held_rows",
        &[
            SHOWS, ALLOCS, LAYERS, JOBS, FOLDERS, DEPTS, SHOWS, LIMITS, FRAMES, PROCS, HOSTS,
            LAYERS,
        ],
    ),
    ("booking_keys", &[LAYERS]),
    ("lock_limits", &[LIMITS]),
    ("limit_use", &[LIMITS, NONE, "false"]),
    ("limit_reports", &[LIMITS]),
    (
        "start_frames",
        &[
            FRAMES,
            VERSIONS,
            "ARRAY(SELECT pk_layer FROM waiting)",
            "ARRAY(SELECT pk_job FROM waiting)",
            "ARRAY(SELECT pk_show FROM waiting)",
            "ARRAY(SELECT pk_host FROM waiting)",
            "ARRAY(SELECT host_name FROM waiting)",
            "ARRAY(SELECT gen_random_uuid() FROM waiting)",
            "ARRAY(SELECT 100 FROM waiting)",
            "ARRAY(SELECT 1048576 FROM waiting)",
            "ARRAY(SELECT 0 FROM waiting)",
            "ARRAY(SELECT 0 FROM waiting)",
            "65536",
            "ARRAY(SELECT pk_folder FROM waiting)",
            "ARRAY(SELECT pk_dept FROM waiting)",
            NONE,
        ],
    ),
    (
        "charge_counters",
        &[
            "ARRAY(SELECT pk_show FROM charged)",
            "ARRAY(SELECT pk_alloc FROM charged)",
            "ARRAY(SELECT pk_layer FROM charged)",
            "ARRAY(SELECT pk_job FROM charged)",
            "ARRAY(SELECT pk_folder FROM charged)",
            "ARRAY(SELECT pk_dept FROM charged)",
            "ARRAY(SELECT cores FROM charged)",
            "ARRAY(SELECT 0 FROM charged)",
        ],
    ),
    ("launch_layers", &[LAYERS]),
    ("host_snapshot", &["NULL", "3600", "NULL"]),
    ("host_tags", &[]),
    ("pauses", &[]),
    (
        "lever_pause",
        &[
            "gen_random_uuid()",
            "'all'",
            "'all'",
            "1000",
            "NULL",
            "NULL",
        ],
    ),
    ("lever_resume", &["'all'"]),
    ("closed_hosts", &["NULL", "3600", "1000"]),
    ("allocations", &[]),
    (
        "running_on",
        &["(SELECT min(pk_host) FROM running)", "200", "90"],
    ),
    ("wait_frames", &[FRAMES]),
    ("committed_procs", &[PROCS]),
    ("relock_frames", &[FRAMES, VERSIONS, "NULL"]),
    ("acknowledge_launches", &[PROCS, RUNNING]),
    ("unlaunched_procs", &["0", NONE, "64"]),
    (
        "lock_started",
        &[RUNNING, "ARRAY(SELECT int_version FROM running)"],
    ),
    ("undo_keys", &[PROCS, RUNNING]),
    ("lock_procs", &[PROCS, RUNNING]),
    (
        "why_subject",
        &["(SELECT min(str_name) FROM job)", NONE, NONE],
    ),
    ("why_facts", &[JOB, LAYER, NONE]),
    ("record_farm", &["'yard'"]),
    ("why_tagged", &["ARRAY['general']", FACILITY, "NULL"]),
    ("why_counters", &[LAYER]),
    (
        "undo_bookings",
        &[
            PROCS,
            RUNNING,
            ALLOCS_OF_PROCS,
            FOLDERS_OF_PROCS,
            DEPTS_OF_PROCS,
        ],
    ),
    (
        "restore_checkpoints",
        &[FRAMES, "ARRAY(SELECT 'ENABLED' FROM waiting)"],
    ),
    ("compare_accounts", &["NULL", "NULL", "64"]),
    ("recount", COUNTERS),
    ("restore_caps", &[NONE, NONE, NONE, NONE, NONE]),
    ("check_shows", &[]),
    ("check_shared", &[]),
    ("check_meaning", &["5"]),
    ("check_limits", &[]),
    ("ledger_faults", &["5"]),
    ("check_counters", &["5"]),
];

/// Statements that read the catalog only.
const OF_THE_CATALOG: &[&str] = &[
    "open_session",
    "session_mark",
    "replicas",
    "oldest_snapshot",
    "check_server",
    "check_settings",
    "check_rights",
    "check_triggers",
    "check_statement_triggers",
    "check_features",
    "check_schema",
    "check_indexes",
];

/// A statement and the expressions of its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub statement: &'static Statement,
    pub arguments: &'static [&'static str],
}

/// All statements but those of the catalog.
///
/// # Panics
/// A statement has no case.
pub fn cases() -> Vec<Case> {
    let of_farm = ALL.iter().filter(|one| !OF_THE_CATALOG.contains(&one.name));
    of_farm
        .map(|statement| {
            let case = CASES.iter().find(|(name, _)| *name == statement.name);
            let (_, arguments) =
                case.unwrap_or_else(|| panic!("say in CASES what {} is asked", statement.name));
            Case {
                statement,
                arguments,
            }
        })
        .collect()
}
