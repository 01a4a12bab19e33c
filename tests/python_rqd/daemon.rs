//! One daemon: its configuration, its process, its frames.
//!
//! Invariant: the daemon and every process of its frames end with the value, and with the process of
//! the test, however that ends: a watchdog kills them when its standard input closes. Frames have
//! sessions of their own, so they are found as children of the daemon, which is stopped before: it
//! must neither start another one nor report an end.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cue_proto::report::BootReport;
use cue_simfarm::cuebot::ReportServer;
use cue_simfarm::waiting::{PATIENCE, until};

/// Waits until its input closes, and kills the daemon `$1` with its frames. Each leads a process
/// group.
const WATCHDOG: &str = "read -r _; kill -s STOP -- -$1 && \
    for frame in $(cat /proc/$1/task/*/children); do kill -s KILL -- -$frame; done; \
    kill -s KILL -- -$1";

/// A daemon that runs.
pub struct Daemon {
    /// Its boot report, as Cuebot got it.
    pub boot: BootReport,
    address: SocketAddr,
    directory: tempfile::TempDir,
    process: Child,
    watchdog: Child,
}

impl Daemon {
    /// Starts a daemon that calls itself `host` and has `cores` cores, independent of the machine.
    /// It runs as the user of this process, and its frames do too.
    pub async fn start(python: &Path, cuebot: &ReportServer, host: &str, cores: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let config = directory.path().join("rqd.conf");
        let text = format!(
            "[Override]\n\
             RQD_GRPC_PORT = {}\n\
             RQD_NETWORK_INTERFACE = lo\n\
             OVERRIDE_CUEBOT = 127.0.0.1\n\
             CUEBOT_GRPC_PORT = {}\n\
             OVERRIDE_HOSTNAME = {host}\n\
             OVERRIDE_CORES = {cores}\n\
             OVERRIDE_PROCS = 1\n\
             CONSOLE_LOG_LEVEL = INFO\n",
            address.port(),
            cuebot.address().port(),
        );
        fs::write(&config, text).unwrap();
        let log = File::create(directory.path().join("rqd.log")).unwrap();
        let process = Command::new(python)
            .args(["-m", "rqd", "--nimbyoff", "-c"])
            .arg(&config)
            .env("TMPDIR", directory.path())
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &process.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut daemon = Self {
            boot: BootReport::default(),
            address,
            directory,
            process,
            watchdog,
        };
        match tokio::time::timeout(PATIENCE, cuebot.booted(host)).await {
            Ok(boot) => daemon.boot = boot,
            Err(_) => panic!("the daemon did not start:\n{}", daemon.log()),
        }
        // It serves before it is ready: a frame that is launched in between fails, and its process
        // runs on unnoticed.
        until("the daemon to be ready", async || {
            daemon.log().contains("RQD Started")
        })
        .await;
        daemon
    }

    /// The address of its gRPC server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its cores, in centicores. On a machine with hyper-threads it halves what it is given.
    pub fn cores(&self) -> i32 {
        self.boot.core_info.clone().unwrap_or_default().total_cores
    }

    /// A directory that goes away with it, for the logs of frames.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The log of a frame.
    pub fn frame_log(&self, job: &str, frame: &str) -> PathBuf {
        self.directory().join(format!("logs/{job}.{frame}.rqlog"))
    }

    /// Log of the daemon.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory().join("rqd.log")).unwrap_or_default()
    }

    /// Number of frames that have a process.
    pub fn frames(&self) -> usize {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let children = threads.filter_map(|thread| {
            // A thread may have ended meanwhile.
            fs::read_to_string(thread.ok()?.path().join("children")).ok()
        });
        children.map(|ids| ids.split_whitespace().count()).sum()
    }

    /// Kills the daemon and its frames, as a machine that loses power.
    pub fn lose_power(&mut self) {
        drop(self.watchdog.stdin.take());
        let _killed = self.watchdog.wait();
        let _reaped = self.process.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.lose_power();
    }
}
