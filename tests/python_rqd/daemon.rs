//! One daemon: its configuration, its process, its frames.
//!
//! Invariant: dropping it kills the daemon and every process of its frames. Frames have sessions of
//! their own, so they are found as the daemon's children before it is killed.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cue_proto::report::BootReport;
use cue_simfarm::cuebot::ReportServer;
use cue_simfarm::waiting::{PATIENCE, until};

/// A daemon that runs.
pub struct Daemon {
    /// Its boot report, as Cuebot got it.
    pub boot: BootReport,
    address: SocketAddr,
    directory: tempfile::TempDir,
    process: Child,
}

impl Daemon {
    /// Starts a daemon that calls itself `host` and has so many cores, whatever the machine has.
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
        let mut daemon = Self {
            boot: BootReport::default(),
            address,
            directory,
            process,
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

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory().join("rqd.log")).unwrap_or_default()
    }

    /// Number of frames that have a process.
    pub fn frames(&self) -> usize {
        children(self.process.id()).len()
    }

    /// Kills the daemon and its frames, as a machine that loses power.
    pub fn lose_power(&mut self) {
        let daemon = self.process.id();
        let frames = children(daemon);
        for group in frames.into_iter().chain([daemon]) {
            // A group that has ended meanwhile is what is wanted.
            let _ended = Command::new("kill")
                .args(["-KILL", "--", &format!("-{group}")])
                .stderr(Stdio::null())
                .status();
        }
        let _reaped = self.process.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.lose_power();
        }
    }
}

/// The children of a process; each leads a process group of its own.
fn children(parent: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| parent_of(*id) == Some(parent))
        .collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in brackets and may hold anything; state and parent follow it.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}
