//! The life of the service: start, wait, drain, flush, exit code.
//!
//! Invariants: nothing is booked before everything that can be refused has been (settings, address of
//! the admin server, database); every task is owned here and has ended, or is aborted, before the
//! program does; the admin server outlives the drain so that it can be watched.

use std::time::Duration;

use cue_cluster_feed::FeedHandle;
use cue_flow::{BoxError, Chain, Flow};
use futures::future::BoxFuture;
use prometheus::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, AdminError, Exhibits, Levers, Probe, Section, stages};
use crate::config::{LiveWidths, Settings};
use crate::lifecycle::{Exit, Hangups, Signals, StopRequests, exit_code, toggle_details};
use crate::telemetry::{self, LogFilter, TelemetryError, TelemetryGuard};
use crate::why::Oracle;

/// How long requests to the admin server may go on when the program ends.
const ADMIN_GRACE: Duration = Duration::from_secs(2);

/// A pipeline that runs, and what there is to see of it.
pub struct Running {
    /// The stages.
    pub flow: Flow,
    /// To have the clusters read again.
    pub feed: FeedHandle,
    /// What must be well for the service to be ready.
    pub probes: Vec<Probe>,
    /// What `/status` shows besides the stages.
    pub sections: Vec<Section>,
    /// Says why something does not run.
    pub oracle: Option<Oracle>,
    /// What is left to do when the flow has drained. It is dropped if the program is aborted.
    pub finish: BoxFuture<'static, ()>,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Logs and traces.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The admin server.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The metrics.
    #[error("two metrics have the same name")]
    Metrics(#[from] prometheus::Error),
    /// The signals.
    #[error("the signals to stop cannot be taken over")]
    Signals(#[source] std::io::Error),
    /// A part of the pipeline.
    #[error("cannot {doing}")]
    Pipeline {
        /// What was tried, as in `connect to the database`.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: BoxError,
    },
}

/// Runs the service to its end. `build` connects and makes the pipeline.
pub async fn run<B>(settings: &Settings, build: B) -> Exit
where
    B: AsyncFnOnce(&Settings, &Registry) -> Result<Running, StartError>,
{
    let guard = match telemetry::init(&settings.telemetry, &settings.logging) {
        Ok(guard) => guard,
        Err(error) => {
            // There is no log yet to write this to.
            eprintln!("cue-scheduler cannot start: {}", chain(&error));
            return Exit::FailedStart;
        }
    };
    let exit = match Signals::listen() {
        Ok(signals) => tokio::select! {
            exit = supervise(settings, &guard, signals, build) => exit,
            error = toggle_details(guard.filter()) => Err(StartError::Signals(error)),
        },
        Err(error) => Err(StartError::Signals(error)),
    };
    let exit = exit.unwrap_or_else(|error| {
        tracing::error!(error = chain(&error), "cue-scheduler cannot start");
        Exit::FailedStart
    });
    tracing::info!(exit = ?exit, code = exit.code(), "cue-scheduler ends");
    guard.finish().await;
    exit
}

/// The same, with telemetry set up and the requests to stop at hand.
async fn supervise<B, S>(
    settings: &Settings,
    guard: &TelemetryGuard,
    mut stop: S,
    build: B,
) -> Result<Exit, StartError>
where
    B: AsyncFnOnce(&Settings, &Registry) -> Result<Running, StartError>,
    S: StopRequests,
{
    let hangups = Hangups::listen().map_err(StartError::Signals)?;
    let registry = Registry::new();
    guard.register(&registry)?;
    let admin = match settings.admin.addr {
        Some(addr) => Some(Admin::bind(addr).await?),
        None => None,
    };
    let starting = async {
        match &admin {
            Some(admin) => admin.answer_while_starting().await,
            None => std::future::pending().await,
        }
    };
    let running = tokio::select! {
        built = build(settings, &registry) => built?,
        never = starting => match never {},
        name = stop.next() => {
            tracing::info!(signal = name, "stopped before the pipeline was ready");
            return Ok(Exit::Clean);
        }
    };
    let mut server = AdminTask::default();
    if let Some(admin) = admin {
        let levers = Levers::new(
            settings.admin.token.clone(),
            running.flow.control(),
            LiveWidths::new(settings),
            guard.filter(),
        );
        let exhibits = Exhibits {
            dry_run: settings.booking.dry_run,
            levers,
            sections: vec![log(guard.filter())],
            ..Exhibits::new(registry)
        };
        server.start(admin, exhibits, &running);
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        replica = telemetry::replica(),
        dry_run = settings.booking.dry_run,
        "cue-scheduler is booking"
    );
    let Running {
        flow, finish, feed, ..
    } = running;
    let exit = tokio::select! {
        exit = attend(flow, finish, stop, settings.lifecycle.shutdown_grace) => exit,
        error = hangups.reload(feed) => return Err(StartError::Signals(error)),
    };
    server.end().await;
    Ok(exit)
}

/// Waits for a request to stop or for the end of the flow, drains, and says how it went.
async fn attend(
    mut flow: Flow,
    finish: BoxFuture<'static, ()>,
    mut stop: impl StopRequests,
    grace: Duration,
) -> Exit {
    tokio::select! {
        name = stop.next() => {
            let grace = humantime::format_duration(grace);
            tracing::info!(signal = name, %grace, "stopping, the work that has begun is finished");
        }
        ended = flow.ended() => tracing::info!(?ended, "the pipeline has ended by itself"),
    }
    let drain = async {
        // The flow has logged what it reports, where it happened.
        let exit = exit_code(&flow.drain(grace).await);
        finish.await;
        exit
    };
    tokio::select! {
        exit = drain => exit,
        // The drain is dropped here, and with it every task of the flow.
        name = stop.next() => {
            tracing::warn!(signal = name, "told to stop a second time, aborting");
            Exit::Aborted
        }
    }
}

/// The task of the admin server, if there is one.
#[derive(Default)]
struct AdminTask {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// The filter of the log that is in use, which can be changed while the service runs.
fn log(filter: LogFilter) -> Section {
    Section::new("log_filter", move || filter.current().into())
}

impl AdminTask {
    fn start(&mut self, admin: Admin, mut exhibits: Exhibits, running: &Running) {
        tracing::info!(
            addr = %admin.address(),
            "the admin server listens, its page shows the pipeline live"
        );
        exhibits.probes.clone_from(&running.probes);
        exhibits.oracle.clone_from(&running.oracle);
        exhibits.sections.push(stages(running.flow.control()));
        exhibits.sections.extend_from_slice(&running.sections);
        self.tasks.spawn(admin.serve(exhibits, self.stop.clone()));
    }

    async fn end(mut self) {
        self.stop.cancel();
        match tokio::time::timeout(ADMIN_GRACE, self.tasks.join_next()).await {
            Ok(None | Some(Ok(()))) => {}
            Ok(Some(Err(error))) => tracing::warn!(%error, "the admin server broke off"),
            Err(_) => tracing::warn!("the admin server still had requests, they are cut off"),
        }
    }
}

/// An error with all its causes in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    Chain(error).to_string()
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
