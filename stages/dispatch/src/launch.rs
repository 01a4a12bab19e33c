//! One launch: what is sent to the host, and what its answer means.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use cue_domain::LayerId;
use cue_domain::blame::Answer;
use cue_domain::messages::Outcome;
use cue_domain::resting::Resting;
use cue_flow::{Chain, Outlet, micros};
use cue_rqd::{LaunchError, LaunchFrame, LaunchLayer, LaunchOutcome, Refusal, RqdClient};
use cue_store::Moment;
use tracing::{Instrument, Span, field};

use crate::batch::{Batch, BatchFrame, BookedAt};
use crate::calls::{AwaitedHost, LaunchCalls};
use crate::gate::HostGate;
use crate::metrics::DispatchMetrics;

/// The facts that a batch is launched with.
#[derive(Clone, Copy)]
pub(crate) struct Launching<'a> {
    pub(crate) rqd: &'a RqdClient,
    pub(crate) calls: &'a LaunchCalls,
    /// Calls under way at once on one host.
    pub(crate) per_host: usize,
    pub(crate) resolve_attempts: u32,
    pub(crate) batch: &'a BatchFacts,
    /// Knows the span of the stage in the trace of each turn.
    pub(crate) out: &'a Outlet<Outcome>,
    pub(crate) metrics: &'a DispatchMetrics,
    pub(crate) resting: &'a Resting<LayerId>,
}

/// Facts that all launches of a batch share.
#[derive(Debug)]
pub(crate) struct BatchFacts {
    layers: HashMap<LayerId, Arc<LaunchLayer>>,
    booked: BookedAt,
    launch_by: Moment,
}

impl BatchFacts {
    /// Takes a batch apart: facts, and frames to be launched.
    pub(crate) fn of(batch: Batch) -> (Self, Vec<BatchFrame>) {
        let facts = Self {
            layers: batch.layers,
            booked: batch.booked,
            launch_by: batch.launch_by,
        };
        (facts, batch.frames)
    }
}

/// A launch that was tried.
pub(crate) struct Attempt {
    pub(crate) frame: BatchFrame,
    pub(crate) sent: Sent,
    pub(crate) span: Span,
    /// Status and words of an answer that is not clear, for the span should the frame not run.
    pub(crate) doubt: Option<(&'static str, String)>,
    /// It was not sent because of what other launches on the host came to.
    pub(crate) held_back: bool,
}

/// The outcome of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It runs.
    Accepted,
    /// It certainly does not run. The answer, if it says something about host or layer.
    Dead(Option<Answer>),
    /// The host took the call and did not say clearly what it did; `silent` if it said nothing.
    Unknown {
        /// The host said nothing at all.
        silent: bool,
    },
    /// It was sent, and the host says that it does not run: it may still arrive.
    NotThere(Answer),
    /// The host does not say.
    Unresolved,
}

impl Launching<'_> {
    /// Launches a frame that has waited since `wanted`, unless the gate or its deadline says otherwise.
    pub(crate) async fn launch(
        &self,
        frame: BatchFrame,
        wanted: Instant,
        gate: &HostGate,
        host: &AwaitedHost<'_>,
    ) -> Attempt {
        let place = match gate.refuses(frame.row.reserved.cores) {
            Some(_) => None,
            None => Some(self.calls.place().await),
        };
        let began = Instant::now();
        let span = self.span(&frame);
        let waited = began.saturating_duration_since(wanted);
        span.record("queue_wait_us", micros(waited));
        let mut doubt = None;
        let (sent, outcome) = match (gate.refuses(frame.row.reserved.cores), place) {
            (None, Some(_)) if Moment::now() > self.batch.launch_by => {
                span.in_scope(|| too_late(&frame))
            }
            (None, Some(place)) => {
                let call = self.call(&frame, &mut doubt).instrument(span.clone());
                let called = place.hold_for(call, host).await;
                let took = began.elapsed().as_secs_f64();
                self.metrics.launch_seconds.observe(took);
                called
            }
            (refusal, _) => span.in_scope(|| not_sent(refusal)),
        };
        gate.heard(sent);
        if doubt.is_none() {
            self.record(&span, outcome);
        }
        Attempt {
            frame,
            sent,
            span,
            doubt,
            held_back: outcome == NOT_SENT,
        }
    }

    /// Counts how a launch ended, and records it in its span.
    pub(crate) fn record(&self, span: &Span, outcome: &'static str) {
        self.metrics.launches.inc(outcome);
        span.record("outcome", outcome);
    }

    /// A batch holds work of several turns, and a launch belongs to the turn of its frame.
    fn span(&self, frame: &BatchFrame) -> Span {
        tracing::info_span!(
            parent: &self.out.span_under(frame.trace),
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

    /// Calls the host. An answer that is not clear is a `doubt`, and its outcome does not count yet.
    async fn call(
        &self,
        frame: &BatchFrame,
        doubt: &mut Option<(&'static str, String)>,
    ) -> (Sent, &'static str) {
        let Some(layer) = self.batch.layers.get(&frame.row.layer) else {
            failed_because("layer_gone", "its layer is gone");
            tracing::warn!(frame.id = %frame.row.frame, layer.id = %frame.row.layer, "the layer is gone; the booking is taken back");
            return (Sent::Dead(None), "layer_gone");
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
        let now_ms = self.batch.booked.now_ms();
        let run_frame = match cue_rqd::run_frame(&wanted, now_ms, self.rqd.traceparent().as_deref())
        {
            Ok(run_frame) => run_frame,
            Err(error) => {
                failed_because("not_launchable", Chain(&error));
                self.refused_for_good(frame, layer, &error);
                return (Sent::Dead(None), "not_launchable");
            }
        };
        match self.rqd.launch(&frame.row.host_name, run_frame).await {
            Ok(()) => {
                self.resting.forgive(&frame.row.layer);
                (Sent::Accepted, "launched")
            }
            Err(error) if error.outcome() == LaunchOutcome::MayRun => {
                self.warn(
                    frame,
                    &error,
                    "the outcome of a launch is unknown; asking the host",
                );
                *doubt = Some((error.status_code(), Chain(&error).to_string()));
                let silent = error.answer().is_none();
                (Sent::Unknown { silent }, "unresolved")
            }
            Err(error) => {
                failed_because(error.status_code(), Chain(&error));
                self.failed(frame, layer, &error)
            }
        }
    }

    fn failed(
        &self,
        frame: &BatchFrame,
        layer: &LaunchLayer,
        error: &LaunchError,
    ) -> (Sent, &'static str) {
        let Some(refusal) = error.refusal() else {
            self.warn(
                frame,
                error,
                "the host cannot be reached; the booking is taken back",
            );
            return (Sent::Dead(Some(Answer::Unfit)), "unreachable");
        };
        let answer = match refusal {
            Refusal::BadRequest => {
                self.refused_for_good(frame, layer, error);
                return (Sent::Dead(None), "refused");
            }
            Refusal::NoRoom => Answer::NoRoom(frame.row.reserved.cores),
            Refusal::HostUnavailable => Answer::Unfit,
            Refusal::Other => Answer::Refused,
        };
        self.metrics.last_refusals.record_launch(layer, error);
        self.warn(
            frame,
            error,
            "the host refuses the launch for now; the booking is taken back",
        );
        (Sent::Dead(Some(answer)), "refused_for_now")
    }

    fn refused_for_good(
        &self,
        frame: &BatchFrame,
        layer: &LaunchLayer,
        error: &(dyn std::error::Error + 'static),
    ) {
        self.metrics.last_refusals.record_launch(layer, error);
        let backoff = self.resting.strike(&frame.row.layer, Instant::now());
        tracing::warn!(
            error = %Chain(error), frame.id = %frame.row.frame, layer.id = %frame.row.layer, host = %frame.row.host_name, rest_seconds = backoff.as_secs(),
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

/// The outcome of a launch that was held back.
const NOT_SENT: &str = "not_sent";

/// A launch on a host that has answered another of the same batch so that this one need not be tried.
fn not_sent(refusal: Option<Answer>) -> (Sent, &'static str) {
    let reason = match refusal {
        Some(Answer::NoRoom(_)) => "its host had no room for another launch of this size",
        _ => "its host did not take another launch",
    };
    failed_because(NOT_SENT, reason);
    (Sent::Dead(refusal), NOT_SENT)
}

/// A launch that waited for so long that another process may have taken its booking back.
fn too_late(frame: &BatchFrame) -> (Sent, &'static str) {
    failed_because("too_late", "it had to wait too long and was not begun");
    tracing::warn!(frame.id = %frame.row.frame, host = %frame.row.host_name, "a launch had to wait too long and is not begun");
    (Sent::Dead(None), "too_late")
}

/// Records in the current span that it failed, with the kind of failure in a word, and the reason.
pub(crate) fn failed_because(kind: &str, reason: impl std::fmt::Display) {
    let span = Span::current();
    span.record("error.type", kind);
    span.record("otel.status_description", field::display(reason));
}
