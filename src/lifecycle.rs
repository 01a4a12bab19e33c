//! How the program ends: signals, and the exit code.
//!
//! The first SIGTERM or SIGINT stops the feed, and what has begun is finished. The second aborts.
//! SIGUSR1 switches the details of the log on and off; SIGHUP has the clusters read again.
//! Invariant: the exit code alone says what happened, so a supervisor needs no log to decide.

use std::process::ExitCode;

use cue_cluster_feed::{DatabaseGone, FeedHandle};
use cue_flow::DrainReport;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::telemetry::{ALWAYS, LogFilter};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did all it was to do, or was told to stop and has finished what it had begun.
    Clean,
    /// It could not start, for example because the database did not answer.
    FailedStart,
    /// The settings or the command line are wrong; nothing was begun.
    BadSettings,
    /// The database has been away for too long. A restart is safe, and goes on once it is back.
    DatabaseGone,
    /// A stage has died, and the program with it. A restart is safe.
    StageDied,
    /// It was told to stop, and some work had not ended after the grace.
    Laggards,
    /// `check` has found something that must be put right first.
    Unfit,
    /// It was told to stop a second time, and did so at once.
    Aborted,
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::FailedStart => 1,
            Self::BadSettings => 64,
            Self::DatabaseGone => 69,
            Self::StageDied => 70,
            Self::Laggards => 75,
            Self::Unfit => 78,
            Self::Aborted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What a drain says about the exit. A stage that died is the cause of laggards, and comes first.
#[must_use]
pub fn exit_code(report: &DrainReport) -> Exit {
    if let Some((_, error)) = &report.fatal {
        if error.is::<DatabaseGone>() {
            Exit::DatabaseGone
        } else {
            Exit::StageDied
        }
    } else if report.laggards.is_empty() {
        Exit::Clean
    } else {
        Exit::Laggards
    }
}

/// Where requests to stop come from.
pub trait StopRequests: Send {
    /// Waits for the next request and names it.
    fn next(&mut self) -> impl Future<Output = &'static str> + Send;
}

/// The signals that ask a process to stop.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over: from now on they do not end the process by themselves.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

impl StopRequests for Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Switches the log to its details and back at each SIGUSR1. It ends only when the signal cannot be
/// taken over.
pub async fn toggle_details(filter: LogFilter) -> std::io::Error {
    let mut asked = match signal(SignalKind::user_defined1()) {
        Ok(asked) => asked,
        Err(error) => return error,
    };
    loop {
        if asked.recv().await.is_none() {
            return std::io::Error::other("no more signals can be received");
        }
        match filter.toggle() {
            Ok(filter) => {
                tracing::info!(target: ALWAYS, filter, "the log filter was switched by SIGUSR1")
            }
            Err(error) => tracing::warn!(%error, "the log filter cannot be switched"),
        }
    }
}

/// SIGHUP, which has the clusters read again.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Takes the signal over: from now on it does not end the process by itself.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Has the clusters read again at each signal. It ends only when no more can be received.
    pub async fn reload(mut self, feed: FeedHandle) -> std::io::Error {
        loop {
            if self.0.recv().await.is_none() {
                return std::io::Error::other("no more signals can be received");
            }
            tracing::info!("the clusters are read again, as asked by SIGHUP");
            feed.reload_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(laggards: &[&'static str], fatal: bool) -> DrainReport {
        DrainReport {
            laggards: laggards.to_vec(),
            fatal: fatal.then(|| ("dispatch", "it broke".into())),
        }
    }

    #[tokio::test]
    async fn both_signals_are_requests_to_stop() {
        let mut signals = Signals::listen().unwrap();
        for (letter, name) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
            let command = format!("kill -{letter} {}", std::process::id());
            let sent = tokio::process::Command::new("sh")
                .args(["-c", &command])
                .status()
                .await;
            assert!(sent.unwrap().success());
            assert_eq!(signals.next().await, name);
        }
    }

    #[tokio::test]
    async fn a_hangup_has_the_clusters_read_again() {
        let feed = FeedHandle::default();
        // From now on the signal does not end the process, also before anybody waits for it.
        let hangups = Hangups::listen().unwrap();
        let command = format!("kill -HUP {}", std::process::id());
        let sent = tokio::process::Command::new("sh")
            .args(["-c", &command])
            .status()
            .await;
        assert!(sent.unwrap().success());
        tokio::select! {
            error = hangups.reload(feed.clone()) => panic!("{error}"),
            () = feed.reload_asked() => {}
        }
    }

    #[test]
    fn the_worst_of_a_drain_decides_the_exit() {
        for (laggards, fatal, exit) in [
            (&[][..], false, Exit::Clean),
            (&["dispatch"], false, Exit::Laggards),
            (&[], true, Exit::StageDied),
            (&["check_in"], true, Exit::StageDied),
        ] {
            assert_eq!(exit_code(&report(laggards, fatal)), exit);
        }
    }

    #[test]
    fn a_database_that_is_gone_is_no_stage_that_died() {
        let gone = DrainReport {
            laggards: vec!["dispatch"],
            fatal: Some(("cluster_feed", DatabaseGone.into())),
        };
        assert_eq!(exit_code(&gone), Exit::DatabaseGone);
    }

    #[test]
    fn every_exit_has_its_own_code() {
        let exits = [
            (Exit::Clean, 0),
            (Exit::FailedStart, 1),
            (Exit::BadSettings, 64),
            (Exit::DatabaseGone, 69),
            (Exit::StageDied, 70),
            (Exit::Laggards, 75),
            (Exit::Unfit, 78),
            (Exit::Aborted, 130),
        ];
        for (exit, code) in exits {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }
}
