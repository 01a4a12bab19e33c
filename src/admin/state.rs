//! The state of a program that the server shows.

use std::sync::Arc;
use std::time::Instant;

use cue_loops::Pauses;
use tokio_util::sync::CancellationToken;

use super::controls::AdminControls;
use super::health::Probe;
use super::live::{Live, Sampler};
use crate::hosts::FarmHosts;
use crate::liveness::Liveness;
use crate::status::{Status, StatusReader};
use crate::why::Explainer;

/// State of a program, for the server to show, and the controls of its workers and log.
pub struct AdminState {
    /// Metrics.
    pub registry: prometheus::Registry,
    /// Progress of the parts.
    pub liveness: Liveness,
    /// Conditions of readiness.
    pub probes: Vec<Probe>,
    /// Reader of the state.
    pub status: StatusReader,
    /// Controls.
    pub controls: AdminControls,
    /// Explainer of why something does not run.
    pub explainer: Option<Explainer>,
    /// The hosts of the farm.
    pub hosts: Option<FarmHosts>,
    /// Pauses of booking.
    pub pauses: Option<Pauses>,
}

impl AdminState {
    /// State of a program that has metrics and nothing else.
    #[must_use]
    pub fn new(registry: prometheus::Registry) -> Self {
        Self {
            registry,
            liveness: Liveness::default(),
            probes: Vec::new(),
            status: Arc::new(Status::default),
            controls: AdminControls::none(),
            explainer: None,
            hosts: None,
            pauses: None,
        }
    }
}

/// State that is served, with its samples.
pub(super) struct Served {
    pub(super) state: AdminState,
    started: Instant,
    pub(super) sampler: Sampler,
    pub(super) live: Live,
}

impl Served {
    pub(super) fn new(state: AdminState, stop: CancellationToken) -> Self {
        Self {
            sampler: Sampler::new(state.registry.clone()),
            state,
            started: Instant::now(),
            live: Live::new(stop),
        }
    }

    /// The state now, complete but for rates and verdict.
    pub(super) fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            changeable: self.state.controls.are_on(),
            log_filter: self.state.controls.log_filter(),
            ..(self.state.status)()
        }
    }

    /// Takes samples until the server stops.
    pub(super) async fn sample(&self) {
        let take = || self.sampler.sample(self.status(), Instant::now());
        self.live.run(take).await;
    }
}
