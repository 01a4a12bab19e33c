//! The metrics that are scraped and those of the reference are the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirEntry;
use std::path::Path;

use crate::pinned::RETIRED;
use crate::reference::{self, is_from_data};
use crate::scrape;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_in_the_reference_and_every_one_there_is_exported() {
    let scraped = scrape::metrics().await;
    let documented = reference::metrics();

    let exported: BTreeSet<&String> = scraped.keys().collect();
    let named: BTreeSet<&String> = documented.keys().collect();
    let undocumented: Vec<_> = exported.difference(&named).collect();
    assert!(
        undocumented.is_empty(),
        "exported, not in the reference: {undocumented:?}"
    );
    let missing: Vec<_> = named.difference(&exported).collect();
    assert!(
        missing.is_empty(),
        "in the reference, not exported: {missing:?}"
    );
    for (name, metric) in &scraped {
        let entry = &documented[name];
        assert_eq!(metric.kind, entry.kind, "the type of {name}");
        let labels = |labels: &BTreeMap<String, BTreeSet<String>>| -> Vec<String> {
            labels.keys().cloned().collect()
        };
        assert_eq!(
            labels(&metric.labels),
            labels(&entry.labels),
            "the labels of {name}"
        );
        let listed = metric
            .labels
            .iter()
            .filter(|(label, _)| !is_from_data(label));
        for (label, values) in listed {
            let stray: Vec<_> = values.difference(&entry.labels[label]).collect();
            assert!(stray.is_empty(), "{name} has {label} = {stray:?}");
        }
    }
}

/// Labels that appear with their subject: a metric, or a metric and its label.
const ON_USE: [(&str, &[&str]); 3] = [
    ("scheduler_db_statements_total", &["statement", "outcome"]),
    (
        "db_client_operation_duration_seconds",
        &["db_query_summary"],
    ),
    // A gauge whose reasons come and go with the frames.
    ("scheduler_waiting_frames", &["reason"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_in_the_reference_is_exported_before_it_is_needed() {
    // An alert on the increase of a counter misses the step with which the counter begins to exist.
    let scraped = scrape::metrics().await;
    for (name, entry) in reference::metrics() {
        let on_use = ON_USE.iter().find(|(metric, _)| *metric == name);
        for (label, values) in &entry.labels {
            let comes_later = on_use.is_some_and(|(_, labels)| labels.contains(&label.as_str()));
            if !is_from_data(label) && !comes_later {
                assert_eq!(&scraped[&name].labels[label], values, "{label} of {name}");
            }
        }
    }
}

#[test]
fn every_reason_in_the_reference_is_one_of_the_domain() {
    let reasons = &reference::metrics()["scheduler_waiting_frames"].labels["reason"];
    let known = cue_domain::WaitReason::ALL.iter();
    let known: BTreeSet<String> = known.map(|reason| reason.code().to_owned()).collect();
    let stray: Vec<_> = reasons.difference(&known).collect();
    assert!(stray.is_empty(), "{stray:?}");
}

#[test]
fn every_statement_in_the_reference_is_one_of_the_store() {
    let named = &reference::metrics()["scheduler_db_statements_total"].labels["statement"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/lib/store/sql");
    let files = std::fs::read_dir(folder).unwrap();
    let stem = |file: std::io::Result<DirEntry>| {
        let path = file.unwrap().path();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    };
    // The statements of `cue-scheduler check` are asked by a program that nobody scrapes, and those that open a
    // session are a part of `acquire`.
    const UNSEEN: [&str; 2] = ["open_session", "session_mark"];
    let mut asked: BTreeSet<String> = files
        .map(stem)
        .filter(|name| !name.starts_with("check_") && !UNSEEN.contains(&name.as_str()))
        .collect();
    asked.extend(["acquire", "begin", "commit", "rollback"].map(str::to_owned));
    assert_eq!(named, &asked);
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
