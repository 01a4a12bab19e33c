//! Launching what was booked, with bounded concurrency and no connection held.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use cue_domain::LayerId;
use cue_domain::resting::Resting;
use cue_rqd::{LaunchError, LaunchFrame, RqdClient};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::book::{Batch, BatchFrame};
use crate::metrics::DispatchMetrics;
use crate::resolve::{self, Found};

/// What became of one launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Launched {
    /// It runs.
    Yes,
    /// It certainly does not run: its booking is to be taken back.
    No,
    /// Nobody could be asked: its booking stays, as a debt.
    Unknown,
}

/// What became of the launches of a batch, by index.
#[derive(Debug, Default)]
pub(crate) struct Launches {
    /// These run.
    pub(crate) running: Vec<usize>,
    /// These certainly do not.
    pub(crate) dead: Vec<usize>,
}

impl Launcher<'_> {
    /// Launches all frames of the batch.
    pub(crate) async fn launch_all(&self) -> Launches {
        let mut calls: FuturesUnordered<_> = self
            .batch
            .frames
            .iter()
            .enumerate()
            .map(|(index, frame)| async move { (index, self.launch(frame).await) })
            .collect();
        let mut launches = Launches::default();
        while let Some((index, launched)) = calls.next().await {
            match launched {
                Launched::Yes => launches.running.push(index),
                Launched::No => launches.dead.push(index),
                Launched::Unknown => {}
            }
        }
        launches
    }
}

/// What a launch needs.
pub(crate) struct Launcher<'a> {
    pub(crate) rqd: &'a RqdClient,
    pub(crate) permits: &'a Semaphore,
    pub(crate) resolve_attempts: u32,
    pub(crate) batch: &'a Batch,
    pub(crate) metrics: &'a DispatchMetrics,
    pub(crate) resting: &'a Resting<LayerId>,
}

impl Launcher<'_> {
    async fn launch(&self, frame: &BatchFrame) -> Launched {
        // The semaphore is never closed, so the only answer is a permit.
        let _permit = self.permits.acquire().await;
        let span = tracing::info_span!(
            "launch",
            otel.kind = "client",
            rpc.system.name = "grpc",
            rpc.method = "rqd.RqdInterface/LaunchFrame",
            rpc.response.status_code = tracing::field::Empty,
            server.address = %frame.row.host_name,
            frame.id = %frame.row.frame,
            frame.name = %frame.name,
            proc.id = %frame.row.proc,
            outcome = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let began = Instant::now();
        let (launched, outcome) = self.call(frame).instrument(span.clone()).await;
        self.metrics
            .launch_seconds
            .observe(began.elapsed().as_secs_f64());
        self.metrics.launches.with_label_values(&[outcome]).inc();
        span.record("outcome", outcome);
        if launched != Launched::Yes {
            span.record("otel.status_code", "ERROR");
        }
        launched
    }

    async fn call(&self, frame: &BatchFrame) -> (Launched, &'static str) {
        let Some(layer) = self.batch.layers.get(&frame.row.layer) else {
            tracing::warn!(frame.id = %frame.row.frame, layer.id = %frame.row.layer, "the layer is gone; the booking is taken back");
            return (Launched::No, "layer_gone");
        };
        let wanted = LaunchFrame {
            layer: layer.clone(),
            frame_id: frame.row.frame.clone(),
            frame_name: frame.name.clone(),
            proc: frame.row.proc.clone(),
            host: frame.row.host.clone(),
            host_name: frame.row.host_name.clone(),
            host_os: frame.host_os.as_ref().map(|os| os.to_string()),
            reserved: frame.row.reserved,
        };
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            });
        let run_frame =
            match cue_rqd::run_frame(&wanted, now_ms, cue_rqd::current_traceparent().as_deref()) {
                Ok(run_frame) => run_frame,
                Err(error) => {
                    self.refused_for_good(frame, &error);
                    return (Launched::No, "not_launchable");
                }
            };
        match self.rqd.launch(&frame.row.host_name, run_frame).await {
            Ok(()) => {
                self.resting.forgive(&frame.row.layer);
                (Launched::Yes, "launched")
            }
            Err(error) => self.failed(frame, &error).await,
        }
    }

    async fn failed(&self, frame: &BatchFrame, error: &LaunchError) -> (Launched, &'static str) {
        match error {
            LaunchError::Refused { .. } => {
                self.refused_for_good(frame, error);
                (Launched::No, "refused")
            }
            LaunchError::RefusedForNow { .. } => {
                self.warn(
                    frame,
                    error,
                    "the host refuses the launch for now; the booking is taken back",
                );
                (Launched::No, "refused_for_now")
            }
            LaunchError::Unreachable { .. } => {
                self.warn(
                    frame,
                    error,
                    "the host cannot be reached; the booking is taken back",
                );
                (Launched::No, "unreachable")
            }
            LaunchError::Unknown { .. } => {
                self.warn(
                    frame,
                    error,
                    "the outcome of a launch is unknown; asking the host",
                );
                let attempts = self.resolve_attempts;
                match resolve::does_it_run(
                    self.rqd,
                    &frame.row.host_name,
                    &frame.row.frame,
                    &frame.row.proc,
                    attempts,
                )
                .await
                {
                    Found::Runs => (Launched::Yes, "confirmed"),
                    Found::DoesNotRun => (Launched::No, "not_running"),
                    Found::NoAnswer => {
                        tracing::error!(
                            frame.id = %frame.row.frame, proc.id = %frame.row.proc, host = %frame.row.host_name,
                            "the host does not say whether a frame runs; its booking stays until it does"
                        );
                        (Launched::Unknown, "unresolved")
                    }
                }
            }
        }
    }

    fn refused_for_good(&self, frame: &BatchFrame, error: &(dyn std::error::Error + 'static)) {
        let rest = self.resting.strike(&frame.row.layer, Instant::now());
        tracing::warn!(
            error, frame.id = %frame.row.frame, layer.id = %frame.row.layer, host = %frame.row.host_name, rest_seconds = rest.as_secs(),
            "a launch is refused for good; the booking is taken back and the layer rests"
        );
    }

    fn warn(&self, frame: &BatchFrame, error: &LaunchError, fact: &'static str) {
        tracing::warn!(
            error = error as &dyn std::error::Error, frame.id = %frame.row.frame, proc.id = %frame.row.proc,
            host = %frame.row.host_name, "{fact}"
        );
    }
}
