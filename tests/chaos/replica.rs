//! A replica: the real program as a process of its own, killed and started again.
//!
//! Invariant: a replica that outlives its test is killed with it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use cue_simfarm::waiting::within;
use tokio::process::{Child, Command};

/// Limits under which a launch is soon given up, and a booking that nobody launched counts as
/// forgotten after about 7 s. They are the same for all replicas, as they must be.
const LIMITS: [(&str, &str); 4] = [
    ("CUE_LAUNCH_DEADLINE", "1s"),
    ("CUE_RQD_CONNECT_TIMEOUT", "2s"),
    ("CUE_RQD_REQUEST_TIMEOUT", "2s"),
    ("CUE_RESOLVE_ATTEMPTS", "2"),
];

/// Small transactions, many at a time, and quick loops.
const BUSY: [(&str, &str); 5] = [
    ("CUE_BATCH_LAYERS", "4"),
    ("CUE_BATCH_FRAMES", "16"),
    ("CUE_EMPTY_BACKOFF", "20ms"),
    ("CUE_SATURATED_BACKOFF", "20ms"),
    ("CUE_DATABASE_POOL", "30"),
];

/// The program, when it runs and when it does not.
pub struct Replica {
    database: String,
    rqd: String,
    log: PathBuf,
    child: Option<Child>,
    /// Number of kills.
    pub kills: u32,
}

impl Replica {
    /// A replica that writes its log to a file of this name.
    pub fn new(name: &str, database: &str, rqd: String) -> Self {
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{name}.log"));
        File::create(&log).unwrap();
        Self {
            database: database.to_owned(),
            rqd,
            log,
            child: None,
            kills: 0,
        }
    }

    /// Starts it, unless it runs.
    pub fn start(&mut self) {
        if self.child.is_some() {
            return;
        }
        let log = File::options().append(true).open(&self.log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
            .arg("run")
            .env_clear()
            .env("CUE_DATABASE_URL", &self.database)
            .env("CUE_RQD_ADDRESS", &self.rqd)
            .env("CUE_ADMIN_ADDR", "off")
            .env("CUE_LOG", "warn")
            .envs(LIMITS)
            .envs(BUSY)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if let Some(ended) = child.try_wait().unwrap() {
            panic!("the program ended by itself: {ended}\n{}", self.tail());
        }
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        self.kills += 1;
    }

    /// Ends it as a service manager does.
    pub async fn terminate(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        let kill = format!("kill -TERM {}", child.id().unwrap());
        let sent = Command::new("sh").args(["-c", &kill]).status().await;
        assert!(sent.unwrap().success());
        Some(within("the program to end", child.wait()).await.unwrap())
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Nothing panicked in any of its lives.
    pub fn assert_calm(&self) {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let bad = text.lines().find(|line| line.contains("panic"));
        assert!(bad.is_none(), "{}: {bad:?}", self.log.display());
    }
}
