//! Tiers of the crates, and the dependencies that are reserved to some of them.
//!
//! Invariant: a crate that is not in [`TIERS`] fails here, so that nobody adds one without a place.

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

use super::files;

/// Every crate and its tier. A crate may only name crates of a lower one.
const TIERS: [(&str, u8); 17] = [
    ("cue-proto", 0),
    ("cue-flow", 0),
    ("cue-domain", 0),
    ("cue-store", 1),
    ("cue-hosts", 1),
    ("cue-demand", 1),
    ("cue-rqd", 1),
    ("cue-cluster-feed", 2),
    ("cue-job-fetch", 2),
    ("cue-layer-lock", 2),
    ("cue-host-match", 2),
    ("cue-dispatch", 2),
    ("cue-check-in", 2),
    ("cue-loops", 3),
    ("cue-scheduler", 4),
    (SIMFARM, 5),
    ("cue-bench", 6),
];

/// The farm in a box, which every crate may use in its tests.
const SIMFARM: &str = "cue-simfarm";

/// Dependencies, and the crates that may name them outside of tests.
const RESERVED: [(&str, &[&str]); 4] = [
    (
        "cue-rqd",
        &["cue-dispatch", "cue-loops", "cue-scheduler", "cue-bench"],
    ),
    ("sqlx", &["cue-store", SIMFARM, "cue-bench"]),
    // The root package sends metrics to a collector.
    (
        "tonic",
        &[
            "cue-proto",
            "cue-rqd",
            "cue-scheduler",
            SIMFARM,
            "cue-bench",
        ],
    ),
    ("axum", &["cue-scheduler"]),
];

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

/// Dependencies of a crate in the sections given.
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
