//! The ephemeral server against the real PostgreSQL: databases come and go, and nothing of the
//! server outlives the process that started it, however that process ends.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cue_simfarm::postgres::{Database, PostgresError, Server, ServerSettings, TestDb};
use sqlx::{Connection, PgConnection};

/// Set for the child process that starts a server and waits to be killed.
const HELPER: &str = "CUE_SIMFARM_TEST_HELPER";

#[tokio::test]
async fn a_fresh_database_has_the_schema_and_no_work() {
    let db = TestDb::fresh().await;
    let frames: i64 = db.value("SELECT count(*) FROM frame").await;
    assert_eq!(frames, 0);
}

#[tokio::test]
async fn two_tests_never_see_each_others_rows() {
    let (one, two) = tokio::join!(TestDb::fresh(), TestDb::fresh());
    assert_ne!(one.url, two.url);
    sqlx::query("INSERT INTO facility (pk_facility, str_name) VALUES ('f', 'only here')")
        .execute(&one.pool)
        .await
        .unwrap();
    let count = "SELECT count(*) FROM facility WHERE str_name = 'only here'";
    let seen: i64 = sqlx::query_scalar(count)
        .fetch_one(&two.pool)
        .await
        .unwrap();
    assert_eq!(seen, 0);
}

#[tokio::test]
async fn a_database_is_gone_when_its_value_is_even_if_somebody_is_connected() {
    let db = TestDb::fresh().await;
    let url = db.url.clone();
    let _guest = PgConnection::connect(&url).await.unwrap();
    drop(db);
    assert!(PgConnection::connect(&url).await.is_err());

    let db = TestDb::fresh().await;
    let url = db.url.clone();
    db.close().await.unwrap();
    assert!(PgConnection::connect(&url).await.is_err());
}

#[tokio::test]
async fn settings_reach_the_server_and_the_end_of_the_value_is_the_end_of_the_server() {
    let settings = ServerSettings::from_env()
        .set("work_mem", "'7MB'")
        .set("fsync", "on");
    let server = start(settings).await;
    let mut conn = PgConnection::connect(&server.admin_url()).await.unwrap();
    for (name, expected) in [
        ("work_mem", "7MB"),
        ("fsync", "on"),
        ("listen_addresses", "127.0.0.1"),
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(&mut conn)
            .await
            .unwrap();
        assert_eq!(value, expected, "{name}");
    }
    let dir = server.dir().unwrap().to_path_buf();
    let pid = postmaster(&dir);
    assert!(alive(&pid));
    drop(server);
    assert!(!alive(&pid));
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_server_that_was_stopped_comes_back_at_its_port_with_its_data() {
    let mut server = start(ServerSettings::from_env()).await;
    let url = server.admin_url();
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let make = sqlx::query("CREATE TABLE kept AS SELECT 42 AS answer");
    make.execute(&mut conn).await.unwrap();
    let server = tokio::task::spawn_blocking(move || server.stop().map(|()| server));
    let mut server = server.await.unwrap().unwrap();
    assert!(sqlx::query("SELECT 1").execute(&mut conn).await.is_err());
    assert!(PgConnection::connect(&url).await.is_err());
    let server = tokio::task::spawn_blocking(move || server.start_again().map(|()| server));
    let server = server.await.unwrap().unwrap();
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let kept = sqlx::query_scalar::<_, i32>("SELECT answer FROM kept");
    assert_eq!(kept.fetch_one(&mut conn).await.unwrap(), 42);
    drop(server);
}

#[test]
fn a_server_of_somebody_else_is_not_stopped() {
    let mut server = Server::at("postgres://db.example/farm").unwrap();
    assert!(matches!(server.stop(), Err(PostgresError::NotOurs)));
    assert!(matches!(server.start_again(), Err(PostgresError::NotOurs)));
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_and_leaves_nothing() {
    let settings = ServerSettings::from_env().set("no_such_setting", "1");
    let before = scratch_dirs();
    let error = tokio::task::spawn_blocking(move || Server::start(settings))
        .await
        .unwrap()
        .expect_err("a server with an unknown setting");
    assert!(matches!(error, PostgresError::Start { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    let marked = |dir: &PathBuf| {
        std::fs::read_to_string(dir.join("simfarm.conf"))
            .is_ok_and(|text| text.contains("no_such_setting"))
    };
    let left = scratch_dirs()
        .into_iter()
        .filter(|dir| !before.contains(dir));
    assert_eq!(left.filter(marked).count(), 0);
}

#[tokio::test]
async fn a_database_name_that_needs_quoting_is_refused() {
    let server = start(ServerSettings::from_env()).await;
    for name in [
        "",
        "Demo",
        "a b",
        "x\"; DROP DATABASE postgres; --",
        &"x".repeat(64),
    ] {
        let error = Database::create(&server, name).await.expect_err(name);
        assert!(matches!(error, PostgresError::Name { .. }), "{error}");
    }
    let demo = Database::create(&server, "demo").await.unwrap();
    demo.install_schema().await.unwrap();
    demo.remove().await.unwrap();
}

#[test]
fn a_killed_process_leaves_neither_server_nor_directory() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_starts_a_server_and_waits", "--nocapture"])
        .env(HELPER, "1")
        .env_remove("DATABASE_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let dir = lines
        .find_map(|line| {
            line.unwrap()
                .split_once("server in ")
                .map(|(_, dir)| dir.to_owned())
        })
        .expect("the helper starts a server");
    let dir = PathBuf::from(dir);
    let pid = postmaster(&dir);
    assert!(alive(&pid));

    // On Unix this is SIGKILL: nothing of the child runs any more, no drop and no handler.
    child.kill().unwrap();
    child.wait().unwrap();

    // The supervisor is nobody's child now, so there is nothing to wait on but the facts.
    let deadline = Instant::now() + Duration::from_secs(20);
    while alive(&pid) || dir.exists() {
        assert!(
            Instant::now() < deadline,
            "postmaster {pid} or {} is left",
            dir.display()
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "the end of a stranger cannot be awaited"
        )]
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Not a test of its own: the process that the test above kills.
#[test]
fn helper_starts_a_server_and_waits() {
    if std::env::var_os(HELPER).is_none() {
        return;
    }
    let server = Server::start(ServerSettings::from_env()).unwrap();
    println!("\nserver in {}", server.dir().unwrap().display());
    // The parent holds the other end and never writes: this blocks until the kill.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

async fn start(settings: ServerSettings) -> Server {
    tokio::task::spawn_blocking(move || Server::start(settings))
        .await
        .unwrap()
        .unwrap()
}

/// The process id in the first line of the server's own file.
fn postmaster(dir: &Path) -> String {
    let file = std::fs::read_to_string(dir.join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().trim().to_owned()
}

/// Returns true if the process runs. One that has ended may still be listed until its parent asks for
/// its status, and the parent of a daemon is the first process of the system.
fn alive(pid: &str) -> bool {
    let ask = ["-c", "kill -0 \"$1\"", "sh", pid];
    let status = Command::new("sh").args(ask).stderr(Stdio::null()).status();
    let ended = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
    });
    status.unwrap().success() && !ended
}

/// Scratch directories of servers that exist right now, of whichever process.
fn scratch_dirs() -> Vec<PathBuf> {
    let parents = [std::env::temp_dir(), PathBuf::from("/tmp")];
    let entries = parents
        .iter()
        .flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten());
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("cue-pg-"))
        .filter(|entry| {
            entry
                .metadata()
                .is_ok_and(|meta| meta.permissions().mode() & 0o077 == 0)
        })
        .map(|entry| entry.path())
        .collect()
}
