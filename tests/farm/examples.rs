//! The examples of the pages: every command, statement and settings file in them is run, or listed with the reason.
//!
//! Commands run in a shell beside a service that books. Invariant: a command of a page that neither runs here nor is
//! listed fails the test, and so does an entry of the list that no page has.

use std::collections::BTreeSet;
use std::path::Path;

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::waiting::within;
use sqlx::AssertSqlSafe;
use tokio::process::Command;

use crate::binary::{BUILT, Service};
use crate::package::is_there;
use crate::tidy::{Source, sources};
use crate::world::{World, endless, yard};

/// Beginnings of commands that are not run here, and the reason.
const ELSEWHERE: [(&str, &str); 22] = [
    ("cargo build", "these tests are built by it"),
    ("cargo run", "CI runs the demo and every benchmark"),
    ("cargo test", "this is one"),
    (".ci/run", "this is a part of it"),
    (
        "target/release/cue-scheduler check",
        "the same command without a path is run",
    ),
    (
        "target/release/cue-scheduler run",
        "the service of this test is one",
    ),
    ("cue-scheduler run", "the service of this test is one"),
    (
        "bench/compare.sh",
        "it needs OpenCue's migrations, and other schedulers",
    ),
    (
        "cue-scheduler check | grep triggers",
        "it needs the statement triggers",
    ),
    ("psql", "the tests of the triggers run the same files"),
    ("render_trace.py", "it starts a renderer"),
    ("cueadmin", "it is a client of Cuebot's"),
    ("git clone", "it needs the network"),
    ("export OPENCUE_MIGRATIONS", "it names what was cloned"),
    ("export CUE_DATABASE_URL", "the address is that of the test"),
    ("apt install", "the test of the package installs it"),
    ("dnf install", "it needs a system with rpm"),
    ("tar -xzf", "it needs a release"),
    ("systemctl", "it needs systemd as the first process"),
    ("${EDITOR", "it needs a person"),
    ("install -D -m 600", "it writes a system file"),
    ("systemd-analyze", "a test of its own looks at the unit"),
];

/// A block of code of a page.
struct Block {
    place: String,
    language: String,
    text: String,
}

/// All blocks of the pages that have a language which can be run.
fn blocks() -> Vec<Block> {
    let pages = sources(".md");
    pages.iter().flat_map(blocks_of).collect()
}

fn blocks_of(page: &Source) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, open.take()) {
            (Some(language), None) => {
                open = Some(Block {
                    place: format!("{}:{}", page.path, number + 1),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(block)) => found.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    found
}

/// The commands of a block, each with the lines that the page says it prints.
fn commands(block: &Block) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let whole = block.text.replace("\\\n", " ");
    for line in whole.lines() {
        let command = match block.language.as_str() {
            "sh" => Some(line),
            _ => line.strip_prefix("$ "),
        };
        match (command, found.last_mut()) {
            (Some(command), _) => {
                let command = command.split("  #").next().unwrap().trim();
                if !command.is_empty() && !command.starts_with('#') {
                    found.push((command.to_owned(), Vec::new()));
                }
            }
            (None, Some((_, prints))) if line != "..." => prints.push(line.to_owned()),
            (None, _) => {}
        }
    }
    found
}

/// A command without the variables before it.
fn bare(command: &str) -> &str {
    let assigns = |word: &str| {
        word.split_once('=').is_some_and(|(name, value)| {
            name.chars()
                .all(|sign| sign.is_ascii_uppercase() || sign == '_')
                && !value.contains('(')
        })
    };
    let rest = command.split_once(' ').filter(|(first, _)| assigns(first));
    rest.map_or(command, |(_, rest)| bare(rest))
}

/// Returns true if a line of the answer is that of the page. Of a finding the subject counts: the verdict and the
/// numbers are the farm's.
fn printed(answer: &str, expected: &str) -> bool {
    let subject = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    let is_finding = ["ok ", "warn ", "FAIL "]
        .iter()
        .any(|verdict| expected.starts_with(verdict));
    let is_sum = expected.ends_with(" to put right");
    answer.lines().any(|line| match (is_finding, is_sum) {
        (true, _) => subject(line) == subject(expected),
        (_, true) => line.ends_with(" to put right"),
        _ => line == expected,
    })
}

/// The token of the service.
const TOKEN: &str = "a-token-for-the-examples";

/// A shell with the program in its path, beside a service.
struct Shell {
    path: String,
    admin: String,
    database: String,
}

impl Shell {
    /// Runs a command of a page. Returns the fault, if it fails or does not print what the page says.
    async fn fault(&self, command: &str, prints: &[String]) -> Option<String> {
        let mut shell = Command::new("sh");
        let here = command.replace("127.0.0.1:9090", &self.admin);
        shell
            .args(["-c", &here])
            .env_clear()
            .env("PATH", &self.path);
        shell
            .env("CUE_ADMIN_TOKEN", TOKEN)
            .env("CUE_ADMIN_ADDR", &self.admin);
        let names_database = |line: &String| line.contains("database.url is not set");
        if !prints.iter().any(names_database) {
            shell.env("CUE_DATABASE_URL", &self.database);
        }
        let output = within(command, shell.kill_on_drop(true).output())
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let answer = text(&output.stdout) + &text(&output.stderr);
        let mut absent = prints
            .iter()
            .filter(|line| !printed(&answer, line))
            .peekable();
        // 78 is the answer of `check` about a farm that is not ready; a page that shows faults shows the code too.
        let code = output.status.code();
        let is_well = matches!(code, Some(0 | 78)) || code == Some(64) && !prints.is_empty();
        let failed = !is_well || absent.peek().is_some();
        failed.then(|| {
            let absent: Vec<_> = absent.collect();
            format!("{command}: {code:?}, without {absent:?}:\n{answer}")
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_pages_runs_or_is_listed_with_a_reason() {
    let (db, farm) = yard(1).await;
    farm.frames("JOB", 1, |_| ()).await.unwrap();
    // The names of the pages.
    db.run("UPDATE host SET str_name = 'NODE'").await;
    let world = World::open(db, endless()).await;
    let rqd = world.rqd.address().to_string();
    let service = Service::start(&[
        ("CUE_DATABASE_URL", &world.db.url),
        ("CUE_RQD_ADDRESS", &rqd),
        ("CUE_ADMIN_TOKEN", TOKEN),
    ])
    .await;
    world.launched(1).await;
    let tools = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(BUILT, tools.path().join("cue-scheduler")).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let shell = Shell {
        path: format!("{}:{}", tools.path().display(), path.display()),
        admin: service.address.clone(),
        database: world.db.url.clone(),
    };

    let (mut ran, mut listed, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for block in blocks()
        .iter()
        .filter(|block| ["sh", "console"].contains(&&*block.language))
    {
        for (command, prints) in commands(block) {
            // The output that a page shows is compared.
            let entry = ELSEWHERE
                .iter()
                .find(|(start, _)| prints.is_empty() && bare(&command).starts_with(start));
            if let Some((start, _)) = entry {
                listed.insert(*start);
                continue;
            }
            if command.starts_with("curl") && !is_there("curl") {
                eprintln!("SKIPPED: there is no curl for: {command}");
                continue;
            }
            let fault = shell.fault(&command, &prints).await;
            wrong.extend(fault.map(|fault| format!("{}: {fault}", block.place)));
            ran += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran >= 15, "only {ran} commands were run");
    let unused: Vec<_> = ELSEWHERE
        .iter()
        .filter(|(start, _)| !listed.contains(start))
        .collect();
    assert!(unused.is_empty(), "no page has {unused:?}");
    world.finish_all(1).await;
    assert_eq!(service.terminate().await.0, Some(0));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_of_the_pages_fits_a_schema() {
    let old = TestDb::fresh().await;
    let new = TestDb::at(SchemaVersion::V51).await;
    let mut ran = 0;
    for block in blocks().iter().filter(|block| block.language == "sql") {
        let lines = block.text.lines().filter(|line| !line.starts_with("--"));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let statements = || {
            text.split(";\n")
                .map(str::trim)
                .filter(|text| !text.is_empty())
        };
        let mut refused: Vec<BTreeSet<&str>> = Vec::new();
        for db in [&old, &new] {
            let mut tx = db.pool.begin().await.unwrap();
            let mut by_this = BTreeSet::new();
            for statement in statements() {
                sqlx::raw_sql("SAVEPOINT one")
                    .execute(&mut *tx)
                    .await
                    .unwrap();
                let run = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
                if run.execute(&mut *tx).await.is_err() {
                    sqlx::raw_sql("ROLLBACK TO one")
                        .execute(&mut *tx)
                        .await
                        .unwrap();
                    by_this.insert(statement);
                }
                ran += 1;
            }
            tx.rollback().await.unwrap();
            refused.push(by_this);
        }
        let both: Vec<_> = refused[0].intersection(&refused[1]).collect();
        assert!(both.is_empty(), "{}: {both:?}", block.place);
    }
    assert!(ran >= 20, "only {ran} statements were run");
}

#[tokio::test]
async fn every_settings_file_of_the_pages_is_one() {
    let mut read = 0;
    for block in blocks().iter().filter(|block| block.language == "toml") {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &block.text).unwrap();
        let words = ["config", "--config", file.path().to_str().unwrap()];
        let url = [("CUE_DATABASE_URL", "postgresql://cue@db/cue")];
        let mut config = crate::binary::command(Path::new(BUILT), &words, &url);
        let output = within("the settings", config.output()).await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", block.place);
        read += 1;
    }
    assert!(read > 0, "a page has one");
}
