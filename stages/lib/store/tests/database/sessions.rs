//! Sessions that are of no use any more: silent, stale after a migration, read-only, shared by a pooler.

use std::process::Command;
use std::time::{Duration, Instant};

use cue_simfarm::postgres::TestDb;
use cue_simfarm::waiting::until;
use cue_store::{BreakerSettings, ErrorClass, Store, StoreError, StoreSettings};
use prometheus::Registry;
use sqlx::AssertSqlSafe;

const STATEMENT_TIMEOUT: Duration = Duration::from_millis(300);

async fn store(db: &TestDb, pool: u32) -> Store {
    store_with(db, pool, BreakerSettings::default()).await
}

async fn store_with(db: &TestDb, pool: u32, breaker: BreakerSettings) -> Store {
    store_at(db.url.clone(), pool, breaker).await
}

async fn store_at(url: String, pool: u32, breaker: BreakerSettings) -> Store {
    let settings = StoreSettings {
        pool,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: STATEMENT_TIMEOUT,
        lock_timeout: Duration::from_millis(100),
        application_name: "cue-session-tests".to_owned(),
        breaker,
        ..StoreSettings::new(url)
    };
    Store::connect(&settings, &Registry::new()).await.unwrap()
}

async fn pids(db: &TestDb) -> Vec<i32> {
    let ours = "SELECT pid FROM pg_stat_activity
        WHERE application_name = 'cue-session-tests' AND datname = current_database()";
    db.values(ours).await
}

/// A process of the server that stands still, and goes on when this is dropped.
struct Stopped(i32);

impl Stopped {
    fn new(pid: i32) -> Self {
        signal("-STOP", pid);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("-CONT", self.0);
    }
}

fn signal(name: &str, pid: i32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "kill {name} {pid}");
}

async fn of_database(db: &TestDb, what: &str) {
    let name: String = db.value("SELECT current_database()").await;
    db.run(&format!("ALTER DATABASE \"{name}\" {what}")).await;
}

async fn snapshot(store: &Store) -> Result<(), StoreError> {
    store.host_snapshot(None, None).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_silent_session_costs_one_bounded_wait_and_its_place_is_taken_by_another() {
    let db = TestDb::fresh().await;
    let store = store(&db, 1).await;
    store.ping().await.unwrap();
    // A session that was given up while this one was opened ends in the server a little later.
    until("the only session", async || pids(&db).await.len() == 1).await;
    let _stopped: Vec<Stopped> = pids(&db).await.into_iter().map(Stopped::new).collect();
    let asked = Instant::now();
    let error = snapshot(&store).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Connection, "{error:?}");
    assert!(asked.elapsed() < STATEMENT_TIMEOUT + Duration::from_secs(3));
    // The pool has one place, which the silent session gives up without an answer of its own.
    let again = tokio::time::timeout(Duration::from_secs(5), snapshot(&store));
    again.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_silent_session_does_not_keep_others_from_work() {
    let db = TestDb::fresh().await;
    let store = store(&db, 3).await;
    let warm: Vec<_> = (0..3).map(|_| snapshot(&store)).collect();
    for looked in futures::future::join_all(warm).await {
        looked.unwrap();
    }
    let all = pids(&db).await;
    let _stopped: Vec<Stopped> = all.into_iter().skip(1).map(Stopped::new).collect();
    // Each silent session fails one statement; the others go on meanwhile.
    let many: Vec<_> = (0..30).map(|_| snapshot(&store)).collect();
    let done = futures::future::join_all(many).await;
    let failed = done.iter().filter(|answer| answer.is_err()).count();
    assert!(failed <= 2, "{failed} failed: {done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_migration_fails_no_statement_of_warm_sessions() {
    let db = TestDb::fresh().await;
    let store = store(&db, 4).await;
    let in_all = async || {
        let many: Vec<_> = (0..8).map(|_| snapshot(&store)).collect();
        for looked in futures::future::join_all(many).await {
            looked.unwrap();
        }
    };
    for _ in 0..5 {
        in_all().await;
    }
    let before = pids(&db).await;
    db.run("ALTER TABLE host ALTER COLUMN str_name TYPE varchar(300)")
        .await;
    in_all().await;
    assert_eq!(pids(&db).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_database_that_takes_no_writes_is_away_until_it_does() {
    let db = TestDb::fresh().await;
    let store = store(&db, 2).await;
    store.ping().await.unwrap();
    of_database(&db, "SET default_transaction_read_only = on").await;
    db.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'cue-session-tests' AND datname = current_database()",
    )
    .await;
    cue_simfarm::waiting::until("the breaker to open", async || {
        let answer = store.ping().await;
        answer.is_err() && store.outage().is_some()
    })
    .await;
    // A look at the server alone would say that all is well.
    assert!(store.available().await.is_err());
    // Sessions of the test are read-only by default as well.
    let name: String = db.value("SELECT current_database()").await;
    let reset = format!(
        "BEGIN READ WRITE; ALTER DATABASE \"{name}\" RESET default_transaction_read_only; COMMIT"
    );
    db.run(&reset).await;
    let back = Instant::now();
    cue_simfarm::waiting::until("writes to be possible", async || {
        store.available().await.is_ok() && store.ping().await.is_ok()
    })
    .await;
    assert!(
        back.elapsed() < Duration::from_secs(5),
        "{:?}",
        back.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_database_on_which_every_statement_times_out_opens_the_breaker() {
    let db = TestDb::fresh().await;
    let store = store(&db, 4).await;
    db.run(
        "CREATE FUNCTION slow() RETURNS boolean LANGUAGE sql AS 'SELECT true FROM pg_sleep(30)';
         ALTER TABLE host_tag RENAME TO host_tag_rows;
         CREATE VIEW host_tag AS SELECT host_tag_rows.* FROM (SELECT slow()) s, host_tag_rows",
    )
    .await;
    let mut errors = Vec::new();
    while store.outage().is_none() && errors.len() < 40 {
        if let Err(error) = store.host_tags().await {
            errors.push(error.class());
        }
    }
    assert!(store.outage().is_some(), "{errors:?}");
    assert!(
        errors.iter().all(|class| *class == ErrorClass::TimedOut),
        "{errors:?}"
    );
    // Callers learn at once that the database is away.
    let asked = Instant::now();
    assert!(matches!(
        store.host_tags().await,
        Err(StoreError::Outage { .. })
    ));
    assert!(asked.elapsed() < Duration::from_millis(250));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn each_error_of_the_server_has_its_class() {
    use ErrorClass::{Conflict, Connection, Held, Row, Server, Statement, TimedOut};
    let db = TestDb::fresh().await;
    let unbroken = BreakerSettings {
        failures: 1000,
        ..BreakerSettings::default()
    };
    let store = store_with(&db, 1, unbroken).await;
    db.run(
        "CREATE TABLE raised (code text);
         INSERT INTO raised VALUES ('');
         CREATE FUNCTION raises() RETURNS boolean LANGUAGE plpgsql AS $$
         DECLARE code text;
         BEGIN
             SELECT r.code INTO code FROM raised r;
             RAISE EXCEPTION 'raised' USING ERRCODE = code;
         END $$;
         ALTER TABLE host_tag RENAME TO host_tag_rows;
         CREATE VIEW host_tag AS SELECT host_tag_rows.* FROM (SELECT raises()) s, host_tag_rows",
    )
    .await;
    for (code, class) in [
        ("03000", Row),
        ("08006", Connection),
        ("0A000", Connection),
        ("0L000", Statement),
        ("20000", Row),
        ("21000", Row),
        ("22023", Row),
        ("22P02", Row),
        ("23514", Row),
        ("24000", Row),
        ("25006", Connection),
        ("25P03", Connection),
        ("26000", Connection),
        ("27000", Row),
        ("28000", Server),
        ("2F002", Row),
        ("38000", Row),
        ("3D000", Server),
        ("3F000", Statement),
        ("40001", Conflict),
        ("40P01", Conflict),
        ("42501", Statement),
        ("42P01", Statement),
        ("42P05", Connection),
        ("44000", Row),
        ("53100", Server),
        ("53300", Server),
        ("54001", Statement),
        ("55000", Server),
        ("55P03", Held),
        ("57014", TimedOut),
        ("57P01", Server),
        ("57P05", Connection),
        ("58030", Server),
        ("F0000", Server),
        ("HV000", Row),
        ("P0001", Row),
        ("P0002", Row),
        ("XX000", Server),
        ("ZZZ99", Row),
    ] {
        let set = format!("UPDATE raised SET code = '{code}'");
        db.run(&set).await;
        let error = snapshot(&store).await.unwrap_err();
        assert_eq!(error.class(), class, "{code}: {error:?}");
    }
}

/// The server locks a table to list its indexes, which a session asks about when it is opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_session_is_opened_while_somebody_has_a_table_alone() {
    for table in ["frame", "layer", "job"] {
        let db = TestDb::fresh().await;
        let mut alone = db.pool.begin().await.unwrap();
        let lock = AssertSqlSafe(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
        sqlx::raw_sql(lock).execute(&mut *alone).await.unwrap();
        let store = store(&db, 1).await;
        store.ping().await.unwrap();
        snapshot(&store).await.unwrap();
        alone.rollback().await.unwrap();
    }
}

/// Makes a role that may have this many connections, and returns the database's URL with it.
async fn role_of_few(db: &TestDb, connections: u32) -> String {
    let name = sqlx::query_scalar("SELECT quote_ident('few_' || current_database())");
    let role: String = name.fetch_one(&db.pool).await.unwrap();
    let sql = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'test' CONNECTION LIMIT {connections};
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    );
    db.run(&sql).await;
    let (scheme, rest) = db.url.split_once("://").unwrap();
    let place = rest.split_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{role}:test@{place}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn callers_share_the_connections_that_a_role_may_have() {
    let db = TestDb::fresh().await;
    let url = role_of_few(&db, 2).await;
    let breaker = BreakerSettings::default();
    let store = store_at(url, 8, breaker).await;
    let began = Instant::now();
    let callers = (0..8).map(|_| async {
        for _ in 0..40 {
            store.ping().await?;
            snapshot(&store).await?;
        }
        Ok::<_, StoreError>(())
    });
    let answers = futures::future::join_all(callers).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "640 round trips took {took:?}"
    );
}
