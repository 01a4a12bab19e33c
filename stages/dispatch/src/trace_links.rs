//! Addresses of traces, for people: of the current one, and of the last launch of a frame.
//!
//! Invariant: at most twice [`GENERATION`] launches are remembered, the newest ones, and none without an address to
//! make of them.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::FrameId;
use cue_rqd::TracePoint;
use parking_lot::Mutex;
use tracing::Span;

/// Launches of a generation; the one before it is kept too.
const GENERATION: usize = 25_000;

/// Placeholder in the address of a trace.
const TRACE_ID: &str = "{trace_id}";

/// Makes addresses of traces. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct TraceLinks(Arc<Mutex<Links>>);

#[derive(Debug, Default)]
struct Links {
    /// Address of a trace, with [`TRACE_ID`] in the place of its identifier.
    template: Option<String>,
    /// Traces by the frame that was launched.
    newer: HashMap<FrameId, String>,
    older: HashMap<FrameId, String>,
}

impl TraceLinks {
    /// Makes addresses like this one from now on, or none.
    pub fn set_template(&self, template: Option<String>) {
        self.0.lock().template = template;
    }

    /// Address of the trace of the current span, if it is sampled.
    pub(crate) fn current(&self) -> Option<String> {
        let links = self.0.lock();
        let template = links.template.as_ref()?;
        let trace = TracePoint::of(&Span::current()).sampled_trace()?;
        Some(template.replace(TRACE_ID, &trace))
    }

    /// Remembers the trace of a launch of the frame, if it is sampled.
    pub(crate) fn record(&self, frame: &FrameId, launch: &Span) {
        let mut links = self.0.lock();
        if links.template.is_none() {
            return;
        }
        let Some(trace) = TracePoint::of(launch).sampled_trace() else {
            return;
        };
        if links.newer.len() >= GENERATION {
            links.older = std::mem::take(&mut links.newer);
        }
        links.newer.insert(frame.clone(), trace);
    }

    /// Address of the trace in which the frame was launched last, if it is remembered.
    #[must_use]
    pub fn of_launch(&self, frame: &FrameId) -> Option<String> {
        let links = self.0.lock();
        let trace = links.newer.get(frame).or_else(|| links.older.get(frame))?;
        Some(links.template.as_ref()?.replace(TRACE_ID, trace))
    }
}
