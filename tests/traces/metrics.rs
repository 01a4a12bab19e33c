//! The metrics that are scraped and those of the reference are the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirEntry;
use std::path::Path;

use crate::pinned::RETIRED;
use crate::reference::{self, FROM_DATA};
use crate::scrape;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_in_the_reference_and_every_one_there_is_exported() {
    let scraped = scrape::metrics().await;
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
}

/// Labels that come into being with what they tell of: a metric, or a metric and its label.
const ON_USE: [(&str, &[&str]); 4] = [
    ("scheduler_db_statements_total", &["statement", "outcome"]),
    ("scheduler_db_statement_seconds", &["statement"]),
    ("scheduler_cluster_round_trip_seconds", &["cluster_type"]),
    ("scheduler_frames_dispatched_per_pass", &["cluster_type"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_in_the_reference_is_exported_before_it_is_needed() {
    // An alert on the increase of a counter misses the step with which the counter begins to exist.
    let scraped = scrape::metrics().await;
    for (name, told) in reference::metrics() {
        let on_use = ON_USE.iter().find(|(metric, _)| *metric == name);
        for (label, values) in &told.labels {
            let comes_later = on_use.is_some_and(|(_, labels)| labels.contains(&label.as_str()));
            if label != FROM_DATA && !comes_later {
                assert_eq!(&scraped[&name].labels[label], values, "{label} of {name}");
            }
        }
    }
}

#[test]
fn every_statement_in_the_reference_is_one_of_the_store() {
    let told = &reference::metrics()["scheduler_db_statements_total"].labels["statement"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/ground/store/sql");
    let files = std::fs::read_dir(folder).unwrap();
    let stem = |file: std::io::Result<DirEntry>| {
        let path = file.unwrap().path();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    };
    // The statements of `cue-scheduler check` are asked by a program that nobody scrapes.
    let mut asked: BTreeSet<String> = files
        .map(stem)
        .filter(|name| !name.starts_with("check_"))
        .collect();
    asked.extend(["acquire", "begin", "commit", "rollback"].map(str::to_owned));
    assert_eq!(told, &asked);
}

#[test]
fn every_name_of_the_retired_scheduler_is_in_the_reference() {
    let documented = reference::metrics();
    for (name, kind, labels) in RETIRED {
        let Some(here) = documented.get(name) else {
            panic!("{name} is not documented");
        };
        assert_eq!(here.kind, kind, "{name}");
        let names: Vec<&str> = here.labels.keys().map(String::as_str).collect();
        assert_eq!(names, labels, "{name}");
    }
}
