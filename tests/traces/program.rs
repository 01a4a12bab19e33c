//! The real program while it runs, with an environment of its own.
//!
//! Invariant: a program that outlives its test is killed with it, and its log is always read, so that
//! it never waits for a reader.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;

/// What a test waits at most for a signal.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a signal, and says what was waited for when it does not come.
pub async fn within<T>(what: &str, signal: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, signal).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// Waits until something that has no signal of its own is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// The program.
pub struct Program {
    child: Child,
    address: String,
    log: JoinSet<String>,
}

impl Program {
    /// Starts it, and waits until its admin server listens.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
            .arg("run")
            .env_clear()
            .envs(environment.iter().copied())
            .env("CUE_ADMIN_ADDR", "127.0.0.1:0")
            .env("CUE_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
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

    /// Scrapes the metrics.
    pub async fn metrics(&self) -> String {
        let ask = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            let request = b"GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            String::from_utf8(answer).unwrap()
        };
        let answer = within("the metrics", ask).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(
            !head.contains("chunked"),
            "the body can be read as it is: {head}"
        );
        body.to_owned()
    }

    /// Sends SIGTERM, and returns the exit code and the log.
    pub async fn terminate(mut self) -> (Option<i32>, String) {
        let id = self.child.id().unwrap();
        let kill = format!("kill -TERM {id}");
        let sent = Command::new("sh").args(["-c", &kill]).status().await;
        assert!(sent.unwrap().success());
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
        let says = fact["message"].as_str().unwrap_or_default();
        if says.starts_with("the admin server listens") {
            return (fact["addr"].as_str().unwrap().to_owned(), seen);
        }
    }
    panic!("the program ended before its admin server listened:\n{seen}");
}
