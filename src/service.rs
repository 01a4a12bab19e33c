//! The life of the service: start, wait, drain, flush, exit code.
//!
//! Invariants: nothing is booked before everything that can be refused has been (settings, address of
//! the admin server, database); every task is owned here and has ended, or is aborted, before the
//! program does; the admin server outlives the drain so that it can be watched.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use cue_cluster_feed::FeedHandle;
use cue_flow::{BoxError, Control, Flow};
use cue_loops::Pauses;
use futures::future::BoxFuture;
use prometheus::Registry;
use tokio::time::{MissedTickBehavior, interval};

use crate::admin::{AdminControls, AdminError, AdminServer, AdminState, HostNames, Probe};
use crate::config::{LiveWidths, Loaded, Settings};
use crate::hosts::FarmHosts;
use crate::lifecycle::{Exit, Hangups, Signals, StopRequests, exit_code, toggle_details};
use crate::liveness::{Liveness, Progress, look_every};
use crate::output::{chain, complain};
use crate::reload::Reload;
use crate::status::StatusReader;
use crate::supervisor;
use crate::telemetry::{self, TelemetryError, TelemetryGuard};
use crate::why::Explainer;

/// A running pipeline, with its state.
pub struct Running {
    /// The stages.
    pub flow: Flow,
    /// Handle by which the waiting work is read completely.
    pub feed: FeedHandle,
    /// Conditions of readiness.
    pub probes: Vec<Probe>,
    /// Reader of the state.
    pub status: StatusReader,
    /// Explainer of why something does not run.
    pub explainer: Option<Explainer>,
    /// The hosts of the farm.
    pub hosts: Option<FarmHosts>,
    /// Pauses of booking.
    pub pauses: Option<Pauses>,
    /// Work after the drain of the flow. It is dropped if the program is aborted.
    pub finish: BoxFuture<'static, ()>,
}

/// Failure to start the service.
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
        /// The attempt, as in `connect to the database`.
        doing: &'static str,
        /// The failure.
        #[source]
        source: BoxError,
    },
}

/// Runs the service to its end. `build` connects and makes the pipeline.
/// `reread` reads the settings again.
pub async fn run<R, B>(settings: &Settings, reread: R, build: B) -> Exit
where
    R: Fn() -> Loaded,
    B: AsyncFnOnce(&Settings, &Registry) -> Result<Running, StartError>,
{
    let registry = Registry::new();
    let guard = match telemetry::init(settings, &registry) {
        Ok(guard) => guard,
        Err(error) => {
            // There is no log yet to write this to.
            complain(format_args!(
                "cue-scheduler cannot start: {}",
                chain(&error)
            ));
            return Exit::FailedStart;
        }
    };
    let exit = match Signals::listen() {
        Ok(signals) => tokio::select! {
            exit = supervise(settings, (&guard, registry), signals, (reread, build)) => exit,
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
async fn supervise<R, B, S>(
    settings: &Settings,
    (guard, registry): (&TelemetryGuard, Registry),
    mut stop: S,
    (reread, build): (R, B),
) -> Result<Exit, StartError>
where
    R: Fn() -> Loaded,
    B: AsyncFnOnce(&Settings, &Registry) -> Result<Running, StartError>,
    S: StopRequests,
{
    let hangups = Hangups::listen().map_err(StartError::Signals)?;
    guard.register(&registry)?;
    let mut admin = start_admin(settings).await?;
    let running = tokio::select! {
        built = build(settings, &registry) => built?,
        name = stop.next() => {
            tracing::info!(signal = name, "stopped before the pipeline was ready");
            return Ok(Exit::Clean);
        }
    };
    let liveness = Liveness::default();
    let controls = controls(settings, guard, &running);
    if let Some(admin) = &mut admin {
        admin.show(AdminState {
            registry,
            liveness: liveness.clone(),
            probes: running.probes.clone(),
            status: Arc::clone(&running.status),
            controls: controls.clone(),
            explainer: running.explainer.clone(),
            hosts: running.hosts.clone(),
            pauses: running.pauses.clone(),
        });
        tracing::info!(
            addr = %admin.address(),
            "the admin server listens, its page shows the pipeline live"
        );
    }
    log_start(settings);
    supervisor::ready();
    let Running {
        flow, finish, feed, ..
    } = running;
    let (reload, control) = (Reload::new(reread, controls, feed), flow.control());
    let exit = tokio::select! {
        exit = attend(flow, finish, stop, settings.lifecycle.shutdown_grace) => exit,
        error = hangups.each(|| reload.now()) => return Err(StartError::Signals(error)),
        never = watch(&control, settings, &liveness) => match never {},
        never = guard.export_metrics() => match never {},
    };
    if let Some(admin) = admin {
        admin.end().await;
    }
    Ok(exit)
}

/// The admin server, if the settings have an address for it.
async fn start_admin(settings: &Settings) -> Result<Option<AdminServer>, StartError> {
    let Some(addr) = settings.admin.addr else {
        return Ok(None);
    };
    let names = HostNames::new(&settings.admin.hosts);
    Ok(Some(AdminServer::start(addr, names).await?))
}

fn log_start(settings: &Settings) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        replica = telemetry::replica(),
        dry_run = settings.booking.dry_run,
        "cue-scheduler is booking"
    );
}

/// Controls of a pipeline.
fn controls(settings: &Settings, guard: &TelemetryGuard, running: &Running) -> AdminControls {
    AdminControls::new(
        settings.admin.token.clone(),
        running.flow.control(),
        LiveWidths::new(settings),
        guard.filter(),
    )
}

/// Looks at the progress of the pipeline, and notifies the service manager as long as no part has stalled.
async fn watch(control: &Control, settings: &Settings, liveness: &Liveness) -> Infallible {
    let every = look_every(supervisor::watchdog());
    let (mut progress, mut looks) = (Progress::new(settings, every), interval(every));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let stalled = progress.look(&control.snapshot());
        match (stalled, liveness.record(stalled)) {
            (Some(stage), true) => {
                tracing::error!(
                    stage,
                    "a part of the pipeline has work and finishes none of it"
                );
            }
            (None, true) => tracing::info!("every part of the pipeline makes progress again"),
            _ => {}
        }
        if stalled.is_none() {
            supervisor::alive();
        }
    }
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
    supervisor::stopping();
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

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
