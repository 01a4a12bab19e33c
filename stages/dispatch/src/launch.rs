//! One launch: the call to the host, and the outcome that its answer proves.

use std::time::Instant;

use cue_domain::backoff::Backoffs;
use cue_domain::blame::Answer;
use cue_domain::{LaunchLayer, LayerId};
use cue_flow::{Chain, micros};
use cue_rqd::{LaunchError, LaunchOutcome, Refusal, RqdClient, RunFrame};
use cue_store::Moment;
use tracing::{Instrument, Span, field};

use crate::batch::{BatchFacts, BookedFrame};
use crate::calls::{AwaitedHost, LaunchCalls};
use crate::host_limits::PerHostLimits;
use crate::metrics::{DispatchMetrics, LaunchResult};
use crate::sent::Sent;

/// Service of the hosts in traces.
pub(crate) const RQD: &str = "rqd";

/// The facts that a batch is launched with.
#[derive(Clone, Copy)]
pub(crate) struct Launching<'a> {
    pub(crate) rqd: &'a RqdClient,
    pub(crate) calls: &'a LaunchCalls,
    /// Calls under way at once on one host.
    pub(crate) per_host: usize,
    pub(crate) resolve_attempts: u32,
    pub(crate) facts: &'a BatchFacts,
    pub(crate) metrics: &'a DispatchMetrics,
    pub(crate) backoffs: &'a Backoffs<LayerId>,
}

/// A launch that was tried.
pub(crate) struct Attempt {
    pub(crate) frame: BookedFrame,
    pub(crate) sent: Sent,
    pub(crate) result: LaunchResult,
    pub(crate) span: Span,
    /// Status and text of an answer that leaves the outcome unknown, for the span should the frame not run.
    pub(crate) unknown: Option<(&'static str, String)>,
}

impl Launching<'_> {
    /// Launches a frame that has waited since `wanted`, unless the limits of its host or its deadline forbid it.
    pub(crate) async fn launch(
        &self,
        frame: BookedFrame,
        wanted: Instant,
        limits: &PerHostLimits,
        host: &AwaitedHost<'_>,
    ) -> Attempt {
        let cores = frame.booking.reserved.cores;
        let place = match limits.refuses(cores) {
            Some(_) => None,
            None => Some(self.calls.place().await),
        };
        let began = Instant::now();
        let span = self.span(&frame);
        let traces = self.metrics.last_refusals.traces();
        traces.record(&frame.booking.frame.id, &span);
        let waited = began.saturating_duration_since(wanted);
        span.record("cue.queue_wait_us", micros(waited));
        let mut unknown = None;
        let (sent, result) = match (limits.refuses(cores), place) {
            (None, Some(_)) if Moment::now() > self.facts.launch_by => {
                span.in_scope(|| too_late(&frame))
            }
            (None, Some(place)) => {
                let call = self.call(&frame, &mut unknown).instrument(span.clone());
                let called = place.hold_for(call, host).await;
                let took = began.elapsed().as_secs_f64();
                self.metrics.launch_seconds.observe(took);
                called
            }
            (refusal, _) => span.in_scope(|| not_sent(refusal)),
        };
        limits.record(sent);
        if unknown.is_none() {
            self.record(&span, result);
        }
        Attempt {
            frame,
            sent,
            result,
            span,
            unknown,
        }
    }

    /// The span of a launch. It begins when the call may be sent.
    fn span(&self, frame: &BookedFrame) -> Span {
        let booking = &frame.booking;
        tracing::info_span!(
            "launch",
            otel.kind = "client",
            peer.service = RQD,
            rpc.system.name = "grpc",
            rpc.method = "rqd.RqdInterface/LaunchFrame",
            rpc.response.status_code = field::Empty,
            server.address = %booking.host.name,
            server.port = field::Empty,
            cue.show.name = %self.facts.show,
            cue.job.name = %booking.layer.job_name,
            cue.layer.name = %booking.layer.name,
            cue.frame.name = %booking.frame.name,
            cue.frame.id = %booking.frame.id,
            cue.proc.id = %booking.proc,
            cue.host.name = %booking.host.name,
            cue.queue_wait_us = field::Empty,
            cue.outcome = field::Empty,
            error.type = field::Empty,
            otel.status_description = field::Empty,
        )
    }

    /// Counts how a launch ended, and records it in its span.
    pub(crate) fn record(&self, span: &Span, result: LaunchResult) {
        self.metrics.launches.inc(result.name());
        span.record("cue.outcome", result.name());
    }

    /// The message for a host, or the outcome of a frame that no host could run.
    fn message(
        &self,
        frame: &BookedFrame,
    ) -> Result<(RunFrame, &LaunchLayer), (Sent, LaunchResult)> {
        let booking = &frame.booking;
        let Some(layer) = self.facts.layers.get(&booking.layer.id) else {
            failed_because(LaunchResult::LayerGone.name(), "its layer is gone");
            tracing::warn!(frame.id = %booking.frame.id, layer.id = %booking.layer.id, "the layer is gone; the booking is taken back");
            return Err((Sent::Dead(None), LaunchResult::LayerGone));
        };
        let now_ms = self.facts.booked.now_ms();
        let traceparent = self.rqd.traceparent();
        match cue_rqd::run_frame(booking, layer, now_ms, traceparent.as_deref()) {
            Ok(message) => Ok((message, layer)),
            Err(error) => {
                failed_because(LaunchResult::NotLaunchable.name(), Chain(&error));
                self.refused_for_good(frame, layer, &error);
                Err((Sent::Dead(None), LaunchResult::NotLaunchable))
            }
        }
    }

    /// Calls the host. If the answer leaves the outcome `unknown`, the result does not count yet.
    async fn call(
        &self,
        frame: &BookedFrame,
        unknown: &mut Option<(&'static str, String)>,
    ) -> (Sent, LaunchResult) {
        let (message, layer) = match self.message(frame) {
            Ok(message) => message,
            Err(outcome) => return outcome,
        };
        match self.rqd.launch(&frame.booking.host.name, message).await {
            Ok(()) => {
                self.backoffs.reset(&frame.booking.layer.id);
                (Sent::Accepted, LaunchResult::Launched)
            }
            Err(error) if error.outcome() == LaunchOutcome::MayRun => {
                warn(
                    frame,
                    &error,
                    "the outcome of a launch is unknown; asking the host",
                );
                *unknown = Some((error.status_code(), Chain(&error).to_string()));
                let silent = error.answer().is_none();
                (Sent::Unknown { silent }, LaunchResult::Unresolved)
            }
            Err(error) => {
                failed_because(error.status_code(), Chain(&error));
                self.failed(frame, layer, &error)
            }
        }
    }

    fn failed(
        &self,
        frame: &BookedFrame,
        layer: &LaunchLayer,
        error: &LaunchError,
    ) -> (Sent, LaunchResult) {
        let (host, refusals) = (&frame.booking.host.id, &self.metrics.last_refusals);
        let Some(refusal) = error.refusal() else {
            refusals.record_unreachable(host, layer, error);
            warn(
                frame,
                error,
                "the host cannot be reached; the booking is taken back",
            );
            let sent = Sent::Dead(Some(Answer::Unfit));
            return (sent, LaunchResult::Unreachable);
        };
        let answer = match refusal {
            Refusal::BadRequest => {
                self.refused_for_good(frame, layer, error);
                return (Sent::Dead(None), LaunchResult::Refused);
            }
            Refusal::NoRoom => Answer::NoRoom(frame.booking.reserved.cores),
            Refusal::HostUnavailable => Answer::Unfit,
            Refusal::Other => Answer::Refused,
        };
        refusals.record_launch(host, layer, error);
        warn(
            frame,
            error,
            "the host refuses the launch for now; the booking is taken back",
        );
        (Sent::Dead(Some(answer)), LaunchResult::RefusedForNow)
    }

    fn refused_for_good(
        &self,
        frame: &BookedFrame,
        layer: &LaunchLayer,
        error: &(dyn std::error::Error + 'static),
    ) {
        let booking = &frame.booking;
        let refusals = &self.metrics.last_refusals;
        refusals.record_launch(&booking.host.id, layer, error);
        let backoff = self
            .backoffs
            .record_failure(&booking.layer.id, Instant::now());
        tracing::warn!(
            error = %Chain(error), frame.id = %booking.frame.id, layer.id = %booking.layer.id, host = %booking.host.name, rest_seconds = backoff.as_secs(),
            "a launch is refused for good; the booking is taken back and the layer backs off"
        );
    }
}

fn warn(frame: &BookedFrame, error: &LaunchError, fact: &'static str) {
    let booking = &frame.booking;
    tracing::warn!(
        error = %Chain(error), frame.id = %booking.frame.id, proc.id = %booking.proc,
        host = %booking.host.name, "{fact}"
    );
}

/// A launch on a host that has answered another of the same batch so that this one need not be tried.
fn not_sent(refusal: Option<Answer>) -> (Sent, LaunchResult) {
    let reason = match refusal {
        Some(Answer::NoRoom(_)) => "its host had no room for another launch of this size",
        _ => "its host did not take another launch",
    };
    failed_because(LaunchResult::NotSent.name(), reason);
    (Sent::Dead(refusal), LaunchResult::NotSent)
}

/// A launch that waited beyond its deadline: another process may have taken its booking back.
fn too_late(frame: &BookedFrame) -> (Sent, LaunchResult) {
    let booking = &frame.booking;
    failed_because(
        LaunchResult::TooLate.name(),
        "it had to wait too long and was not begun",
    );
    tracing::warn!(frame.id = %booking.frame.id, host = %booking.host.name, "a launch had to wait too long and is not begun");
    (Sent::Dead(None), LaunchResult::TooLate)
}

/// Records in the current span that it failed, with the kind of failure in a word, and the reason.
pub(crate) fn failed_because(kind: &str, reason: impl std::fmt::Display) {
    mark_failed(&Span::current(), kind, reason);
}

/// Records in a span that it failed.
pub(crate) fn mark_failed(span: &Span, kind: &str, reason: impl std::fmt::Display) {
    span.record("error.type", kind);
    span.record("otel.status_description", field::display(reason));
}
