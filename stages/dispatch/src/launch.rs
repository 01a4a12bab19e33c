//! Launching what was booked, with bounded concurrency and no connection held.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cue_domain::LayerId;
use cue_domain::messages::Outcome;
use cue_domain::resting::Resting;
use cue_flow::{Chain, Outlet, micros};
use cue_rqd::{LaunchError, LaunchFrame, RqdClient, TracePoint};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{Instrument, Span, field};

use crate::batch::{Batch, BatchFrame};
use crate::gates::Gates;
use crate::metrics::DispatchMetrics;
use crate::resolve::{self, Found};

/// How long a batch waits to learn what became of a launch. Meanwhile it keeps its worker, its hosts and
/// its turns, so a host that hangs is left to the loop that settles after that.
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

/// What became of one launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Launched {
    /// It runs.
    Yes,
    /// It certainly does not run, and the host is not to blame.
    No,
    /// It certainly does not run, and the host is to blame.
    HostFailed,
    /// The host does not know it, though it was sent: a request may still be on its way.
    NotThere,
    /// Nobody could be asked: its booking stays, as a debt.
    Unknown,
}

/// What became of the launches of a batch, by index.
#[derive(Debug, Default)]
pub(crate) struct Launches {
    /// These run.
    pub(crate) running: Vec<usize>,
    /// These certainly do not: they are to be taken back.
    pub(crate) dead: Vec<usize>,
    /// Those of the dead that may arrive late.
    pub(crate) doubtful: HashSet<usize>,
    /// For these the host is to blame.
    pub(crate) host_failed: Vec<usize>,
    /// Where those are told of which more may become known.
    pub(crate) traces: Vec<(usize, TracePoint)>,
}

impl Launches {
    fn note(&mut self, index: usize, launched: Launched) {
        if launched == Launched::Yes {
            self.running.push(index);
        }
        if matches!(
            launched,
            Launched::No | Launched::HostFailed | Launched::NotThere
        ) {
            self.dead.push(index);
        }
        if launched == Launched::NotThere {
            self.doubtful.insert(index);
        }
        if matches!(
            launched,
            Launched::HostFailed | Launched::NotThere | Launched::Unknown
        ) {
            self.host_failed.push(index);
        }
    }
}

impl Launcher<'_> {
    /// Launches all frames of the batch.
    pub(crate) async fn launch_all(&self) -> Launches {
        let launch = |(index, frame)| async move { (index, self.launch(frame).await) };
        let mut calls: FuturesUnordered<_> =
            self.batch.frames.iter().enumerate().map(launch).collect();
        let mut launches = Launches::default();
        while let Some((index, (launched, span))) = calls.next().await {
            if matches!(launched, Launched::NotThere | Launched::Unknown) {
                launches.traces.push((index, TracePoint::of(&span)));
            }
            launches.note(index, launched);
        }
        launches
    }
}

/// What a launch needs.
pub(crate) struct Launcher<'a> {
    pub(crate) rqd: &'a RqdClient,
    pub(crate) permits: &'a Semaphore,
    pub(crate) gates: &'a Gates,
    pub(crate) resolve_attempts: u32,
    pub(crate) batch: &'a Batch,
    /// Knows the span of the stage in the trace of each turn.
    pub(crate) out: &'a Outlet<Outcome>,
    pub(crate) metrics: &'a DispatchMetrics,
    pub(crate) resting: &'a Resting<LayerId>,
}

impl Launcher<'_> {
    /// Launches a frame; returns its span too, for what becomes known of it later.
    async fn launch(&self, frame: &BatchFrame) -> (Launched, Span) {
        let wanted = Instant::now();
        let slot = self.gates.enter(frame.host).await;
        // The semaphore is never closed, so the only answer is a permit.
        let permit = match self.gates.is_silent(frame.host) {
            true => None,
            false => self.permits.acquire().await.ok(),
        };
        let began = Instant::now();
        let span = self.span(frame);
        let waited = began.saturating_duration_since(wanted);
        span.record("queue_wait_us", micros(waited));
        let (launched, outcome) = if self.gates.is_silent(frame.host) {
            span.in_scope(|| not_tried(frame))
        } else if began > self.batch.launch_by {
            span.in_scope(|| too_late(frame))
        } else {
            let called = self.call(frame, (slot, permit)).instrument(span.clone());
            let called = called.await;
            let took = began.elapsed().as_secs_f64();
            self.metrics.launch_seconds.observe(took);
            called
        };
        self.metrics.launches.inc(outcome);
        span.record("outcome", outcome);
        (launched, span)
    }

    /// A batch holds work of several turns, and a launch belongs to the turn of its frame.
    fn span(&self, frame: &BatchFrame) -> Span {
        tracing::info_span!(
            parent: &self.out.span_under(frame.ticket.trace()),
            "launch",
            otel.kind = "client",
            rpc.system.name = "grpc",
            rpc.method = "rqd.RqdInterface/LaunchFrame",
            rpc.response.status_code = field::Empty,
            server.address = %frame.row.host_name,
            server.port = field::Empty,
            frame.id = %frame.row.frame,
            frame.name = %frame.name,
            proc.id = %frame.row.proc,
            queue_wait_us = field::Empty,
            outcome = field::Empty,
            error.type = field::Empty,
            otel.status_description = field::Empty,
        )
    }

    async fn call(
        &self,
        frame: &BatchFrame,
        permits: (Option<SemaphorePermit<'_>>, Option<SemaphorePermit<'_>>),
    ) -> (Launched, &'static str) {
        let Some(layer) = self.batch.layers.get(&frame.row.layer) else {
            failed_because("layer_gone", "its layer is gone");
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
        let run_frame = match cue_rqd::run_frame(&wanted, now_ms, self.rqd.traceparent().as_deref())
        {
            Ok(run_frame) => run_frame,
            Err(error) => {
                failed_because("not_launchable", Chain(&error));
                self.refused_for_good(frame, &error);
                return (Launched::No, "not_launchable");
            }
        };
        let answer = self.rqd.launch(&frame.row.host_name, run_frame).await;
        if answer.as_ref().is_err_and(LaunchError::is_silence) {
            self.gates.silent(frame.host);
        }
        // A host that does not answer is asked for a while, and must not keep others from launching.
        drop(permits);
        match answer {
            Ok(()) => {
                self.resting.forgive(&frame.row.layer);
                (Launched::Yes, "launched")
            }
            Err(error) => {
                let (launched, outcome) = self.failed(frame, &error).await;
                if launched != Launched::Yes {
                    failed_because(error.status_code(), Chain(&error));
                }
                (launched, outcome)
            }
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
                (Launched::HostFailed, "refused_for_now")
            }
            LaunchError::Unreachable { .. } => {
                self.warn(
                    frame,
                    error,
                    "the host cannot be reached; the booking is taken back",
                );
                (Launched::HostFailed, "unreachable")
            }
            LaunchError::Unknown { .. } => {
                self.warn(
                    frame,
                    error,
                    "the outcome of a launch is unknown; asking the host",
                );
                let asked = resolve::does_it_run(
                    self.rqd,
                    &frame.row.host_name,
                    &frame.row.frame,
                    &frame.row.proc,
                    self.resolve_attempts,
                );
                let found = tokio::time::timeout(RESOLVE_LIMIT, asked).await;
                match found.unwrap_or(Found::NoAnswer) {
                    Found::Runs => (Launched::Yes, "confirmed"),
                    Found::DoesNotRun => (Launched::NotThere, "not_running"),
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
            error = %Chain(error), frame.id = %frame.row.frame, layer.id = %frame.row.layer, host = %frame.row.host_name, rest_seconds = rest.as_secs(),
            "a launch is refused for good; the booking is taken back and the layer rests"
        );
    }

    fn warn(&self, frame: &BatchFrame, error: &LaunchError, fact: &'static str) {
        tracing::warn!(
            error = %Chain(error), frame.id = %frame.row.frame, proc.id = %frame.row.proc,
            host = %frame.row.host_name, "{fact}"
        );
    }
}

/// A launch on a host that has not answered another of the same batch.
fn not_tried(frame: &BatchFrame) -> (Launched, &'static str) {
    failed_because(
        "unreachable",
        "its host did not answer another launch, and it was not sent",
    );
    tracing::warn!(frame.id = %frame.row.frame, host = %frame.row.host_name, "a launch is not sent to a host that did not answer another; the booking is taken back");
    (Launched::HostFailed, "unreachable")
}

/// A launch that waited for so long that another process may have taken its booking back.
fn too_late(frame: &BatchFrame) -> (Launched, &'static str) {
    failed_because("too_late", "it had to wait too long and was not begun");
    tracing::warn!(frame.id = %frame.row.frame, host = %frame.row.host_name, "a launch had to wait too long and is not begun");
    (Launched::No, "too_late")
}

/// Writes into the current span that it failed, how in a word, and why.
pub(crate) fn failed_because(kind: &str, reason: impl std::fmt::Display) {
    let span = Span::current();
    span.record("error.type", kind);
    span.record("otel.status_description", field::display(reason));
}
