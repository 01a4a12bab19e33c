//! The metrics that are scraped and those of the reference are the same ones.

use std::collections::{BTreeMap, BTreeSet};

use cue_simfarm::rqd::SimRqdSettings;

use crate::collector::Collector;
use crate::reference::{self, FROM_DATA};
use crate::yard::Yard;

/// A metric as it was scraped.
#[derive(Debug, Default)]
struct Scraped {
    kind: String,
    /// Its labels and the values seen.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// Reads the text format.
fn scraped(text: &str) -> BTreeMap<String, Scraped> {
    let mut all: BTreeMap<String, Scraped> = BTreeMap::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            let (name, kind) = about.split_once(' ').unwrap();
            kind.clone_into(&mut all.entry(name.to_owned()).or_default().kind);
        } else if !line.starts_with('#') && !line.is_empty() {
            let (series, _value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.trim_end_matches('}')),
                None => (series, ""),
            };
            let metric = all.get_mut(family(name, &all).as_str()).unwrap();
            for pair in labels.split(',').filter(|pair| !pair.is_empty()) {
                let (label, value) = pair.split_once('=').unwrap();
                if label != "le" {
                    let values = metric.labels.entry(label.to_owned()).or_default();
                    values.insert(value.trim_matches('"').to_owned());
                }
            }
        }
    }
    all
}

/// The metric that a line belongs to: those of a histogram have an ending.
fn family(name: &str, known: &BTreeMap<String, Scraped>) -> String {
    let endings = ["_bucket", "_sum", "_count"];
    let stems = endings
        .iter()
        .filter_map(|ending| name.strip_suffix(ending));
    let of_histogram = stems
        .into_iter()
        .find(|stem| known.get(*stem).is_some_and(|m| m.kind == "histogram"));
    of_histogram.unwrap_or(name).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_in_the_reference_and_every_one_there_is_exported() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(2, SimRqdSettings::default()).await;
    yard.farm.frames("shot", 4, |_| ()).await.unwrap();
    // The accountant has metrics of its own, and works with this setting only.
    let how = [("CUE_ACCOUNTING", "deferred")];
    let program = yard.schedule(&collector, &how).await;
    yard.launched(4).await;
    collector.trace("a turn that booked", |_| true).await;
    let text = program.get("/metrics").await.1;
    let scraped = scraped(&text);
    let documented = reference::metrics();

    let exported: BTreeSet<&String> = scraped.keys().collect();
    let told: BTreeSet<&String> = documented.keys().collect();
    let untold: Vec<_> = exported.difference(&told).collect();
    assert!(
        untold.is_empty(),
        "exported, not in the reference: {untold:?}"
    );
    let missing: Vec<_> = told.difference(&exported).collect();
    assert!(
        missing.is_empty(),
        "in the reference, not exported: {missing:?}"
    );
    for (name, metric) in &scraped {
        let told = &documented[name];
        assert_eq!(metric.kind, told.kind, "the type of {name}");
        let labels = |labels: &BTreeMap<String, BTreeSet<String>>| -> Vec<String> {
            labels.keys().cloned().collect()
        };
        assert_eq!(
            labels(&metric.labels),
            labels(&told.labels),
            "the labels of {name}"
        );
        for (label, values) in metric.labels.iter().filter(|(l, _)| *l != FROM_DATA) {
            let stray: Vec<_> = values.difference(&told.labels[label]).collect();
            assert!(stray.is_empty(), "{name} has {label} = {stray:?}");
        }
    }
    yard.close(program).await;
}

#[test]
fn every_name_of_the_retired_scheduler_is_here_or_has_a_reason_not_to_be() {
    let (documented, retired) = (reference::metrics(), reference::retired());
    for (name, kind, labels) in RETIRED {
        assert_ne!(
            documented.contains_key(name),
            retired.contains_key(name),
            "{name} is to be in exactly one of the two tables"
        );
        if let Some(here) = documented.get(name) {
            assert_eq!(here.kind, kind, "{name}");
            let names: Vec<&str> = here.labels.keys().map(String::as_str).collect();
            assert_eq!(names, labels, "{name}");
        }
    }
    let known: BTreeSet<&str> = RETIRED.iter().map(|(name, ..)| *name).collect();
    for (name, why) in &retired {
        assert!(known.contains(name.as_str()), "{name} was never there");
        assert!(why.len() > 20, "{name}: {why} is no reason");
    }
}

/// What farms may chart already: name, type, labels.
const RETIRED: [(&str, &str, &[&str]); 21] = [
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
    (
        "scheduler_cluster_round_trip_seconds",
        "histogram",
        &["cluster_type"],
    ),
    ("scheduler_clusters_total", "gauge", &["cluster_type"]),
    ("scheduler_clusters_active", "gauge", &[]),
    ("scheduler_active_tags", "gauge", &[]),
    ("scheduler_active_scan_duration_seconds", "histogram", &[]),
    ("scheduler_clusters_sleeping", "gauge", &[]),
    (
        "scheduler_frames_dispatched_per_pass",
        "histogram",
        &["cluster_type"],
    ),
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
