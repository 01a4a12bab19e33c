//! The farm of a test: a database, daemons behind addresses of their own, and the side of Cuebot
//! that ends frames. What daemons report about running frames is not written anywhere.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use cue_simfarm::audit::{AuditOptions, audit_with};
use cue_simfarm::completion::{Completer, CompleterSettings};
use cue_simfarm::cuebot::ReportServer;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{Fixture, LayerSpec};
use cue_simfarm::waiting::within;

use crate::cable::Cable;
use crate::daemon::Daemon;
use crate::world::Scheduler;

/// A farm of daemons, `127.0.0.2` and on.
pub struct Yard {
    pub daemons: Vec<Daemon>,
    db: TestDb,
    farm: Fixture,
    cables: Vec<Cable>,
    completer: Completer,
    _reports: ReportServer,
}

impl Yard {
    /// A farm of daemons with these cores, and the cores that their rows promise.
    pub async fn open(python: &Path, cores: &[(u32, u32)]) -> Self {
        let db = TestDb::fresh().await;
        let farm = Fixture::new(&db.pool).await.unwrap();
        let mut reports = ReportServer::start().unwrap();
        let (mut daemons, mut cables) = (Vec::new(), Vec::<Cable>::new());
        for (n, (real, promised)) in (2_u8..).zip(cores) {
            let host = format!("127.0.0.{n}");
            let daemon = Daemon::start(python, &reports, &host, *real).await;
            let port = cables.first().map_or(0, |cable| cable.address().port());
            let near = SocketAddr::from(([127, 0, 0, n], port));
            cables.push(Cable::lay(near, daemon.address()).await);
            let promised = i64::from(daemon.cores()) * i64::from(*promised) / i64::from(*real);
            farm.host(&host, |row| row.cores = promised).await.unwrap();
            daemons.push(daemon);
        }
        let ends = reports.completions().unwrap();
        let completer = Completer::start(db.pool.clone(), ends, CompleterSettings::default());
        Self {
            daemons,
            db,
            farm,
            cables,
            completer,
            _reports: reports,
        }
    }

    /// Turns a machine off. Its address then refuses connections: a cable that took a launch, and could
    /// not pass it on, would leave it in doubt.
    pub async fn turn_off(&mut self, index: usize) {
        self.cables[index].cut().await;
        self.daemons[index].lose_power();
    }

    /// Launches a job of frames of one core.
    pub async fn job(&self, name: &str, frames: i64, command: &str) {
        self.job_on(name, frames, command, &self.farm.allocation.name)
            .await;
    }

    /// Launches a job of frames of one core for the hosts with a tag, which can be a host's name.
    pub async fn job_on(&self, name: &str, frames: i64, command: &str, tag: &str) {
        let mut layer = LayerSpec::new("render", tag);
        (layer.frames, layer.command, layer.threadable) = (frames, command.to_owned(), false);
        layer.cores_min = 100;
        let logs = self.daemons[0].directory().join("logs");
        let launched = self.farm.job(name, |job| {
            job.log_dir = logs.display().to_string();
            job.layers.push(layer);
        });
        launched.await.unwrap();
    }

    /// Starts a scheduler.
    pub async fn scheduler(&self, more: &[(&str, &str)]) -> Scheduler {
        let near = self.cables[0].address();
        let port = near.port().to_string();
        let hosts = [
            ("CUE_RQD_ADDRESS", "{host}:{port}"),
            ("CUE_RQD_PORT", &port),
        ];
        let more = [&hosts[..], more].concat();
        Scheduler::start_at(&self.db.url, near, &more).await
    }

    /// Waits until this many frames have succeeded in all.
    pub async fn succeeded(&self, n: i64) {
        let mut had = -1;
        let mut since = Instant::now();
        loop {
            let now = self
                .db
                .count("SELECT count(*) FROM frame WHERE str_state = 'SUCCEEDED'")
                .await;
            if now >= n {
                return;
            }
            if now > had {
                (had, since) = (now, Instant::now());
            }
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "{now} of {n} frames succeeded and no more; the first daemon says:\n{}",
                self.daemons[0].log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Number of frames that a host has by the database.
    pub async fn runs_on(&self, host: &str) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM proc p JOIN host h ON h.pk_host = p.pk_host
             JOIN frame f ON f.pk_frame = p.pk_frame AND f.str_state = 'RUNNING'
             WHERE h.str_name = $1",
        )
        .bind(host)
        .fetch_one(&self.db.pool)
        .await
        .unwrap()
    }

    /// The longest time for which one proc of a host is seen while something goes on.
    pub async fn longest_hold(&self, host: &str, meanwhile: impl Future<Output = ()>) -> Duration {
        tokio::pin!(meanwhile);
        let mut longest = Duration::ZERO;
        loop {
            let age: f64 = sqlx::query_scalar(
                "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - p.ts_booked)), 0)::float8
                 FROM proc p JOIN host h ON h.pk_host = p.pk_host WHERE h.str_name = $1",
            )
            .bind(host)
            .fetch_one(&self.db.pool)
            .await
            .unwrap();
            longest = longest.max(Duration::from_secs_f64(age.max(0.0)));
            tokio::select! {
                () = &mut meanwhile => return longest,
                () = tokio::time::sleep(Duration::from_millis(25)) => {}
            }
        }
    }

    /// Ends the farm, and audits it.
    pub async fn close(self) {
        let Self { db, completer, .. } = self;
        let stats = within("the completer to finish", completer.finish()).await;
        assert_eq!(stats.lost, 0, "every report was applied");
        let audit = audit_with(&db.pool, &AuditOptions::default()).await;
        let audit = audit.unwrap();
        assert!(audit.is_ok(), "{audit}");
        db.close().await.unwrap();
    }
}
