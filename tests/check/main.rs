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
mod rights;

use std::process::Stdio;
use std::time::Duration;

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::Fixture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::process::Command;

/// What the program printed, and its exit code.
struct Told {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Told {
    /// The lines that begin with this verdict.
    fn lines(&self, verdict: &str) -> Vec<&str> {
        let lines = self.out.lines();
        lines.filter(|line| line.starts_with(verdict)).collect()
    }
}

async fn program(words: &[&str], url: &str) -> Told {
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
    Told {
        out: text(output.stdout),
        err: text(output.stderr),
        code: output.status.code(),
    }
}

async fn check(url: &str) -> Told {
    program(&["check"], url).await
}

async fn run(db: &PgPool, sql: impl Into<String>) {
    let sql = sql.into();
    let done = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(db).await;
    if let Err(error) = done {
        panic!("{sql}: {error}");
    }
}

/// A database that nothing is to be said against. The server of the tests writes its log when it
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
    run(&db.pool, sync).await;
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
        run(
            &db.pool,
            format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"),
        )
        .await;
        let (scheme, rest) = db.url.split_once("://").unwrap();
        let place = rest.split_once('@').map_or(rest, |(_, place)| place);
        let url = format!("{scheme}://{name}:{}@{place}", password.replace(' ', "%20"));
        Self { name, url }
    }

    async fn drop(self, db: &TestDb) {
        run(
            &db.pool,
            format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name),
        )
        .await;
    }
}

#[tokio::test]
async fn a_farm_that_is_fit_has_nothing_but_ok() {
    let (db, _farm) = fit().await;
    let told = check(&db.url).await;
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    for verdict in ["FAIL", "warn"] {
        assert_eq!(told.lines(verdict), Vec::<&str>::new(), "{}", told.out);
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
        "ok    accounting  every counter of the shows handed over ",
        "offered indexes exist; see check --indexes",
    ] {
        assert!(
            told.out.contains(wanted),
            "{wanted} is missing in\n{}",
            told.out
        );
    }
}

#[tokio::test]
async fn the_same_is_told_as_json() {
    let (db, _farm) = fit().await;
    run(&db.pool, "UPDATE show SET b_scheduler_managed = false").await;
    let told = program(&["check", "--json"], &db.url).await;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let report: serde_json::Value = serde_json::from_str(&told.out).unwrap();
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
    assert_eq!(report["indexes"][0]["state"], "missing");
}

#[tokio::test]
async fn what_is_missing_in_the_schema_is_told_with_the_statement() {
    let (db, _farm) = fit().await;
    run(&db.pool, "ALTER TABLE layer DROP COLUMN ts_start_after CASCADE; DROP TABLE layer_limit CASCADE; ALTER TABLE frame DISABLE TRIGGER update_frame_status_counts").await;
    let told = check(&db.url).await;
    assert_eq!(told.code, Some(78), "{}", told.out);
    let fails = told.lines("FAIL").join("\n");
    for wanted in [
        "statements  pending_layers does not fit the schema: column l.ts_start_after does not exist",
        "statements  limit_use does not fit the schema: relation \"layer_limit\" does not exist",
        "schema      trigger frame.update_frame_status_counts is missing or switched off",
    ] {
        assert!(fails.contains(wanted), "{wanted} is missing in\n{fails}");
    }
    assert!(!fails.contains("host_tags"), "{fails}");
}

#[tokio::test]
async fn what_hurts_in_a_role_is_told_with_the_cure() {
    let (db, _farm) = fit().await;
    let role = Role::create(&db).await;
    let name = &role.name;
    run(&db.pool, format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}; ALTER ROLE {name} CONNECTION LIMIT 4")).await;
    run(&db.pool, format!("ALTER ROLE {name} SET default_transaction_isolation = 'serializable'; ALTER ROLE {name} SET idle_session_timeout = '5min'")).await;
    let told = check(&role.url).await;
    assert_eq!(told.code, Some(78), "{}", told.out);
    assert_eq!(told.lines("FAIL").len(), 2, "{}", told.out);
    assert_eq!(told.lines("warn").len(), 1, "{}", told.out);
    for wanted in [
        "the scheduler wants 25, the limit of the role leaves 4; raise the limit of the role"
            .to_owned(),
        format!("ALTER ROLE {name} SET default_transaction_isolation = 'read committed';"),
        format!("ALTER ROLE {name} SET idle_session_timeout = 0;"),
    ] {
        assert!(
            told.out.contains(&wanted),
            "{wanted} is missing in\n{}",
            told.out
        );
    }
    role.drop(&db).await;
}

#[tokio::test]
async fn accounts_that_drifted_and_shows_without_room_are_warned_about() {
    let (db, farm) = fit().await;
    run(
        &db.pool,
        "UPDATE folder_resource SET int_cores = int_cores + 100",
    )
    .await;
    run(&db.pool, "UPDATE subscription SET int_burst = 0").await;
    let told = check(&db.url).await;
    assert_eq!(told.code, Some(0), "{}", told.out);
    let warned = told.lines("warn").join("\n");
    let drift = "1 counters of the shows handed over differ from their procs (1 in folder_resource), 1 cores too high and 0 too low";
    assert!(warned.contains(drift), "{warned}");
    assert!(
        warned.contains(&format!("without one: {}", farm.show.name)),
        "{warned}"
    );
    let facility = ["check", "--facility", "moon"];
    let told = program(&facility, &db.url).await;
    assert_eq!(told.code, Some(78), "{}", told.out);
    assert!(
        told.lines("FAIL")[0].contains("set CUE_FACILITY to one of yard"),
        "{}",
        told.out
    );
}

/// Runs a script of single statements one by one, for some must not be in a transaction.
async fn run_script(db: &TestDb, script: &str) -> usize {
    let options: PgConnectOptions = db.url.parse().unwrap();
    let mut conn = PgConnection::connect_with(&options).await.unwrap();
    let statements: Vec<&str> = script
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("--"))
        .collect();
    for statement in &statements {
        let done = sqlx::raw_sql(AssertSqlSafe((*statement).to_owned()));
        done.execute(&mut conn).await.unwrap();
    }
    statements.len()
}

#[tokio::test]
async fn the_indexes_that_are_printed_can_be_created_and_are_found_again() {
    let (db, _farm) = fit().await;
    let first = program(&["check", "--indexes"], &db.url).await;
    assert_eq!(first.code, Some(0), "{}", first.err);
    let offered = cue_store::INDEXES.len();
    assert_eq!(run_script(&db, &first.out).await, offered, "{}", first.out);

    let second = program(&["check", "--indexes"], &db.url).await;
    assert_eq!(run_script(&db, &second.out).await, 0, "{}", second.out);
    let exist = second.out.matches("there is nothing to do").count();
    assert_eq!(exist, offered, "{}", second.out);
    let summary = format!("{offered} of {offered} offered indexes exist");
    assert!(check(&db.url).await.out.contains(&summary));

    // By another name it is the same index; over other rows it is not.
    let index = &cue_store::INDEXES[0];
    run(
        &db.pool,
        format!("ALTER INDEX {} RENAME TO of_our_own", index.name),
    )
    .await;
    let renamed = program(&["check", "--indexes"], &db.url).await;
    assert!(
        renamed.out.contains("exists: of_our_own does this"),
        "{}",
        renamed.out
    );
    run(&db.pool, "DROP INDEX of_our_own").await;
    let columns = index.columns.join(", ");
    let other = format!("CREATE INDEX {} ON frame ({columns})", index.name);
    run(&db.pool, other).await;
    let taken = program(&["check", "--indexes"], &db.url).await;
    assert!(
        taken.out.contains("is taken by another index"),
        "{}",
        taken.out
    );
}

#[tokio::test]
async fn the_offered_index_is_the_one_that_locking_frames_uses() {
    let (db, farm) = fit().await;
    farm.frames("deep", 2_000, |_| {}).await.unwrap();
    for index in cue_store::INDEXES {
        run(&db.pool, index.ddl().replace("CONCURRENTLY ", "")).await;
    }
    let lock = cue_store::statements::ALL
        .iter()
        .find(|statement| statement.name == "lock_frames")
        .unwrap();
    for upkeep in ["SELECT 1", "ANALYZE"] {
        run(&db.pool, upkeep).await;
        let layers: Vec<String> = sqlx::query_scalar("SELECT pk_layer::text FROM layer")
            .fetch_all(&db.pool)
            .await
            .unwrap();
        let explained = format!("EXPLAIN {}", lock.sql);
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explained))
            .bind(layers)
            .bind(vec![100_i64])
            .fetch_all(&db.pool)
            .await
            .unwrap();
        let plan = plan.join("\n");
        let wanted = format!("Index Scan using {}", cue_store::INDEXES[0].name);
        assert!(plan.contains(&wanted), "after {upkeep}:\n{plan}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_and_settings_that_are_wrong_end_as_they_do_elsewhere() {
    let told = check("postgres://nobody@127.0.0.1:9/none").await;
    assert_eq!(told.code, Some(1), "{}", told.out);
    let wanted = "FAIL  server      cannot connect to the database at 127.0.0.1:9/none; check CUE_DATABASE_URL";
    assert!(told.out.starts_with(wanted), "{}", told.out);

    let words = [
        "check",
        "--set",
        "database.pool=0",
        "--set",
        "feed.scan=never",
    ];
    let told = program(&words, "postgres://h/d").await;
    assert_eq!(told.code, Some(64), "{}", told.out);
    assert!(told.err.starts_with("2 faults"), "{}", told.err);
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
        run(&db.pool, change).await;
    }
    let told = check(&db.url).await;
    let limits: Vec<&str> = told
        .lines("warn")
        .into_iter()
        .filter(|line| line.contains(" limits "))
        .collect();
    assert_eq!(limits.len(), 2, "{}", told.out);
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
    let told = check(&db.url).await;
    assert!(
        told.out
            .contains("limit twice is bound twice to 1 layers; each counts once"),
        "{}",
        told.out
    );
}
