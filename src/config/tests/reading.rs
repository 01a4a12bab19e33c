//! Where values come from, and what is refused.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::config::Origin;

#[test]
fn defaults_and_a_database_are_enough() {
    let settings = with(&[]).settings.unwrap();
    assert_eq!(settings.database.url.expose_secret(), URL.1);
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
        let url = loaded.settings.unwrap().database.url;
        url.expose_secret().to_owned()
    };
    assert_eq!(url(&[second]), second.1);
    assert_eq!(url(&[second, URL]), URL.1);
}

#[test]
fn all_faults_are_found_at_once_and_say_what_is_allowed() {
    let file = file("[feed]\nfacilty = \"a\"\n[stages.dispatch]\nworkers = 0\n");
    let environment = environment(&[
        ("CUE_DATABASE_POOL", "many"),
        ("CUE_CLUSTER_FEED_WORKERS", "2"),
        ("CUE_ACTIVE_SCAN", "1s"),
        ("CUE_FRAMES_PER_LAYER", "7"),
        ("CUE_DRYRUN", "true"),
        ("CUE_SATURATED_BACKOFF", "30"),
        ("CUE_FRAMES_PER_TRUN", "5"),
    ]);
    let flags = [flag("--set", "rqd.address", "{prot}")];
    let text = load(Some(file.path()), &environment, &flags)
        .settings
        .unwrap_err()
        .to_string();
    for part in [
        "11 faults in the settings",
        "CUE_CLUSTER_FEED_WORKERS is no setting any more, remove it: the feed is always one worker",
        "CUE_ACTIVE_SCAN is no setting any more, remove it: waiting work is read by what changed",
        "CUE_FRAMES_PER_LAYER is no setting any more, remove it: the order of jobs decides",
        "stages.dispatch.workers = `0` (file ",
        "give a whole number from 1 to 256",
        "database.url is not set: give an address",
        "database.pool = `many` (env CUE_DATABASE_POOL)",
        "feed.saturated_backoff = `30` (env CUE_SATURATED_BACKOFF)",
        "rqd.address = `{prot}` (flag --set)",
        "there is no setting `feed.facilty` (file ",
        "did you mean feed.facility?",
        "variable CUE_DRYRUN, did you mean CUE_DRY_RUN?",
        "variable CUE_FRAMES_PER_TRUN, did you mean CUE_FRAMES_PER_TURN?",
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
    assert!(text.contains("mysql://cue:***@db:5432/cue"), "{text}");
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
        ("CUE_RQD_CONNECTIONS", "63"),
    ]));
    let keys: Vec<&str> = found
        .iter()
        .map(|fault| match fault {
            Fault::Combination { key, .. } => *key,
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(keys, ["lock.batch_layers", "rqd.connections"]);
}

#[test]
fn variables_of_other_programs_are_left_alone() {
    let names = [
        "CUE_JOB",
        "CUE_SHOW",
        "CUE_IFRAME",
        "CUE_THREADS",
        "CUE_FRAME_LOG_DIR",
        "CUE_SCHEDULER_PORT",
        "CUE_SCHEDULER_PORT_9700_TCP_ADDR",
        "CUE_SCHEDULER_SERVICE_PORT_ADMIN",
    ];
    let theirs = names.map(|name| (name, "of another program"));
    let set = environment(&[&theirs[..], &[URL]].concat());
    assert!(load(None, &set, &[]).settings.is_ok());
}

#[test]
fn the_log_filter_is_read_from_both_of_its_variables() {
    let filter = |set: &[(&str, &str)]| {
        let set = environment(&[set, &[URL]].concat());
        load(None, &set, &[])
            .settings
            .map(|settings| settings.logging.filter)
    };
    let (ours, usual) = (("CUE_LOG", "debug"), ("RUST_LOG", "cue_store=trace"));
    assert_eq!(filter(&[usual]).unwrap(), usual.1);
    assert_eq!(filter(&[ours, usual]).unwrap(), ours.1);
    let refused = filter(&[("RUST_LOG", "a=b=c")]).unwrap_err().to_string();
    assert!(refused.contains("RUST_LOG"), "{refused}");
}

#[test]
fn a_secret_is_read_from_the_file_that_its_variable_names() {
    let address = file("postgresql://cue:hidden@db/cue\n");
    let token = file("a-token-of-many-letters\n");
    let paths = [&address, &token].map(|file| file.path().display().to_string());
    let loaded = load(
        None,
        &environment(&[
            ("CUE_DATABASE_URL_FILE", &paths[0]),
            ("CUE_ADMIN_TOKEN_FILE", &paths[1]),
        ]),
        &[],
    );
    let entry = &loaded.effective;
    let url = entry
        .iter()
        .find(|entry| entry.setting.key == "database.url");
    assert_eq!(url.unwrap().origin, Origin::File(paths[0].clone()));
    let settings = loaded.settings.unwrap();
    assert_eq!(
        settings.database.url.expose_secret(),
        "postgresql://cue:hidden@db/cue"
    );
    let token = settings.admin.token.unwrap();
    assert_eq!(token.expose_secret(), "a-token-of-many-letters");
}

#[test]
fn a_file_of_a_secret_that_cannot_be_read_is_the_one_fault() {
    let gone = environment(&[("CUE_DATABASE_URL_FILE", "/no/such/file")]);
    let found = faults(load(None, &gone, &[]));
    assert!(
        matches!(&found[..], [Fault::Secret { path, .. }] if path == "/no/such/file"),
        "{found:?}"
    );
    let found = faults(with(&[("CUE_DATABASE_URL_FILE", "/no/such/file")]));
    let text = found[0].to_string();
    assert!(
        found.len() == 1 && text.contains("both set, give one of them"),
        "{found:?}"
    );
    let found = faults(with(&[("CUE_FACILITY_FILE", "/etc/hostname")]));
    assert!(
        matches!(found[..], [Fault::UnknownVariable { .. }]),
        "only secrets have one: {found:?}"
    );
}
