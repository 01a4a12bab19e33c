//! Findings about the server, from made-up facts.

use super::super::Verdict;
use super::*;
use crate::config::load;

fn settings() -> Settings {
    let environment = BTreeMap::from([(
        "CUE_DATABASE_URL".to_owned(),
        "postgres://host/farm".to_owned(),
    )]);
    load(None, &environment, &[]).settings.unwrap()
}

fn judged(change: &[(&str, &str)]) -> Vec<Finding> {
    let mut values: BTreeMap<String, String> = [
        ("autovacuum", "on"),
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_read_only", "off"),
        ("idle_in_transaction_session_timeout", "60000"),
        ("jit", "off"),
        ("lock_timeout", "500"),
        ("statement_timeout", "5000"),
        ("synchronous_commit", "on"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let change = change.iter();
    values.extend(change.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let found = judge(&values, &settings(), "cue");
    found
        .into_iter()
        .filter(|finding| finding.verdict != Verdict::Ok)
        .collect()
}

#[test]
fn settings_that_hurt_are_told_and_others_are_not() {
    assert_eq!(judged(&[]), []);
    assert_eq!(judged(&[("transaction_timeout", "600000")]), []);
    for (name, value, verdict) in [
        ("jit", "on", Verdict::Warn),
        ("statement_timeout", "0", Verdict::Warn),
        (
            "default_transaction_isolation",
            "repeatable read",
            Verdict::Fail,
        ),
        ("default_transaction_read_only", "on", Verdict::Fail),
        ("idle_in_transaction_session_timeout", "0", Verdict::Warn),
        ("transaction_timeout", "5000", Verdict::Warn),
        ("idle_session_timeout", "5000", Verdict::Warn),
        ("synchronous_commit", "off", Verdict::Warn),
        ("autovacuum", "off", Verdict::Warn),
    ] {
        let found = judged(&[(name, value)]);
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].verdict, verdict, "{name}");
    }
}

#[test]
fn the_narrowest_limit_of_connections_decides() {
    let judged = |max, open, role_limit| {
        let facts = Connections {
            max,
            kept: 3,
            open,
            role_limit,
            database_limit: None,
        };
        connections(&facts, &settings()).unwrap()
    };
    assert_eq!(judged(100, 10, None).verdict, Verdict::Ok);
    assert_eq!(judged(23, 1, None).verdict, Verdict::Fail);
    assert_eq!(judged(100, 90, None).verdict, Verdict::Warn);
    let role = judged(100, 10, Some(5));
    assert_eq!(role.verdict, Verdict::Fail);
    assert!(role.says.contains("the limit of the role"), "{}", role.says);
}

#[test]
fn clocks_that_differ_are_reported_with_the_direction() {
    assert_eq!(clock(-1_000), None);
    assert_eq!(clock(0), None);
    let says = |ahead| clock(ahead).unwrap().says;
    assert_eq!(
        says(900_500),
        "the database's clock is 901 s ahead of this machine's"
    );
    assert_eq!(
        says(-1_001),
        "the database's clock is 2 s behind this machine's"
    );
}

#[test]
fn an_old_server_and_a_standby_are_refused() {
    let facts = ServerFacts {
        place: "db:5432".to_owned(),
        version: "12.20".to_owned(),
        version_number: 120_020,
        database: "farm".to_owned(),
        role: "cue".to_owned(),
        role_quoted: "cue".to_owned(),
        in_recovery: true,
        clock_ahead_ms: 0,
        connections: Connections {
            max: 100,
            kept: 3,
            open: 1,
            role_limit: None,
            database_limit: None,
        },
    };
    let found = server(&facts);
    assert_eq!(found.len(), 3);
    assert!(
        found[1..]
            .iter()
            .all(|finding| finding.verdict == Verdict::Fail)
    );
}
