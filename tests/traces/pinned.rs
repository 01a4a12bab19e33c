//! The names that dashboards and alerts of farms hang on, written out: they are an interface, and are
//! not to change because code and reference changed together.

use crate::scrape;

/// A metric: name, type, labels.
type Pin = (&'static str, &'static str, &'static [&'static str]);

/// Metrics that the design promises to operators, beyond those of the retired scheduler.
const PROMISED: [Pin; 23] = [
    (
        "scheduler_stage_items_total",
        "counter",
        &["stage", "verdict"],
    ),
    ("scheduler_stage_queue_depth", "gauge", &["stage"]),
    ("scheduler_stage_queue_capacity", "gauge", &["stage"]),
    (
        "scheduler_stage_queue_wait_seconds",
        "histogram",
        &["stage"],
    ),
    ("scheduler_stage_run_seconds", "histogram", &["stage"]),
    ("scheduler_stage_workers", "gauge", &["stage"]),
    ("scheduler_stage_busy_workers", "gauge", &["stage"]),
    (
        "scheduler_cluster_polls_total",
        "counter",
        &["facility_id", "show_id"],
    ),
    ("scheduler_cluster_rounds_total", "counter", &[]),
    (
        "scheduler_cluster_last_dispatched_jobs",
        "gauge",
        &["facility_id", "show_id"],
    ),
    ("scheduler_hosts_attempted_total", "counter", &[]),
    ("scheduler_wasted_attempts_total", "counter", &["reason"]),
    ("scheduler_layers_skipped_by_lock_total", "counter", &[]),
    ("scheduler_demand_readings_total", "counter", &["outcome"]),
    (
        "scheduler_demand_reading_duration_seconds",
        "histogram",
        &["kind"],
    ),
    ("scheduler_waiting_layers", "gauge", &[]),
    (
        "scheduler_waiting_frames",
        "gauge",
        &["facility_name", "reason", "show_name"],
    ),
    (
        "scheduler_oldest_waiting_seconds",
        "gauge",
        &["facility_name", "show_name"],
    ),
    (
        "scheduler_show_cores",
        "gauge",
        &["facility_name", "show_name"],
    ),
    (
        "scheduler_show_share",
        "gauge",
        &["facility_name", "kind", "show_name"],
    ),
    (
        "scheduler_stranded_cores",
        "gauge",
        &["cause", "facility_name"],
    ),
    ("scheduler_pick_duration_seconds", "histogram", &[]),
    ("scheduler_reserved_hosts", "gauge", &[]),
];

/// Metrics that farms may chart already, from the retired scheduler. Those of its clusters by kind of tag and of
/// its scan for tags are gone: there are no such clusters and no such scan.
pub const RETIRED: [Pin; 18] = [
    ("scheduler_jobs_queried_total", "counter", &[]),
    ("scheduler_jobs_processed_total", "counter", &["show_name"]),
    ("scheduler_no_candidate_iterations_total", "counter", &[]),
    ("scheduler_candidates_per_layer", "histogram", &[]),
    (
        "scheduler_frames_dispatched_total",
        "counter",
        &["show_name"],
    ),
    ("scheduler_time_to_book_seconds", "histogram", &[]),
    (
        "scheduler_accounting_limit_exceeded_total",
        "counter",
        &["table"],
    ),
    ("scheduler_job_cap_precheck_skip_total", "counter", &[]),
    ("scheduler_job_query_duration_seconds", "histogram", &[]),
    (
        "scheduler_recompute_cycle_duration_seconds",
        "histogram",
        &[],
    ),
    ("scheduler_cluster_round_trip_seconds", "histogram", &[]),
    ("scheduler_clusters_active", "gauge", &[]),
    ("scheduler_clusters_sleeping", "gauge", &[]),
    ("scheduler_frames_dispatched_per_pass", "histogram", &[]),
    (
        "scheduler_pass_terminated_reason_total",
        "counter",
        &["reason"],
    ),
    ("scheduler_checkout_outcome_total", "counter", &["outcome"]),
    ("scheduler_placement_score_chosen", "histogram", &[]),
    (
        "scheduler_placement_inner_retries_exhausted_total",
        "counter",
        &[],
    ),
];

/// Ends of buckets, in seconds or hosts: a chart of a quantile is as exact as they are.
const BOUNDS: [(&str, &[f64]); 4] = [
    (
        "scheduler_candidates_per_layer",
        &[1.0, 5.0, 10.0, 20.0, 50.0, 100.0],
    ),
    (
        "scheduler_time_to_book_seconds",
        &[0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0],
    ),
    (
        "scheduler_job_query_duration_seconds",
        &[
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        ],
    ),
    (
        "scheduler_recompute_cycle_duration_seconds",
        &[
            0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        ],
    ),
];

/// Values of some labels, as farms know them.
const WORDS: [(&str, &str, &[&str]); 3] = [
    (
        "scheduler_pass_terminated_reason_total",
        "reason",
        &["booked", "no_jobs", "query_error", "saturated"],
    ),
    (
        "scheduler_accounting_limit_exceeded_total",
        "table",
        &["folder", "folder_gpus", "job", "job_gpus", "subscription"],
    ),
    (
        "scheduler_checkout_outcome_total",
        "outcome",
        &[
            "booked",
            "dispatch_error",
            "no_match",
            "no_progress",
            "partly_booked",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_has_the_names_that_farms_chart() {
    let scraped = scrape::metrics().await;
    for (name, kind, labels) in PROMISED.iter().chain(&RETIRED) {
        let Some(metric) = scraped.get(*name) else {
            panic!("{name} is not exported");
        };
        assert_eq!(metric.kind, *kind, "the type of {name}");
        let found: Vec<&str> = metric.labels.keys().map(String::as_str).collect();
        assert_eq!(found, *labels, "the labels of {name}");
    }
    for (name, bounds) in BOUNDS {
        let (last, found) = scraped[name].bounds.split_last().unwrap();
        let found: Vec<f64> = found.iter().map(|bound| bound.parse().unwrap()).collect();
        assert_eq!(last, "+Inf", "{name}");
        assert_eq!(found, bounds, "the buckets of {name}");
    }
    for (name, label, words) in WORDS {
        let found: Vec<&str> = scraped[name].labels[label]
            .iter()
            .map(String::as_str)
            .collect();
        assert_eq!(found, words, "{label} of {name}");
    }
}
