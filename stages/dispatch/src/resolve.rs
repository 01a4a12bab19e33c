//! Finding out what a launch came to.

use std::time::Duration;

use cue_domain::{FrameId, ProcId};
use cue_flow::Chain;
use cue_rqd::RqdClient;
use tracing::{Instrument, Span, field};

/// What the host says about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It runs, and it is our run.
    Runs,
    /// It does not run.
    DoesNotRun,
    /// The host could not be asked.
    NoAnswer,
}

/// The pause between two questions. A launch request may still be on its way when RQD is asked for
/// the first time, and a frame may have ended a moment ago with its report still under way; so
/// "does not run" counts only when it is said twice with this pause between.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks the host whether `frame` runs as `proc`, `attempts` times at most (at least twice).
pub(crate) async fn does_it_run(
    rqd: &RqdClient,
    host: &str,
    frame: &FrameId,
    proc: &ProcId,
    attempts: u32,
) -> Found {
    let mut not_running = 0;
    for attempt in 1..=attempts.max(2) {
        let question = question(host, attempt);
        let answer = rqd.running(host, frame.as_str());
        let answer = answer.instrument(question.clone()).await;
        if let Err(error) = &answer {
            question.record("error.type", error.kind());
            question.record("otel.status_description", field::display(Chain(error)));
        }
        match answer {
            Ok(Some(info)) if info.resource_id == proc.as_str() => return Found::Runs,
            Ok(_) => {
                not_running += 1;
                if not_running == 2 {
                    return Found::DoesNotRun;
                }
            }
            Err(error) => {
                not_running = 0;
                tracing::debug!(error = %Chain(&error), host, frame.id = %frame, attempt, "the host does not answer");
            }
        }
        tokio::time::sleep(PAUSE * attempt).await;
    }
    Found::NoAnswer
}

/// The span of a question that belongs to a launch. The loop that settles asks for ever, and its
/// questions are in no trace.
fn question(host: &str, attempt: u32) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::info_span!(
        "ask_host",
        otel.kind = "client",
        rpc.system.name = "grpc",
        rpc.method = "rqd.RqdInterface/GetRunningFrameStatus",
        rpc.response.status_code = field::Empty,
        server.address = host,
        server.port = field::Empty,
        attempt = i64::from(attempt),
        error.type = field::Empty,
        otel.status_description = field::Empty,
    )
}
