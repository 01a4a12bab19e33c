//! What the manifests and the sources promise: tiers, who may speak to what, and files that one can
//! read in one go.
//!
//! Invariant: a crate that is not in [`TIERS`] fails here, so that nobody adds one without a place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::Table;

/// Every crate and its tier. A crate may only name crates of a lower one.
const TIERS: [(&str, u8); 15] = [
    ("cue-proto", 0),
    ("cue-flow", 0),
    ("cue-domain", 0),
    ("cue-store", 1),
    ("cue-hosts", 1),
    ("cue-rqd", 1),
    ("cue-cluster-feed", 2),
    ("cue-job-fetch", 2),
    ("cue-layer-lock", 2),
    ("cue-host-match", 2),
    ("cue-dispatch", 2),
    ("cue-check-in", 2),
    ("cue-scheduler", 3),
    (SIMFARM, 4),
    ("cue-bench", 5),
];

/// The farm in a box, which every crate may use in its tests.
const SIMFARM: &str = "cue-simfarm";

/// Who may name what, tests aside.
const RESERVED: [(&str, &[&str]); 4] = [
    ("cue-rqd", &["cue-dispatch", "cue-scheduler", "cue-bench"]),
    ("sqlx", &["cue-store", SIMFARM, "cue-bench"]),
    ("tonic", &["cue-proto", "cue-rqd", SIMFARM, "cue-bench"]),
    ("axum", &["cue-scheduler"]),
];

const LONGEST: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below the root with this ending, without what is built and what is hidden.
pub(crate) fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The manifests of all crates, by name.
fn manifests() -> BTreeMap<String, Table> {
    let tables = files("Cargo.toml").into_iter();
    tables
        .map(|path| {
            let table: Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let name = table["package"]["name"].as_str().unwrap().to_owned();
            (name, table)
        })
        .collect()
}

/// What a crate names in the sections given.
fn names<'a>(manifest: &'a Table, sections: &[&str]) -> BTreeSet<&'a str> {
    let tables = sections.iter().filter_map(|name| manifest.get(*name));
    let tables = tables.filter_map(|section| section.as_table());
    tables
        .flat_map(|section| section.keys().map(String::as_str))
        .collect()
}

const SHIPPED: [&str; 2] = ["dependencies", "build-dependencies"];

#[test]
fn a_crate_names_only_crates_of_a_lower_tier() {
    let tiers = BTreeMap::from(TIERS);
    let manifests = manifests();
    let known: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    assert_eq!(
        known,
        tiers.keys().copied().collect(),
        "every crate has a tier"
    );
    for (name, manifest) in &manifests {
        let own = tiers[name.as_str()];
        let ours = |other: &&str| tiers.contains_key(other);
        for other in names(manifest, &SHIPPED).into_iter().filter(ours) {
            assert!(tiers[other] < own, "{name} names {other}");
        }
        for other in names(manifest, &["dev-dependencies"])
            .into_iter()
            .filter(ours)
        {
            assert!(
                other == SIMFARM || tiers[other] < own,
                "{name} tests with {other}"
            );
        }
    }
}

#[test]
fn what_is_reserved_is_named_by_nobody_else() {
    for (name, manifest) in manifests() {
        for (reserved, owners) in RESERVED {
            if names(&manifest, &SHIPPED).contains(reserved) {
                assert!(owners.contains(&name.as_str()), "{name} names {reserved}");
            }
        }
    }
}

#[test]
fn the_host_match_can_reach_neither_the_database_nor_the_network() {
    let manifests = manifests();
    let mut reached = BTreeSet::from(["cue-host-match"]);
    let mut next = vec!["cue-host-match"];
    while let Some(name) = next.pop() {
        let Some(manifest) = manifests.get(name) else {
            continue;
        };
        for other in names(manifest, &SHIPPED) {
            if reached.insert(other) {
                next.push(other);
            }
        }
    }
    assert!(reached.contains("cue-hosts"), "{reached:?}");
    for out_of_reach in ["cue-store", "cue-rqd", "cue-proto", "sqlx", "tonic"] {
        assert!(
            !reached.contains(out_of_reach),
            "{out_of_reach} in {reached:?}"
        );
    }
}

#[test]
fn the_farm_in_a_box_does_not_lean_on_what_it_tests() {
    let manifests = manifests();
    let named = names(&manifests[SIMFARM], &["dependencies", "dev-dependencies"]);
    let ours: Vec<&&str> = named
        .iter()
        .filter(|name| name.starts_with("cue-"))
        .collect();
    assert_eq!(ours, [&"cue-domain", &"cue-proto"]);
}

#[test]
fn every_source_says_what_it_is_and_can_be_read_in_one_go() {
    let sources = files(".rs");
    assert!(sources.len() > 100, "the sources were found");
    let mut bad = Vec::new();
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(root()).unwrap().display().to_string();
        if !text.starts_with("//! ") {
            bad.push(format!("{path} does not begin with `//!`"));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            bad.push(format!(
                "{path} has {lines} lines, at most {LONGEST} are allowed"
            ));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Files whose tests are about several tasks, replicas or sessions that want the same rows.
const CONTENTION: [&str; 14] = [
    "stages/ground/store/tests/database/ledger.rs",
    "stages/ground/store/tests/database/locks.rs",
    "tests/farm/caps.rs",
    "tests/farm/replicas.rs",
    "tests/faults/caps.rs",
    "tests/faults/conflicts.rs",
    "tests/faults/crowd.rs",
    "tests/faults/forgotten.rs",
    "tests/faults/held.rs",
    "tests/faults/killed.rs",
    "tests/faults/midway.rs",
    "tests/faults/retried.rs",
    "tests/staying_up/settled.rs",
    "tests/staying_up/wasted.rs",
];

#[test]
fn contention_is_tested_on_eight_worker_threads() {
    for file in CONTENTION {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let mut tests = text
            .lines()
            .filter(|line| line.starts_with("#[tokio::test"))
            .peekable();
        assert!(tests.peek().is_some(), "{file} has no test");
        for test in tests {
            assert!(test.contains("worker_threads = 8"), "{file}: {test}");
        }
    }
}

/// The line of a log macro that gives an error as such: in JSON only its outermost words are written.
const SHORTENED: &str = "as &dyn std::error::Error";

#[test]
fn an_error_in_a_log_line_is_told_with_its_causes() {
    let shipped = files(".rs").into_iter().filter(|path| {
        let path = path.strip_prefix(root()).unwrap();
        path.starts_with("src") || path.starts_with("stages")
    });
    let bad: Vec<PathBuf> = shipped
        .filter(|path| std::fs::read_to_string(path).unwrap().contains(SHORTENED))
        .collect();
    assert!(bad.is_empty(), "use cue_flow::Chain in {bad:?}");
}
