//! Where values come from, and what is refused.

use std::time::Duration;

use super::*;
use crate::config::{Origin, Secret};

#[test]
fn defaults_and_a_database_are_enough() {
    let settings = with(&[]).settings.unwrap();
    assert_eq!(settings.database.url, Secret::new(URL.1));
    assert_eq!(settings.stages.layer_lock.queue.get(), 32);
    assert_eq!(
        settings.matching.host_stale_after,
        Some(Duration::from_secs(120))
    );
    assert_eq!(
        settings.booking.memory_reserved_min,
        cue_domain::Kib(262_144)
    );
    assert_eq!(settings.feed.exit_when_idle, None);
    assert_eq!(settings.telemetry.endpoint, None);
}

#[test]
fn the_later_source_wins_and_is_named() {
    let file = file("[feed]\nfacility = \"file\"\nempty_backoff = \"1s\"\n[rqd]\nport = 1\n");
    let environment = environment(&[URL, ("CUE_FACILITY", "env"), ("CUE_RQD_PORT", "2")]);
    let flags = [
        flag("--set", "rqd.port", "3"),
        flag("--facility", "feed.facility", "flag"),
        flag("--set", "rqd.port", "4"),
    ];
    let loaded = load(Some(file.path()), &environment, &flags);
    let settings = loaded.settings.unwrap();
    assert_eq!(settings.feed.facility.as_deref(), Some("flag"));
    assert_eq!(settings.feed.empty_backoff, Duration::from_secs(1));
    assert_eq!(settings.rqd.port, 4);
    let origin = |key: &str| {
        let entry = loaded
            .effective
            .iter()
            .find(|entry| entry.setting.key == key);
        entry.unwrap().origin.clone()
    };
    assert_eq!(
        origin("feed.facility"),
        Origin::Flag("--facility".to_owned())
    );
    assert_eq!(
        origin("feed.empty_backoff"),
        Origin::File(file.path().display().to_string())
    );
    assert_eq!(origin("database.url"), Origin::Environment(URL.0));
    assert_eq!(origin("database.pool"), Origin::Default);
}

#[test]
fn the_file_may_be_named_by_the_environment_and_a_flag_names_another() {
    let one = file("rqd.port = 1\n");
    let other = file("rqd.port = 2\n");
    let path = one.path().display().to_string();
    let environment = environment(&[URL, ("CUE_CONFIG", &path)]);
    let port = |loaded: Loaded| loaded.settings.unwrap().rqd.port;
    assert_eq!(port(load(None, &environment, &[])), 1);
    assert_eq!(port(load(Some(other.path()), &environment, &[])), 2);
}

#[test]
fn database_url_is_a_second_name_for_the_same_setting() {
    let second = ("DATABASE_URL", "postgres://second/d");
    let url = |pairs: &[(&str, &str)]| {
        let loaded = load(None, &environment(pairs), &[]);
        loaded.settings.unwrap().database.url
    };
    assert_eq!(url(&[second]), Secret::new(second.1));
    assert_eq!(url(&[second, URL]), Secret::new(URL.1));
}

#[test]
fn all_faults_are_found_at_once_and_say_what_is_allowed() {
    let file = file("[feed]\nfacilty = \"a\"\n[stages.dispatch]\nworkers = 0\n");
    let environment = environment(&[
        ("CUE_DATABASE_POOL", "many"),
        ("CUE_CLUSTER_FEED_WORKERS", "2"),
        ("CUE_DRYRUN", "true"),
        ("CUE_HOST_REFRESH", "30"),
        ("CUE_FRAME_LOG_DIR", "/of/another/program"),
    ]);
    let flags = [flag("--set", "rqd.address", "{prot}")];
    let text = load(Some(file.path()), &environment, &flags)
        .settings
        .unwrap_err()
        .to_string();
    for part in [
        "8 faults in the settings",
        "stages.cluster_feed.workers = `2` (env CUE_CLUSTER_FEED_WORKERS)",
        "stages.dispatch.workers = `0` (file ",
        "give a whole number from 1 to 256",
        "database.url is not set: give an address",
        "database.pool = `many` (env CUE_DATABASE_POOL)",
        "matching.host_refresh = `30` (env CUE_HOST_REFRESH)",
        "rqd.address = `{prot}` (flag --set)",
        "there is no setting `feed.facilty` (file ",
        "did you mean feed.facility?",
        "variable CUE_DRYRUN, did you mean CUE_DRY_RUN?",
    ] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn a_bad_or_missing_file_is_a_fault_and_hides_no_other() {
    let bad = file("this is not toml\n");
    let environment = environment(&[URL, ("CUE_RQD_PORT", "x")]);
    for path in [bad.path(), std::path::Path::new("/no/such/file.toml")] {
        let found = faults(load(Some(path), &environment, &[]));
        assert!(matches!(found[0], Fault::File { .. }), "{found:?}");
        assert!(
            matches!(
                found[1],
                Fault::Value {
                    key: "rqd.port",
                    ..
                }
            ),
            "{found:?}"
        );
        assert_eq!(found.len(), 2);
    }
}

#[test]
fn a_list_where_one_value_belongs_is_refused() {
    let file = file("feed.facility = [\"a\"]\nfeed.ignore_tags = [\"b\", \"c\"]\n");
    let found = faults(load(Some(file.path()), &environment(&[URL]), &[]));
    assert!(
        matches!(
            found[..],
            [Fault::Value {
                key: "feed.facility",
                ..
            }]
        ),
        "{found:?}"
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let settings = with(&[("CUE_RQD_PORT", ""), ("CUE_FACILITY", " ")])
        .settings
        .unwrap();
    assert_eq!((settings.rqd.port, settings.feed.facility), (8444, None));
}

#[test]
fn a_password_is_in_no_fault_and_no_debug_output() {
    let loaded = load(
        None,
        &environment(&[(URL.0, "mysql://cue:hidden@db/cue")]),
        &[],
    );
    let text = loaded.settings.unwrap_err().to_string();
    assert!(text.contains("mysql://cue:***@db/cue"), "{text}");
    assert!(!format!("{:?}", with(&[])).contains("hidden"));
}

#[test]
fn a_pool_too_small_for_the_stages_is_refused_with_the_sum() {
    let pairs = |pool| [("CUE_DATABASE_POOL", pool), ("CUE_DISPATCH_WORKERS", "10")];
    assert!(with(&pairs("28")).settings.is_ok());
    let text = with(&pairs("27")).settings.unwrap_err().to_string();
    assert!(text.contains("database.pool = 27 "), "{text}");
    assert!(
        text.contains("need 28 connections (2 job_fetch.workers + "),
        "{text}"
    );
}

#[test]
fn a_missing_database_hides_no_impossible_combination() {
    let found = faults(load(None, &environment(&[("CUE_DATABASE_POOL", "3")]), &[]));
    assert!(matches!(
        found[..],
        [
            Fault::Missing {
                key: "database.url",
                ..
            },
            Fault::Combination {
                key: "database.pool",
                ..
            }
        ]
    ));
}

#[test]
fn impossible_combinations_are_refused_together() {
    let found = faults(with(&[
        ("CUE_BATCH_FRAMES", "10"),
        ("CUE_HOST_STALE_AFTER", "1s"),
        ("CUE_HOST_REFRESH", "1s"),
        ("CUE_LEASE_TIMEOUT", "39s"),
        ("CUE_RQD_CONNECTIONS", "63"),
    ]));
    let keys: Vec<&str> = found
        .iter()
        .map(|fault| match fault {
            Fault::Combination { key, .. } => *key,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        keys,
        [
            "lock.frames_per_layer",
            "lock.batch_layers",
            "matching.host_stale_after",
            "matching.lease_timeout",
            "rqd.connections"
        ]
    );
}

#[test]
fn a_setting_that_is_gone_is_named_with_the_reason() {
    for value in ["current", "deferred"] {
        let text = with(&[("CUE_ACCOUNTING", value)])
            .settings
            .unwrap_err()
            .to_string();
        let wanted =
            "CUE_ACCOUNTING is no setting any more, remove it: the accounts heal themselves";
        assert!(text.contains(wanted), "{text}");
    }
}
