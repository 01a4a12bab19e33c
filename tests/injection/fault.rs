//! Faults: how each strikes and how it is lifted.

use std::path::Path;
use std::time::Duration;

use cue_simfarm::postgres::run;
use cue_simfarm::waiting::until;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::farm::{Farm, pids_where, sessions};
use crate::line::Mode;

/// The fault that is injected.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Statements that strike and statements that lift.
    Statements(String, String),
    /// The same for a setting of the database or the role: the sessions of the service are ended after
    /// each, so that they begin with it.
    Setting(String, String),
    /// Statements in a transaction that stays open.
    Open(String),
    /// Statements again and again, with a pause between.
    Again(String, Duration),
    /// The line to the database.
    Line(Mode),
    /// Backends are stopped and left stopped.
    Stop(Backends),
    /// The server ends and starts again.
    Server(End),
    /// The server is lost, and its standby takes its place when the fault is lifted. Until then the address
    /// leads to this server.
    Failover(Reached),
}

/// The server that is reached after the first one was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    Nobody,
    /// The standby, which takes no writes yet.
    Standby,
}

/// Backends of the service that a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backends {
    /// One in the middle of a booking, with rows locked.
    Booking,
    /// Every one.
    All,
    /// Every second one.
    Half,
}

/// Way in which the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As an operator ends it.
    Fast,
    /// At once, with a recovery at the next start.
    Immediate,
    /// One backend is killed, and the server recovers by itself.
    Crash,
}

/// A fault while it lasts.
pub enum Struck {
    Nothing,
    Transaction(Box<Transaction<'static, Postgres>>),
    Task(JoinSet<()>),
    Stopped(StoppedProcesses),
}

/// Processes of a server that stand still, and go on when this is dropped, also after a panic.
pub struct StoppedProcesses(Vec<i32>);

impl StoppedProcesses {
    async fn new(pids: Vec<i32>) -> Self {
        signal("STOP", &pids).await;
        Self(pids)
    }
}

impl Drop for StoppedProcesses {
    fn drop(&mut self) {
        let pids = self.0.iter().map(ToString::to_string);
        let sent = std::process::Command::new("kill")
            .arg("-CONT")
            .args(pids)
            .status();
        if !sent.is_ok_and(|status| status.success()) {
            println!("some of the processes {:?} are gone", self.0);
        }
    }
}

const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'cue-scheduler%'";

/// Ends all sessions of the service.
pub fn end_sessions() -> String {
    END_SESSIONS.to_owned()
}

impl Fault {
    /// Strikes.
    pub async fn strike(&self, farm: &mut Farm) -> Struck {
        match self {
            Self::Statements(strike, _) => run(&farm.admin, &farm.fill(strike)).await,
            Self::Setting(strike, _) => {
                run(&farm.cluster, &farm.fill(strike)).await;
                run(&farm.admin, &end_sessions()).await;
            }
            Self::Open(statements) => {
                let mut open = farm.admin.begin().await.unwrap();
                let statements = AssertSqlSafe(farm.fill(statements));
                sqlx::raw_sql(statements).execute(&mut *open).await.unwrap();
                return Struck::Transaction(Box::new(open));
            }
            Self::Again(statements, pause) => {
                let (pool, pause) = (farm.admin.clone(), *pause);
                let statements = farm.fill(statements);
                let mut task = JoinSet::new();
                task.spawn(async move {
                    loop {
                        run(&pool, &statements).await;
                        tokio::time::sleep(pause).await;
                    }
                });
                return Struck::Task(task);
            }
            Self::Line(mode) => farm.line.set(*mode),
            Self::Stop(which) => return stop(*which, farm).await,
            Self::Server(end) => end.strike(farm).await,
            Self::Failover(reached) => {
                let pair = farm.pair.as_ref().expect("a pair of servers");
                pair.lose_first().await;
                if *reached == Reached::Standby {
                    pair.switch();
                }
            }
        }
        Struck::Nothing
    }

    /// Lifts the fault.
    pub async fn lift(&self, struck: Struck, farm: &mut Farm) {
        match (self, struck) {
            (_, Struck::Transaction(open)) => open.rollback().await.unwrap(),
            (_, Struck::Task(task)) => drop(task),
            (fault, Struck::Stopped(processes)) => {
                drop(processes);
                if matches!(fault, Self::Stop(Backends::Booking)) {
                    run(&farm.admin, SLEEP_NO_MORE).await;
                }
            }
            (Self::Statements(_, lift), _) => run(&farm.admin, &farm.fill(lift)).await,
            (Self::Setting(_, lift), _) => {
                run(&farm.cluster, &farm.fill(lift)).await;
                run(&farm.admin, &end_sessions()).await;
            }
            (Self::Line(_), _) => farm.line.set(Mode::Open),
            (Self::Server(end), _) => end.lift(farm).await,
            (Self::Failover(_), _) => {
                let pair = farm.pair.as_ref().expect("a pair of servers");
                pair.promote().await;
                pair.switch();
            }
            _ => {}
        }
    }
}

/// Makes the first booking of the victim sleep while it holds rows. A session that waits for a lock would go on
/// before it can be stopped, and perhaps be stopped where everybody waits for it.
const SLEEP_ONCE: &str = "CREATE SEQUENCE injected_sleeps;
    CREATE OR REPLACE FUNCTION injected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.pk_job = '{job}' AND nextval('injected_sleeps') = 1 THEN PERFORM pg_sleep(60); END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER injected BEFORE UPDATE ON frame FOR EACH ROW
        WHEN (OLD.str_state = 'WAITING' AND NEW.str_state = 'RUNNING') EXECUTE FUNCTION injected()";

const SLEEP_NO_MORE: &str = "DROP TRIGGER injected ON frame; DROP SEQUENCE injected_sleeps";

async fn stop(which: Backends, farm: &Farm) -> Struck {
    let pids = match which {
        Backends::All => sessions(farm, 3).await,
        Backends::Half => sessions(farm, 3).await.into_iter().step_by(2).collect(),
        Backends::Booking => {
            run(&farm.admin, &farm.fill(SLEEP_ONCE)).await;
            farm.release_victim().await;
            let mut pids = Vec::new();
            until("a booking that sleeps", async || {
                pids = pids_where(farm, "wait_event = 'PgSleep'").await;
                !pids.is_empty()
            })
            .await;
            pids
        }
    };
    Struck::Stopped(StoppedProcesses::new(pids).await)
}

/// Ends the server of a directory at once, with a recovery at its next start.
pub async fn quit(dir: &Path) {
    let file = dir.join("data/postmaster.pid");
    let text = std::fs::read_to_string(&file).unwrap();
    let pid = text.lines().next().unwrap().parse().unwrap();
    signal("QUIT", &[pid]).await;
    until("the server to end", async || !file.exists()).await;
}

async fn signal(signal: &str, pids: &[i32]) {
    let pids: Vec<_> = pids.iter().map(ToString::to_string).collect();
    let words = format!("kill -{signal} {}", pids.join(" "));
    let sent = Command::new("sh").args(["-c", &words]).status().await;
    assert!(sent.unwrap().success(), "{words}");
}

impl End {
    async fn strike(self, farm: &mut Farm) {
        match self {
            Self::Fast => {
                let server = farm.server.take();
                let mut server = server.expect("a server of its own");
                let ended = tokio::task::spawn_blocking(move || server.stop().map(|()| server));
                farm.server = Some(ended.await.unwrap().unwrap());
            }
            Self::Immediate => {
                let dir = farm.server.as_ref().and_then(|server| server.dir());
                quit(dir.expect("a server of its own")).await;
            }
            Self::Crash => {
                let pids = sessions(farm, 1).await;
                signal("KILL", &pids[..1]).await;
            }
        }
    }

    async fn lift(self, farm: &mut Farm) {
        if self != Self::Crash {
            let server = farm.server.take();
            let mut server = server.expect("a server of its own");
            let ended = tokio::task::spawn_blocking(move || server.start_again().map(|()| server));
            farm.server = Some(ended.await.unwrap().unwrap());
        }
        let answers = async || sqlx::query("SELECT 1").execute(&farm.admin).await.is_ok();
        until("the server to answer", answers).await;
    }
}
