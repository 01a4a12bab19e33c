//! The program as a process of its own, on a database and a farm of ten hosts.
//!
//! Invariant: it is killed with its test, and its database goes with it.

use std::process::Stdio;

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::Fixture;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use cue_simfarm::waiting::within;

/// The program in a dry run.
pub struct Service {
    /// Address of its page.
    pub address: String,
    pub child: Child,
    pub db: TestDb,
    pub farm: Fixture,
    _log: JoinSet<()>,
}

impl Service {
    /// Starts it with forty frames that hosts can run and one that no host can, which goes on waiting,
    /// and with these settings in addition.
    pub async fn start(more: &[(&str, &str)]) -> Self {
        let (db, farm) = ten_hosts().await;
        farm.frames("shot", 40, |_| {}).await.unwrap();
        let huge = farm.frames("huge", 1, |layer| layer.cores_min = 6_400);
        huge.await.unwrap();
        Self::on(db, farm, more).await
    }

    /// Starts it without a job.
    pub async fn idle() -> Self {
        let (db, farm) = ten_hosts().await;
        Self::on(db, farm, &[]).await
    }

    /// The same, with the patience for a test that holds up what is booked.
    pub async fn patient() -> Self {
        let (db, farm) = ten_hosts().await;
        Self::on(db, farm, &[("CUE_DATABASE_LOCK_TIMEOUT", "30s")]).await
    }

    async fn on(db: TestDb, farm: Fixture, more: &[(&str, &str)]) -> Self {
        let (child, address, log) = run(&db.url, "127.0.0.1:0", more).await;
        Self {
            address,
            child,
            db,
            farm,
            _log: log,
        }
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop, and does not wait until it has.
    pub async fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Starts it again after its end, at the same address.
    pub async fn again(&mut self) {
        let address = self.address.clone();
        (self.child, self.address, self._log) = run(&self.db.url, &address, &[]).await;
    }
}

async fn ten_hosts() -> (TestDb, Fixture) {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    for host in 0..10 {
        farm.host(&format!("host{host}"), |_| {}).await.unwrap();
    }
    (db, farm)
}

/// Starts the program and waits until its page is there.
pub async fn run(url: &str, address: &str, more: &[(&str, &str)]) -> (Child, String, JoinSet<()>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
        .arg("run")
        .env_clear()
        .env("CUE_DATABASE_URL", url)
        .env("CUE_ADMIN_ADDR", address)
        .env("CUE_DRY_RUN", "true")
        .env("CUE_LOG_FORMAT", "json")
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = within("the admin server to listen", async {
        loop {
            let line = lines.next_line().await.unwrap();
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            if let Some(address) = line["addr"].as_str() {
                return address.to_owned();
            }
        }
    })
    .await;
    let mut log = JoinSet::new();
    log.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address, log)
}
