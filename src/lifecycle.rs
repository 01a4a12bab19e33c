//! The end of the program: signals and exit codes.
//!
//! The first SIGTERM or SIGINT stops the feed and lets the work under way finish. The second aborts. SIGUSR1 switches
//! debug logs on and off. SIGHUP reads the settings and the waiting work again.
//! Invariant: the exit code alone states the reason, so a supervisor can decide without the log.

use std::process::ExitCode;

use cue_cluster_feed::DatabaseGone;
use cue_flow::DrainReport;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::telemetry::{ALWAYS, LogFilter};

/// End of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All work is done, or a stop was requested and the work under way finished.
    Clean,
    /// The start failed, for example because the database did not answer.
    FailedStart,
    /// The settings or the command line are wrong; nothing started.
    BadSettings,
    /// The database was unavailable for too long. A restart is safe, and books once the database is back.
    DatabaseGone,
    /// A stage died, which stopped the program. A restart is safe.
    StageDied,
    /// Work had not ended when the grace after a stop was over.
    Laggards,
    /// `check` found a fault that must be corrected first.
    Unfit,
    /// A second stop aborted the program.
    Aborted,
    /// A signal ended a command that displays the state.
    Signal(SignalKind),
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
            // The convention of shells for a command that a signal ended.
            Self::Signal(kind) => 128 + kind.as_raw_value() as u8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Exit after a drain. A stage that died is the cause of laggards, and comes first.
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

/// Source of requests to stop.
pub trait StopRequests: Send {
    /// Waits for the next request. Returns its name.
    fn next(&mut self) -> impl Future<Output = &'static str> + Send;
}

/// The signals that ask a process to stop.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Handles the signals: from now on they do not end the process by themselves.
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

/// Switches debug logs on and off at each SIGUSR1. Ends only when the signal cannot be handled.
pub async fn toggle_details(filter: LogFilter) -> std::io::Error {
    let mut requests = match signal(SignalKind::user_defined1()) {
        Ok(requests) => requests,
        Err(error) => return error,
    };
    loop {
        if requests.recv().await.is_none() {
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

/// SIGHUP, which requests a reload.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Handles the signal: from now on it does not end the process by itself.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Reloads at each signal. Ends only when no signal can be received.
    pub async fn each(mut self, reload: impl Fn()) -> std::io::Error {
        loop {
            if self.0.recv().await.is_none() {
                return std::io::Error::other("no more signals can be received");
            }
            reload();
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
    async fn a_hangup_requests_a_reload() {
        let reloaded = tokio::sync::Notify::new();
        // From now on the signal does not end the process, also before anybody waits for it.
        let hangups = Hangups::listen().unwrap();
        let command = format!("kill -HUP {}", std::process::id());
        let sent = tokio::process::Command::new("sh")
            .args(["-c", &command])
            .status()
            .await;
        assert!(sent.unwrap().success());
        tokio::select! {
            error = hangups.each(|| reloaded.notify_one()) => panic!("{error}"),
            () = reloaded.notified() => {}
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
            (Exit::Signal(SignalKind::hangup()), 129),
            (Exit::Signal(SignalKind::terminate()), 143),
        ];
        for (exit, code) in exits {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }
}
