//! The stand-in for Cuebot: what it does with reports, operators, orphans and redirects, and what a
//! crash of it leaves.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::num::NonZeroUsize;
use std::time::Duration;

use cue_domain::ids::{FrameId, HostId, JobId, ProcId};
use cue_domain::units::{Centicores, Kib, Resources};
use cue_simfarm::audit::{AuditOptions, audit_with};
use cue_simfarm::completion::Accounting;
use cue_simfarm::cuebot::{Cuebot, CuebotSettings, Orphans};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{Fault, FrameDuration, Program, SimRqd, SimRqdSettings};
use cue_simfarm::seed::{Fixture, Launched};
use cue_simfarm::waiting::{until, within};

const ONE: Resources = Resources {
    cores: Centicores(100),
    memory: Kib::GIB,
    gpus: 0,
    gpu_memory: Kib(0),
};

const NEVER: Duration = Duration::from_secs(3600);

/// Two hosts, one job of a managed show, and a Cuebot.
struct Farm {
    db: TestDb,
    rqd: SimRqd,
    cuebot: Cuebot,
    fixture: Fixture,
    hosts: [HostId; 2],
    job: Launched,
}

impl Farm {
    async fn new(program: Program, accounting: Accounting, frames: i64) -> Self {
        let db = TestDb::fresh().await;
        let fixture = Fixture::new(&db.pool).await.unwrap();
        let a = fixture.host("node1", |_| ()).await.unwrap();
        let b = fixture.host("node2", |_| ()).await.unwrap();
        let job = fixture.frames("comp", frames, |_| ()).await.unwrap();
        let mut rqd = SimRqd::start(SimRqdSettings {
            duration: FrameDuration::Never,
            program,
            completions: NonZeroUsize::MIN.saturating_add(999),
            ..SimRqdSettings::default()
        })
        .unwrap();
        let settings = CuebotSettings {
            accounting,
            report_every: Duration::from_millis(20),
        };
        let cuebot = Cuebot::start(db.pool.clone(), &mut rqd, settings).unwrap();
        Self {
            db,
            rqd,
            cuebot,
            fixture,
            hosts: [a.into(), b.into()],
            job,
        }
    }

    fn job_id(&self) -> JobId {
        self.job.id.as_str().into()
    }

    fn frame(&self, n: usize) -> FrameId {
        self.job.layers[0].frames[n].as_str().into()
    }

    /// Runs the next `n` frames of the job on a host.
    async fn run(&self, n: usize, host: usize) -> Vec<ProcId> {
        let (mut procs, job) = (Vec::new(), self.job_id());
        for _ in 0..n {
            let booked = self.cuebot.book(&job, &self.hosts[host], ONE);
            procs.push(booked.await.unwrap().unwrap());
        }
        procs
    }

    async fn end(&self, frames: std::ops::Range<usize>) {
        for n in frames {
            assert!(self.rqd.finish(self.frame(n).as_str(), 0).await);
        }
    }

    async fn frames(&self, state: &str) -> i64 {
        self.db
            .count(&format!(
                "SELECT count(*) FROM frame WHERE str_state = '{state}'"
            ))
            .await
    }

    async fn procs(&self) -> i64 {
        self.db.count("SELECT count(*) FROM proc").await
    }

    /// Running cores as the subscription and the job count them.
    async fn accounts(&self) -> i64 {
        self.db.count(
            "SELECT ((SELECT sum(int_cores) FROM subscription) + (SELECT sum(int_cores) FROM job_resource))::int8 / 200",
        )
        .await
    }

    async fn state(&self, frame: usize) -> (String, i64) {
        sqlx::query_as("SELECT str_state, int_exit_status FROM frame WHERE pk_frame = $1")
            .bind(self.frame(frame).as_str())
            .fetch_one(&self.db.pool)
            .await
            .unwrap()
    }

    /// Ends everything and audits it.
    async fn close(self, accounting: Accounting) {
        within("Cuebot to finish", self.cuebot.finish()).await;
        let options = AuditOptions {
            accounting,
            ..AuditOptions::default()
        };
        let audit = audit_with(&self.db.pool, &options).await.unwrap();
        assert!(audit.is_ok(), "{audit}");
    }
}

#[tokio::test]
async fn reports_of_the_rust_rqd_wait_while_cuebot_is_away_and_arrive() {
    let farm = Farm::new(Program::Rust, Accounting::Current, 6).await;
    farm.run(6, 0).await;
    farm.end(0..2).await;
    within("two ends", farm.cuebot.completed_at_least(2)).await;
    farm.cuebot.go_away();
    farm.end(2..6).await;
    within("four reports", farm.cuebot.waiting_at_least(4)).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!((farm.frames("RUNNING").await, farm.procs().await), (4, 4));
    assert_eq!(farm.rqd.running_count(), 0);
    farm.cuebot.come_back();
    within("all ends", farm.cuebot.completed_at_least(6)).await;
    assert_eq!((farm.cuebot.dropped(), farm.cuebot.waiting()), (0, 0));
    farm.close(Accounting::Current).await;
}

#[tokio::test]
async fn reports_of_the_python_rqd_are_dropped_after_four_tries() {
    let farm = Farm::new(Program::Python, Accounting::Current, 3).await;
    farm.run(3, 0).await;
    farm.cuebot.go_away();
    farm.end(0..2).await;
    until("both reports to be dropped", async || {
        farm.cuebot.dropped() == 2
    })
    .await;
    farm.cuebot.come_back();
    farm.end(2..3).await;
    within("the third end", farm.cuebot.completed_at_least(1)).await;
    assert_eq!((farm.frames("RUNNING").await, farm.procs().await), (2, 2));
    farm.close(Accounting::Current).await;
}

#[tokio::test]
async fn a_crash_at_any_moment_loses_no_report_and_applies_none_twice() {
    const FRAMES: usize = 60;
    let farm = Farm::new(Program::Rust, Accounting::Current, FRAMES as i64).await;
    farm.run(30, 0).await;
    farm.run(30, 1).await;
    for n in 0..FRAMES {
        farm.end(n..n + 1).await;
        if n % 3 == 0 {
            farm.cuebot.go_away();
            tokio::time::sleep(Duration::from_millis((n % 7) as u64)).await;
            farm.cuebot.come_back();
        }
    }
    until("all to be done", async || farm.procs().await == 0).await;
    assert_eq!(farm.frames("SUCCEEDED").await, FRAMES as i64);
    farm.close(Accounting::Current).await;
}

#[tokio::test]
async fn a_host_that_is_cut_off_keeps_its_reports_and_its_procs_grow_silent() {
    let farm = Farm::new(Program::Rust, Accounting::Current, 2).await;
    farm.run(1, 0).await;
    farm.run(1, 1).await;
    farm.rqd.set_fault("node1", Fault::Vanish);
    farm.end(0..2).await;
    within("the other's end", farm.cuebot.completed_at_least(1)).await;
    assert_eq!(
        (farm.state(0).await.0, farm.cuebot.waiting()),
        ("RUNNING".to_owned(), 1)
    );
    let silent = "SELECT count(*) FROM host_stat hs JOIN host h USING (pk_host)
        WHERE h.str_name = 'node1' AND hs.ts_ping < (SELECT max(ts_ping) FROM host_stat) - interval '100 ms'";
    until("the host to grow silent", async || {
        farm.db.count(silent).await == 1
    })
    .await;
    farm.rqd.set_fault("node1", Fault::None);
    within("its end", farm.cuebot.completed_at_least(2)).await;
    farm.close(Accounting::Current).await;
}

#[tokio::test]
async fn operators_end_runs_and_hosts_hear_of_it_first() {
    let farm = Farm::new(Program::Rust, Accounting::Current, 8).await;
    farm.run(4, 0).await;
    farm.rqd.set_fault("node1", Fault::Vanish);
    assert!(!farm.cuebot.retry(&farm.frame(0)).await.unwrap());
    assert!(!farm.cuebot.eat(&farm.frame(1)).await.unwrap());
    assert_eq!(
        (farm.frames("RUNNING").await, farm.rqd.running_count()),
        (4, 4)
    );
    farm.rqd.set_fault("node1", Fault::None);
    assert!(farm.cuebot.retry(&farm.frame(0)).await.unwrap());
    assert!(farm.cuebot.eat(&farm.frame(1)).await.unwrap());
    assert!(farm.cuebot.eat(&farm.frame(7)).await.unwrap(), "it waits");
    until("both procs to go", async || farm.procs().await == 2).await;
    assert_eq!(farm.rqd.running_count(), 2);
    let (state, status) = farm.state(0).await;
    // The report of the kill and the operator's own write race; either reports a failure.
    assert!(
        state == "WAITING" && (status == 500 || status == 1),
        "{state} {status}"
    );
    assert_eq!(farm.state(1).await.0, "EATEN");
    // Reports find runs of a finished job too, and may be faster.
    assert!(farm.cuebot.kill_job(&farm.job_id()).await.unwrap().len() <= 2);
    until("the rest to go", async || farm.procs().await == 0).await;
    assert_eq!(farm.rqd.running_count(), 0);
    farm.close(Accounting::Current).await;
}

#[tokio::test]
async fn an_orphan_is_cleared_when_its_kill_is_confirmed_and_parked_when_it_never_is() {
    let farm = Farm::new(Program::Python, Accounting::Current, 3).await;
    farm.run(2, 0).await;
    farm.run(1, 1).await;
    let silent = Duration::from_millis(300);
    // One end is lost with Cuebot; one host is cut off; one frame runs on and is reported.
    farm.cuebot.go_away();
    farm.end(0..1).await;
    until("the report to be dropped", async || {
        farm.cuebot.dropped() == 1
    })
    .await;
    farm.cuebot.come_back();
    farm.rqd.set_fault("node2", Fault::Vanish);
    let quiet = "SELECT count(*) FROM proc WHERE ts_ping < current_timestamp - interval '300 ms'";
    until("two silent procs", async || farm.db.count(quiet).await == 2).await;
    let seen = farm.cuebot.clear_orphans(silent, NEVER).await.unwrap();
    assert_eq!(
        seen,
        Orphans {
            cleared: 1,
            deferred: 1,
            parked: 0
        }
    );
    assert_eq!(farm.state(0).await, ("WAITING".to_owned(), 301));
    assert_eq!(farm.state(1).await.0, "RUNNING");
    let seen = farm.cuebot.clear_orphans(silent, silent).await.unwrap();
    assert_eq!(
        seen,
        Orphans {
            cleared: 0,
            deferred: 0,
            parked: 1
        }
    );
    assert_eq!(farm.state(2).await, ("DEAD".to_owned(), 302));
    farm.close(Accounting::Current).await;
}

#[tokio::test]
async fn a_proc_is_redirected_to_a_managed_job_and_older_cuebots_leave_the_accounts_too_high() {
    for (accounting, too_high) in [
        (Accounting::Current, 0),
        (Accounting::Managed, 2),
        (Accounting::Silent, 2),
    ] {
        let farm = Farm::new(Program::Rust, accounting, 1).await;
        let other = farm.fixture.frames("other", 1, |_| ()).await.unwrap();
        let procs = farm.run(1, 0).await;
        let to = JobId::from(other.id.as_str());
        let proc = farm.cuebot.redirect(&procs[0], &to).await.unwrap().unwrap();
        assert_ne!(proc, procs[0]);
        let frame = &other.layers[0].frames[0];
        assert_eq!(farm.rqd.hosts_running(frame), ["node1"]);
        assert!(farm.rqd.finish(frame, 0).await);
        until("the run to be released", async || farm.procs().await == 0).await;
        assert_eq!(farm.accounts().await, too_high, "{accounting:?}");
        farm.close(match accounting {
            Accounting::Current => Accounting::Current,
            _ => Accounting::Managed,
        })
        .await;
    }
}

#[tokio::test]
async fn a_run_that_nobody_owns_is_killed_when_it_is_reported() {
    let farm = Farm::new(Program::Rust, Accounting::Current, 1).await;
    let procs = farm.run(1, 0).await;
    // Its proc has no frame any more, though the frame runs.
    farm.db
        .run_for(
            "UPDATE proc SET pk_frame = NULL WHERE pk_proc = $1",
            &[procs[0].as_str()],
        )
        .await;
    until("the run to be killed", async || {
        farm.rqd.running_count() == 0
    })
    .await;
    within("the run to end", farm.rqd.ended(1)).await;
}
