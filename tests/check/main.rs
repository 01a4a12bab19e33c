//! `cue-scheduler check`: the real program, on databases that are fit and on ones that are not.
//!
//! Invariant: what it prints as SQL is run here as it is printed, and must then be enough.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod contradicted;
mod neighbours;
mod recorded;
mod rights;
mod statement_triggers;

use std::process::Stdio;
use std::time::Duration;

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::Fixture;
use sqlx::PgPool;
use tokio::process::Command;

/// Output of the program, and its exit code.
struct Answer {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Answer {
    /// The lines that begin with this verdict.
    fn lines(&self, verdict: &str) -> Vec<&str> {
        let lines = self.out.lines();
        lines.filter(|line| line.starts_with(verdict)).collect()
    }
}

async fn program(words: &[&str], url: &str) -> Answer {
    let running = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
        .args(words)
        .env_clear()
        .env("CUE_DATABASE_URL", url)
        .env("CUE_ADMIN_ADDR", "off")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Ok(output) = tokio::time::timeout(Duration::from_secs(60), running).await else {
        panic!("waited a minute for {words:?}");
    };
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer {
        out: text(output.stdout),
        err: text(output.stderr),
        code: output.status.code(),
    }
}

async fn check(url: &str) -> Answer {
    program(&["check"], url).await
}

/// A database without faults. The server of the tests writes its log when it
/// likes; a farm's must not.
async fn fit() -> (TestDb, Fixture) {
    fit_at(SchemaVersion::default()).await
}

/// The same on another version of the schema.
async fn fit_at(version: SchemaVersion) -> (TestDb, Fixture) {
    let db = TestDb::at(version).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    farm.host("big", |_| {}).await.unwrap();
    let sync = format!(
        "ALTER DATABASE {} SET synchronous_commit = on",
        database(&db.pool).await
    );
    db.run(&sync).await;
    (db, farm)
}

async fn database(db: &PgPool) -> String {
    let name = sqlx::query_scalar("SELECT quote_ident(current_database())");
    name.fetch_one(db).await.unwrap()
}

/// A role of its own for one test, with no right but to connect.
struct Role {
    name: String,
    url: String,
}

impl Role {
    async fn create(db: &TestDb) -> Self {
        let name = format!("role_{}", database(&db.pool).await);
        let password = "only for this test";
        db.run(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"))
            .await;
        let (scheme, rest) = db.url.split_once("://").unwrap();
        let place = rest.split_once('@').map_or(rest, |(_, place)| place);
        let url = format!("{scheme}://{name}:{}@{place}", password.replace(' ', "%20"));
        Self { name, url }
    }

    async fn drop(self, db: &TestDb) {
        db.run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name))
            .await;
    }
}

#[tokio::test]
async fn a_farm_that_is_fit_has_nothing_but_ok() {
    let (db, _farm) = fit().await;
    let answer = check(&db.url).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    for verdict in ["FAIL", "warn"] {
        assert_eq!(answer.lines(verdict), Vec::<&str>::new(), "{}", answer.out);
    }
    for wanted in [
        "ok    server      PostgreSQL ",
        "ok    connections the scheduler wants 25, ",
        "ok    settings    the scheduler sets for its own sessions, whatever the server has: jit off",
        "statements fit the schema",
        "ok    shows       1 of 1 active shows are handed over: alpha",
        "ok    schema      OpenCue's migration V47, by its tables and columns",
        "ok    maestro     no Cuebot plans with it",
        "ok    hosts       1 are up",
        "ok    facility    all of them: yard",
        "ok    procs       every host ",
        "ok    accounting  every counter of the shows handed over ",
        "ok    indexes     OpenCue's index on the waiting frames of a layer (V51) is missing",
    ] {
        assert!(
            answer.out.contains(wanted),
            "{wanted} is missing in\n{}",
            answer.out
        );
    }
}

#[tokio::test]
async fn the_same_is_reported_as_json() {
    let (db, _farm) = fit().await;
    db.run("UPDATE show SET b_scheduler_managed = false").await;
    let answer = program(&["check", "--json"], &db.url).await;
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let shows: Vec<_> = checks
        .iter()
        .filter(|check| check["check"] == "shows")
        .collect();
    assert_eq!(shows.len(), 1);
    assert_eq!(shows[0]["verdict"], "warn");
    assert_eq!(
        shows[0]["do"],
        "hand one over with: cueadmin -scheduler-managed SHOW ON"
    );
}

#[tokio::test]
async fn what_is_missing_in_the_schema_is_reported_with_the_statement() {
    let (db, _farm) = fit().await;
    db.run("ALTER TABLE layer DROP COLUMN ts_start_after CASCADE; DROP TABLE layer_limit CASCADE; ALTER TABLE frame DISABLE TRIGGER update_frame_status_counts").await;
    let answer = check(&db.url).await;
    assert_eq!(answer.code, Some(78), "{}", answer.out);
    let fails = answer.lines("FAIL").join("\n");
    for wanted in [
        "statements  wanted_layers does not fit the schema: column l.ts_start_after does not exist",
        "statements  limit_use does not fit the schema: relation \"layer_limit\" does not exist",
        "schema      trigger frame.update_frame_status_counts is missing or switched off",
    ] {
        assert!(fails.contains(wanted), "{wanted} is missing in\n{fails}");
    }
    assert!(!fails.contains("host_tags"), "{fails}");
}

#[tokio::test]
async fn what_hurts_in_a_role_is_reported_with_the_cure() {
    let (db, _farm) = fit().await;
    let role = Role::create(&db).await;
    let name = &role.name;
    db.run(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}; ALTER ROLE {name} CONNECTION LIMIT 4")).await;
    db.run(&format!(
        "ALTER ROLE {name} SET idle_session_timeout = '5min'"
    ))
    .await;
    let answer = check(&role.url).await;
    assert_eq!(answer.code, Some(78), "{}", answer.out);
    assert_eq!(answer.lines("FAIL").len(), 1, "{}", answer.out);
    assert_eq!(answer.lines("warn").len(), 1, "{}", answer.out);
    for wanted in [
        "the scheduler wants 25, the limit of the role leaves 4; raise the limit of the role"
            .to_owned(),
        format!("ALTER ROLE {name} SET idle_session_timeout = 0;"),
    ] {
        assert!(
            answer.out.contains(&wanted),
            "{wanted} is missing in\n{}",
            answer.out
        );
    }
    role.drop(&db).await;
}

#[tokio::test]
async fn accounts_that_drifted_and_shows_without_room_are_warned_about() {
    let (db, farm) = fit().await;
    db.run("UPDATE folder_resource SET int_cores = int_cores + 100")
        .await;
    db.run("UPDATE subscription SET int_burst = 0").await;
    let answer = check(&db.url).await;
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    let warned = answer.lines("warn").join("\n");
    let drift = "1 counters of the shows handed over differ from their procs (1 in folder_resource), 1 cores too high and 0 too low";
    assert!(warned.contains(drift), "{warned}");
    assert!(
        warned.contains(&format!("without one: {}", farm.show.name)),
        "{warned}"
    );
    let facility = ["check", "--facility", "moon"];
    let answer = program(&facility, &db.url).await;
    assert_eq!(answer.code, Some(78), "{}", answer.out);
    assert!(
        answer.lines("FAIL")[0].contains("set CUE_FACILITY to one of yard"),
        "{}",
        answer.out
    );
}

#[tokio::test]
async fn a_database_that_is_away_and_settings_that_are_wrong_end_as_they_do_elsewhere() {
    let answer = check("postgres://nobody@127.0.0.1:9/none").await;
    assert_eq!(answer.code, Some(1), "{}", answer.out);
    let wanted = "FAIL  server      cannot connect to the database at 127.0.0.1:9/none; check CUE_DATABASE_URL";
    assert!(answer.out.starts_with(wanted), "{}", answer.out);

    let words = [
        "check",
        "--set",
        "database.pool=0",
        "--set",
        "feed.empty_backoff=never",
    ];
    let answer = program(&words, "postgres://h/d").await;
    assert_eq!(answer.code, Some(64), "{}", answer.out);
    assert!(answer.err.starts_with("2 faults"), "{}", answer.err);
}

#[tokio::test]
async fn limits_that_hold_back_less_or_more_than_one_may_think_are_named() {
    let (db, farm) = fit_at(SchemaVersion::V51).await;
    for limit in ["fine", "old", "believed", "advisory", "open"] {
        farm.limit(limit, 3).await.unwrap();
    }
    for change in [
        "UPDATE limit_record SET ts_reported = current_timestamp - interval '2 hours' WHERE str_name <> 'fine'",
        "UPDATE limit_record SET int_report_ttl = 0 WHERE str_name = 'believed'",
        "UPDATE limit_record SET str_enforcement = 'ADVISORY' WHERE str_name = 'advisory'",
        "UPDATE limit_record SET int_max_value = NULL WHERE str_name = 'open'",
    ] {
        db.run(change).await;
    }
    let answer = check(&db.url).await;
    let limits: Vec<&str> = answer
        .lines("warn")
        .into_iter()
        .filter(|line| line.contains(" limits "))
        .collect();
    assert_eq!(limits.len(), 2, "{}", answer.out);
    assert!(
        limits[0].contains("limit old holds nothing back: its last licence report is 2h"),
        "{limits:?}"
    );
    assert!(
        limits[1].contains("limit open has no maximum, so its layers do not run"),
        "{limits:?}"
    );

    let (db, farm) = fit().await;
    let limit = farm.limit("twice", 3).await.unwrap();
    let limits = vec![limit.clone(), limit];
    farm.frames("a", 1, |layer| layer.limits = limits)
        .await
        .unwrap();
    let answer = check(&db.url).await;
    assert!(
        answer
            .out
            .contains("limit twice is bound twice to 1 layers; each counts once"),
        "{}",
        answer.out
    );
}
