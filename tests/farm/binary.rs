//! The real program, as a service manager would run it: with an environment of its own.
//!
//! Invariant: a program that outlives its test is killed with it.

use cue_simfarm::waiting::within;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;

/// The program that was built with these tests.
pub const BUILT: &str = env!("CARGO_BIN_EXE_cue-scheduler");

/// A program with these words and nothing in its environment but this.
pub fn command(program: &Path, words: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command
        .args(words)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// The program while it runs.
pub struct Service {
    child: Child,
    /// Address of the admin server.
    pub address: String,
    /// Reads the rest of the log, so that the program never waits for a reader.
    log: JoinSet<String>,
}

impl Service {
    /// Starts it, and waits until its admin server listens.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_program(Path::new(BUILT), environment).await
    }

    /// The same for a program that was installed.
    pub async fn start_program(program: &Path, environment: &[(&str, &str)]) -> Self {
        let mut all = environment.to_vec();
        all.push(("CUE_ADMIN_ADDR", "127.0.0.1:0"));
        all.push(("CUE_LOG_FORMAT", "json"));
        let mut child = command(program, &["run"], &all)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (address, mut seen) = within("the admin server to listen", address(&mut lines)).await;
        let mut log = JoinSet::new();
        log.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                seen.push_str(&line);
                seen.push('\n');
            }
            seen
        });
        Self {
            child,
            address,
            log,
        }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Asks the admin server: returns the status code and the body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let ask = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = within(path, ask).await;
        let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (code, body)
    }

    /// Sends the signal of this name.
    pub async fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.id());
        let sent = Command::new("sh").args(["-c", &command]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Sends SIGTERM, and returns the exit code and the log.
    pub async fn terminate(mut self) -> (Option<i32>, String) {
        self.signal("TERM").await;
        let status = within("the program to end", self.child.wait()).await;
        let log = self.log.join_next().await.unwrap().unwrap();
        (status.unwrap().code(), log)
    }
}

/// Reads the log up to the line that says where the admin server listens.
async fn address(lines: &mut Lines<BufReader<ChildStderr>>) -> (String, String) {
    let mut seen = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        seen.push_str(&line);
        seen.push('\n');
        let fact: serde_json::Value = serde_json::from_str(&line).unwrap();
        let said = fact["message"].as_str().unwrap_or_default();
        if said.starts_with("the admin server listens") {
            return (fact["addr"].as_str().unwrap().to_owned(), seen);
        }
    }
    panic!("the program ended before its admin server listened:\n{seen}");
}
