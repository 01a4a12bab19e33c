//! Asking a host what its launches came to: one question for all of them.

use std::time::Duration;

use cue_domain::{Booking, FrameId, ProcId};
use cue_flow::{Chain, number};
use cue_rqd::{HostFrames, Presence, RqdClient};
use tracing::{Instrument, Span, field};

use crate::launch::RQD;

/// Answer of a host about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It runs, and it is our run.
    Runs,
    /// It does not run.
    DoesNotRun,
    /// The host could not be asked, or does not know.
    NoAnswer,
}

/// Pause between two questions. A launch request may still be on its way when RQD is asked for the
/// first time, and a frame may have ended a moment ago with its report still under way; so
/// "does not run" counts only when it is said twice with this pause between.
const PAUSE: Duration = Duration::from_millis(500);

/// The knowledge about one frame while its host is being asked.
struct Wanted<'a> {
    frame: &'a FrameId,
    proc: &'a ProcId,
    /// Answers in a row that do not have it.
    absent: u32,
    found: Found,
}

impl Wanted<'_> {
    fn heard(&mut self, frames: &HostFrames) {
        if self.found != Found::NoAnswer {
            return;
        }
        match frames.presence(self.frame.as_str()) {
            Presence::RunsAs(proc) if proc == self.proc.as_str() => self.found = Found::Runs,
            // Another run of the frame is there instead, or none.
            Presence::RunsAs(_) | Presence::Absent => self.absent += 1,
            Presence::Unclear => self.absent = 0,
        }
        if self.absent == 2 {
            self.found = Found::DoesNotRun;
        }
    }
}

/// Asks the host which of these frames run as which procs, `attempts` times at most (at least twice).
/// The answers are in the order of the frames.
pub async fn ask_about_launches(
    rqd: &RqdClient,
    host: &str,
    frames: &[(FrameId, ProcId)],
    attempts: u32,
) -> Vec<Found> {
    ask(rqd, host, frames, attempts, None).await
}

/// The same about launches of a batch; the spans of the questions name the first of its frames.
pub(crate) async fn ask(
    rqd: &RqdClient,
    host: &str,
    frames: &[(FrameId, ProcId)],
    attempts: u32,
    first: Option<&Booking>,
) -> Vec<Found> {
    let wanted = frames.iter().map(|(frame, proc)| Wanted {
        frame,
        proc,
        absent: 0,
        found: Found::NoAnswer,
    });
    let mut wanted: Vec<Wanted<'_>> = wanted.collect();
    for attempt in 1..=attempts.max(2) {
        let question = first.map_or_else(Span::none, |first| span(first, frames.len(), attempt));
        let cut_off = CutOff(Some(&question));
        let answer = rqd.running_frames(host);
        let answer = answer.instrument(question.clone()).await;
        cut_off.answered();
        match answer {
            Ok(frames) => wanted.iter_mut().for_each(|wanted| wanted.heard(&frames)),
            Err(error) => {
                question.record("error.type", error.kind());
                question.record("otel.status_description", field::display(Chain(&error)));
                wanted.iter_mut().for_each(|wanted| wanted.absent = 0);
                tracing::debug!(error = %Chain(&error), host, attempt, "the host does not answer");
            }
        }
        if wanted.iter().all(|wanted| wanted.found != Found::NoAnswer) {
            break;
        }
        if attempt < attempts.max(2) {
            tokio::time::sleep(PAUSE * attempt).await;
        }
    }
    wanted.iter().map(|wanted| wanted.found).collect()
}

/// The span of a question about launches of a batch. The loop that settles asks for ever, and its questions are in no
/// trace.
fn span(first: &Booking, frames: usize, attempt: u32) -> Span {
    tracing::info_span!(
        "ask_host",
        otel.kind = "client",
        peer.service = RQD,
        rpc.system.name = "grpc",
        rpc.method = "rqd.RqdInterface/ReportStatus",
        rpc.response.status_code = field::Empty,
        server.address = %first.host.name,
        server.port = field::Empty,
        cue.job.name = %first.layer.job_name,
        cue.layer.name = %first.layer.name,
        cue.frame.name = %first.frame.name,
        cue.frame.id = %first.frame.id,
        cue.proc.id = %first.proc,
        cue.host.name = %first.host.name,
        cue.frames = number(frames),
        cue.attempt = i64::from(attempt),
        error.type = field::Empty,
        otel.status_description = field::Empty,
    )
}

/// Marks a question whose answer nobody waits for any longer.
struct CutOff<'a>(Option<&'a Span>);

impl CutOff<'_> {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for CutOff<'_> {
    fn drop(&mut self) {
        if let Some(span) = self.0 {
            span.record("rpc.response.status_code", "CANCELLED");
            span.record("error.type", "CANCELLED");
            span.record(
                "otel.status_description",
                "the host did not answer within the time for all questions",
            );
        }
    }
}
