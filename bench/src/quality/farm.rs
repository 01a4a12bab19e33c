//! The farm of a scenario: database, simulated hosts, the stand-in for Cuebot, and schedulers.
//!
//! Invariant: whatever a scenario measures, its farm is audited when it closes, and what the audit
//! finds fails the scenario.

mod seen;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cue_scheduler::config;
use cue_simfarm::audit::{AuditOptions, AuditWatch, LaunchLog, audit, audit_with};
use cue_simfarm::completion::{Completer, CompleterSettings, HostReporter};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{FrameDuration, SimHost, SimRqd, SimRqdSettings};
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::{FarmSpec, Seeded, seed};

pub use seen::Seen;

use super::recorder::Recorder;
use super::timeline::HostFacts;
use crate::scheduler::{Scheduler, settings};

/// Time between two reports of a host, and the parts in which hosts report.
const REPORTS: (Duration, u16) = (Duration::from_secs(5), 20);

/// Time between two looks while something is awaited.
const LOOK: Duration = Duration::from_millis(20);

/// The longest time that anything is awaited.
const PATIENCE: Duration = Duration::from_secs(30);

/// Invariants of the audit about counters end in this.
const COUNTERS: &str = "_equals_procs";

/// A farm under a scenario.
pub struct Farm {
    /// The database.
    pub db: TestDb,
    /// The rows that it began with.
    pub seeded: Seeded,
    /// The hosts.
    pub rqd: SimRqd,
    /// Settings of its schedulers, beside the address of the database and of the hosts.
    pub policy: Vec<(&'static str, String)>,
    /// The schedulers of this process.
    pub schedulers: Vec<Scheduler>,
    recorder: Recorder,
    completer: Completer,
    reporter: HostReporter,
    watch: Option<AuditWatch>,
    hosts: Vec<HostFacts>,
    places: HashMap<String, (String, String)>,
    remarks: Vec<String>,
    counter_findings: u64,
    exactly_once: bool,
}

impl Farm {
    /// Makes a farm of idle hosts without jobs. `run_time` is how long a frame runs unless its layer says
    /// otherwise.
    ///
    /// # Errors
    /// The database could not be seeded, or there is no port.
    pub async fn open(spec: &FarmSpec, run_time: FrameDuration) -> anyhow::Result<Self> {
        let db = TestDb::at(SchemaVersion::V51).await;
        let seeded = seed(&db.pool, spec, 1).await?;
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT str_name, int_cores::int8, int_gpus::int8 FROM host ORDER BY str_name",
        )
        .fetch_all(&db.pool)
        .await?;
        let mut rqd = SimRqd::start(SimRqdSettings {
            duration: run_time,
            hosts: SimHost::all(&db.pool).await?,
            keep_frames: false,
            ..SimRqdSettings::default()
        })?;
        let ends = rqd
            .completions()
            .context("the ends of frames are taken already")?;
        let (recorder, ends) = Recorder::start(ends);
        let hosts = rows.into_iter().map(|(name, cores, gpus)| HostFacts {
            name,
            cores: cores.unsigned_abs() / 100,
            gpus: gpus.unsigned_abs(),
        });
        let places: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT pk_show, pk_folder, pk_dept FROM folder WHERE pk_parent_folder IS NULL",
        )
        .fetch_all(&db.pool)
        .await?;
        Ok(Self {
            completer: Completer::start(db.pool.clone(), ends, CompleterSettings::default()),
            reporter: HostReporter::start_in_parts(db.pool.clone(), REPORTS.0, REPORTS.1),
            hosts: hosts.collect(),
            places: places
                .into_iter()
                .map(|(show, folder, dept)| (show, (folder, dept)))
                .collect(),
            policy: Vec::new(),
            schedulers: Vec::new(),
            watch: None,
            remarks: Vec::new(),
            counter_findings: 0,
            exactly_once: true,
            recorder,
            rqd,
            seeded,
            db,
        })
    }

    /// Starts `replicas` schedulers. Time begins with the first.
    ///
    /// # Errors
    /// One could not start.
    pub async fn start(&mut self, replicas: usize) -> anyhow::Result<()> {
        self.recorder.begin();
        for _ in 0..replicas {
            let settings = settings(&self.variables())?;
            self.schedulers.push(Scheduler::start(settings).await?);
        }
        Ok(())
    }

    /// Makes this moment the beginning, where schedulers are processes of their own.
    pub fn begin(&mut self) {
        self.exactly_once = false;
        self.recorder.begin();
    }

    /// The settings of a scheduler. A setting that the service does not have yet is left out and becomes a remark.
    pub fn variables(&mut self) -> Vec<(&'static str, String)> {
        let known = config::load(None, &BTreeMap::<String, String>::new(), &[]).effective;
        let known: Vec<&str> = known.iter().map(|entry| entry.setting.env).collect();
        let mut variables = vec![
            ("CUE_DATABASE_URL", self.db.url.clone()),
            ("CUE_RQD_ADDRESS", self.rqd.address().to_string()),
            ("CUE_ADMIN_ADDR", "off".to_owned()),
        ];
        for (name, value) in &self.policy {
            if known.contains(name) {
                variables.push((name, value.clone()));
            } else {
                let remark = format!("the service has no {name}");
                if !self.remarks.contains(&remark) {
                    self.remarks.push(remark);
                }
            }
        }
        variables
    }

    /// Seconds since the beginning.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.recorder.now()
    }

    /// Lets time pass.
    pub async fn run(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }

    /// Waits until this number of frames runs at the same time.
    ///
    /// # Errors
    /// They do not within half a minute.
    pub async fn running(&self, frames: usize) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.rqd.running_count() < frames {
            let running = self.rqd.running_count();
            ensure!(
                began.elapsed() < PATIENCE,
                "{running} frames run, not {frames}, after {PATIENCE:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Watches every cap of the database until the farm closes.
    pub fn watch_caps(&mut self) {
        self.watch = Some(AuditWatch::start(self.db.pool.clone()));
    }

    /// Compares every counter with what it counts.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn audit_counters(&mut self) -> anyhow::Result<()> {
        let found = audit(&self.db.pool, None).await?.findings;
        let counters = found
            .iter()
            .filter(|finding| finding.invariant.ends_with(COUNTERS));
        self.counter_findings += counters.count() as u64;
        Ok(())
    }

    /// Stops everything, audits the database, and returns what happened.
    ///
    /// # Errors
    /// A scheduler did not end in good order, or the database did not answer.
    pub async fn close(mut self) -> anyhow::Result<Seen> {
        let over = self.recorder.now();
        let mut found: Vec<String> = Vec::new();
        if let Some(watch) = self.watch.take() {
            let seen = watch.finish().await;
            found.extend(seen.findings.iter().map(ToString::to_string));
        }
        for scheduler in self.schedulers.drain(..) {
            scheduler.end().await?;
        }
        let launches = self.rqd.launches();
        let log = LaunchLog::of(&self.rqd);
        self.rqd.shutdown().await;
        self.recorder.passed_on().await;
        let completions = self.completer.finish().await;
        self.reporter.finish().await;
        let options = AuditOptions {
            launches: Some(&log),
            exactly_once: self.exactly_once,
            ..AuditOptions::default()
        };
        let last = audit_with(&self.db.pool, &options).await?;
        found.extend(last.findings.iter().map(ToString::to_string));
        let seen = Seen {
            timeline: self.recorder.timeline(&launches, self.hosts, over),
            ends: self.recorder.ends(),
            launches,
            completions,
            counter_findings: self.counter_findings,
            audit: found,
            remarks: self.remarks,
        };
        self.db.close().await?;
        Ok(seen)
    }
}
